package apiv1_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/reference/api.md anew")

// The list of routes in the documentation is that of the API.
func TestReferenceIsFresh(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var d document
	s.call("GET", "/openapi.json", nil, 200, &d)
	var b strings.Builder
	b.WriteString("# JSON API\n\nMade by `make generate` from the table of routes; not to be edited. Paths begin with `/api/v1`; `/api/v1/openapi.json` of a server has\n" +
		"parameters, bodies and answers of each. Errors are `application/problem+json`. With `--listen-workers` routes for machines are answered at that\naddress alone, those for all at both.\n\n" +
		"| | | for | |\n|---|---|---|---|\n")
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(d.Paths[path])) {
			o := d.Paths[path][method]
			parameters := []string{}
			for _, p := range o.Parameters {
				if p.In == "query" {
					parameters = append(parameters, "`"+p.Name+"`")
				}
			}
			more := ""
			if len(parameters) > 0 {
				more = " (" + strings.Join(parameters, ", ") + ")"
			}
			fmt.Fprintf(&b, "| %s | `%s` | %s | %s%s |\n", strings.ToUpper(method), path, o.Listener, strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(o.Summary), more)
		}
	}
	const page = "../../docs/reference/api.md"
	if *update {
		s.must(os.WriteFile(page, []byte(b.String()), 0o644))
		return
	}
	if text, err := os.ReadFile(page); err != nil || string(text) != b.String() {
		t.Errorf("docs/reference/api.md is not what the API has (%v); run: make generate", err)
	}
}
