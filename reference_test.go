package buildbtw_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/reference/metrics.md anew")

// metricsPage is the list of metrics in the documentation.
const metricsPage = "docs/reference/metrics.md"

// The list of metrics in the documentation has those that the code registers.
func TestReferenceIsFresh(t *testing.T) {
	t.Parallel()
	rows := []string{}
	for _, name := range goFiles(t) {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, metricsOf(file)...)
	}
	slices.Sort(rows)
	if len(rows) < 5 {
		t.Fatalf("only %d metrics were found", len(rows))
	}
	want := "# Metrics\n\nMade by `make generate` from the code; not to be edited. They are at `/metrics`, with those of Go and of the process\n" +
		"(`go_…`, `process_…`).\n\n| metric | kind | labels | |\n|---|---|---|---|\n" + strings.Join(rows, "")
	if *update {
		if err := os.WriteFile(metricsPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if text, err := os.ReadFile(metricsPage); err != nil || string(text) != want {
		t.Errorf("%s is not what the code has (%v); run: make generate", metricsPage, err)
	}
}

// metricsOf returns a row for each metric that a file makes: by prometheus.NewDesc, or by
// a constructor with options and, for a vector, labels.
func metricsOf(file *ast.File) []string {
	var rows []string
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		made, ok := strings.CutPrefix(prometheusName(call.Fun), "New")
		if !ok || len(call.Args) == 0 {
			return true
		}
		var name, help string
		kind, labels := "", []string{}
		if made == "Desc" && len(call.Args) >= 3 {
			name, help, labels = text(call.Args[0]), text(call.Args[1]), texts(call.Args[2])
		} else if options, ok := call.Args[0].(*ast.CompositeLit); ok {
			kind = strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(made, "Vec"), "Func"))
			name, help = field(options, "Name"), field(options, "Help")
			if len(call.Args) > 1 {
				labels = texts(call.Args[1])
			}
		}
		if name != "" {
			rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s |\n", name, kind, strings.Join(labels, ", "), help))
		}
		return true
	})
	return rows
}

// prometheusName returns X of prometheus.X.
func prometheusName(e ast.Expr) string {
	selector, ok := e.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	if of, ok := selector.X.(*ast.Ident); !ok || of.Name != "prometheus" {
		return ""
	}
	return selector.Sel.Name
}

func field(literal *ast.CompositeLit, name string) string {
	for _, element := range literal.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			if key, ok := pair.Key.(*ast.Ident); ok && key.Name == name {
				return text(pair.Value)
			}
		}
	}
	return ""
}

// text returns the value of a string, also of one put together with +.
func text(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if s, err := strconv.Unquote(e.Value); err == nil {
			return s
		}
	case *ast.BinaryExpr:
		return text(e.X) + text(e.Y)
	}
	return ""
}

func texts(e ast.Expr) []string {
	list := []string{}
	if literal, ok := e.(*ast.CompositeLit); ok {
		for _, element := range literal.Elts {
			list = append(list, text(element))
		}
	}
	return list
}
