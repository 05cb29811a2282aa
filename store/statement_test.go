package store

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// functions returns the functions of this package by name, without tests.
func functions(t *testing.T) map[string]*ast.FuncDecl {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	all := map[string]*ast.FuncDecl{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				all[name+": "+f.Name.Name] = f
			}
		}
	}
	return all
}

// calls visits the calls of methods in a function.
func calls(f *ast.FuncDecl, visit func(method string, call *ast.CallExpr)) {
	ast.Inspect(f, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if method, ok := call.Fun.(*ast.SelectorExpr); ok {
				visit(method.Sel.Name, call)
			}
		}
		return true
	})
}

// TestNoFunctionUsesBothLibraries: bun writes and loads single rows, sqlx runs
// hand-written statements. That both share a transaction is known to inTx alone.
func TestNoFunctionUsesBothLibraries(t *testing.T) {
	t.Parallel()
	bun := []string{"NewSelect", "NewInsert", "NewUpdate", "NewDelete", "NewRaw"}
	sqlx := []string{"list", "get", "exec", "run", "rows", "listText", "getText", "SelectContext", "GetContext", "ExecContext", "QueryContext"}
	for name, f := range functions(t) {
		uses := map[string]bool{}
		calls(f, func(method string, _ *ast.CallExpr) {
			uses["bun"] = uses["bun"] || slices.Contains(bun, method)
			uses["sqlx"] = uses["sqlx"] || slices.Contains(sqlx, method)
		})
		if uses["bun"] && uses["sqlx"] {
			t.Errorf("%s uses bun and sqlx", name)
		}
	}
}

// TestStatementsAndTheirUses: every statement of store/sql is run by some
// function, every function finds its statement there, and names of parameters
// that are given are those of the statement.
func TestStatementsAndTheirUses(t *testing.T) {
	t.Parallel()
	texts, err := loadStatements()
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for name, f := range functions(t) {
		ast.Inspect(f, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if s, _ := strconv.Unquote(lit.Value); texts[s] != "" {
					used[s] = true
				}
			}
			return true
		})
		calls(f, func(method string, call *ast.CallExpr) {
			if at := map[string]int{"list": 2, "get": 2, "exec": 1, "rows": 1}[method]; at > 0 && len(call.Args) == at+2 {
				checkCall(t, name, texts, call.Args[at], call.Args[at+1])
			}
		})
	}
	for name := range texts {
		if !used[name] {
			t.Errorf("no function runs statement %s", name)
		}
	}
}

// TestStatementsAreCompiledOnce: no statement has a parameter as its limit or offset, for
// which SQLite would compile it anew each time.
func TestStatementsAreCompiledOnce(t *testing.T) {
	t.Parallel()
	texts, err := loadStatements()
	if err != nil {
		t.Fatal(err)
	}
	cast := 0
	for name, text := range texts {
		text = strings.Join(strings.Fields(text), " ")
		if strings.Contains(text, "LIMIT :") || strings.Contains(text, "OFFSET :") {
			t.Errorf("%s is compiled each time that it is run:\n%s", name, text)
		}
		cast += strings.Count(text, "LIMIT CAST(:")
	}
	if cast == 0 {
		t.Error("no statement has a limit; this test looks for the wrong text")
	}
}

func checkCall(t *testing.T, function string, texts map[string]string, statement, values ast.Expr) {
	t.Helper()
	lit, ok := statement.(*ast.BasicLit)
	if !ok {
		return
	}
	name, _ := strconv.Unquote(lit.Value)
	text, found := texts[name]
	if !found {
		t.Errorf("%s: there is no statement %s", function, name)
		return
	}
	want := parameters(text)
	given, ok := values.(*ast.CompositeLit)
	if !ok {
		if id, isNil := values.(*ast.Ident); isNil && id.Name == "nil" && len(want) > 0 {
			t.Errorf("%s: statement %s has parameters %v, none are given", function, name, want)
		}
		return
	}
	var got []string
	for _, e := range given.Elts {
		key, _ := strconv.Unquote(e.(*ast.KeyValueExpr).Key.(*ast.BasicLit).Value)
		got = append(got, key)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%s: statement %s has parameters %v, given are %v", function, name, want, got)
	}
}

// parameters returns the names of a statement's parameters, sorted.
func parameters(text string) []string {
	var names []string
	for _, m := range regexp.MustCompile(`:([a-z_0-9]+)`).FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// TestStatementsCanBeExplained has SQLite read every statement.
func TestStatementsCanBeExplained(t *testing.T) {
	t.Parallel()
	s := openTemp(t)
	for name, text := range s.statements.texts {
		a := args{}
		for _, p := range parameters(text) {
			a[p] = 0
		}
		if err := explained(t, s, text, a); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func explained(t *testing.T, s *Store, text string, a args) error {
	t.Helper()
	rows, err := s.db().QueryContext(t.Context(), "EXPLAIN "+text, a.list()...)
	if err != nil {
		return err
	}
	defer rows.Close()
	return rows.Err()
}
