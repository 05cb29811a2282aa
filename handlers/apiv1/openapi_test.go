package apiv1_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"buildbtw/api"
)

// document is the part of OpenAPI that the tests look at.
type document struct {
	OpenAPI    string `json:"openapi"`
	Paths      map[string]map[string]operation
	Components struct {
		Schemas map[string]struct {
			Properties map[string]any
			Required   []string
		}
	}
}

type operation struct {
	Summary     string
	Parameters  []struct{ Name, In string }
	RequestBody any
	Responses   map[string]any
	Listener    string `json:"x-listener"`
}

func TestDocumentKnowsEveryRouteOfTheContract(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var d document
	text := s.call("GET", "/openapi.json", nil, 200, &d).body
	for _, want := range []string{
		"get /health", "get /ready", "get /me", "post /plans", "post /plans/explain", "get /buildspaces", "post /buildspaces", "get /buildspaces/{name}",
		"patch /buildspaces/{name}", "get /buildspaces/{name}/iterations", "post /buildspaces/{name}/iterations",
		"get /buildspaces/{name}/iterations/{number}", "get /buildspaces/{name}/iterations/{number}/graph",
		"get /buildspaces/{name}/iterations/{number}/diff", "get /compare", "get /compare/lists/{list}", "get /compare/files/{pkgname}", "get /builds", "get /builds/{id}", "post /builds/{id}/retry", "post /builds/{id}/baseline", "post /builds/{id}/rebuild", "post /builds/{id}/abandon",
		"post /builds/{id}/cancel", "get /builds/{id}/attempts", "get /builds/{id}/log",
		"get /builds/{id}/log/state", "get /builds/{id}/log/lines", "get /builds/{id}/log/search", "get /builds/{id}/packages/{file}",
		"get /sources", "get /workers", "get /workers/time", "get /events", "post /worker/claim", "post /worker/leases/{lease}/heartbeat",
		"patch /worker/leases/{lease}/log", "put /worker/leases/{lease}/packages/{file}", "post /worker/leases/{lease}/finish",
		"post /sign-in-codes", "post /logins", "post /logins/finish", "get /tokens", "post /tokens", "delete /tokens/{id}", "get /sessions",
		"delete /sessions/{id}", "get /accounts", "post /accounts/{id}/end-access", "get /audit",
		"get /notifications/channels", "post /notifications/channels", "delete /notifications/channels/{id}", "post /notifications/channels/{id}/confirm",
		"post /notifications/channels/{id}/test", "get /notifications/deliveries", "post /notifications/deliveries/{id}/replay",
		"get /buildspaces/{name}/follow", "put /buildspaces/{name}/follow",
	} {
		method, path, _ := strings.Cut(want, " ")
		o, ok := d.Paths[path][method]
		if !ok || o.Summary == "" || len(o.Responses) < 2 {
			t.Errorf("%s is not described: %+v", want, o)
		}
	}
	for _, ref := range regexp.MustCompile(`"#/components/schemas/(\w+)"`).FindAllStringSubmatch(string(text), -1) {
		if _, ok := d.Components.Schemas[ref[1]]; !ok {
			t.Errorf("%s is referred to but not described", ref[1])
		}
	}
}

// The schema of a type has exactly the members that encoding/json writes.
func TestSchemasAgreeWithTheEncoder(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var d document
	s.call("GET", "/openapi.json", nil, 200, &d)
	s.space("work", "libalpha")
	var builds api.Page[json.RawMessage]
	s.call("GET", "/builds?buildspace=work", nil, 200, &builds)
	for name, text := range map[string][]byte{
		"Buildspace": s.call("GET", "/buildspaces/work", nil, 200, nil).body,
		"Iteration":  s.call("GET", "/buildspaces/work/iterations/1", nil, 200, nil).body,
		"Build":      builds.Items[0],
		"Job":        s.call("POST", "/worker/claim", claimRequest("w1"), 200, nil).body,
	} {
		var members map[string]any
		s.must(json.Unmarshal(text, &members))
		schema := d.Components.Schemas[name]
		for member := range members {
			if _, ok := schema.Properties[member]; !ok {
				t.Errorf("%s.%s is answered but not described", name, member)
			}
		}
		for _, member := range schema.Required {
			if _, ok := members[member]; !ok {
				t.Errorf("%s.%s is described as always there, but is not", name, member)
			}
		}
	}
}

func TestEveryDescribedReadIsAnswered(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var d document
	s.call("GET", "/openapi.json", nil, 200, &d)
	for path, operations := range d.Paths {
		if _, ok := operations["get"]; !ok || strings.Contains(path, "{") {
			continue
		}
		if path == "/package-users" {
			path = "/package-users?of=python3.13" // there is no answer without what is asked about
		}
		if path == "/compare" {
			s.space("work", "libalpha")
			path = "/compare?a=base&b=work"
		}
		if got := s.do(s.request("GET", path, nil)); got.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, got.Status)
		}
	}
}
