package buildbtw_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"testing"
)

// transparent lists what a reader or writer of ours may embed: by none of these
// bytes go in or out other than by Read and Write.
var transparent = []string{
	"io.Reader", "io.Writer", "io.Closer", "io.ReadCloser", "io.WriteCloser", "io.ReadWriter", "net.Conn", "http.ResponseWriter",
	"sync.Mutex", "sync.RWMutex",
}

// io.Copy, and with it os/exec, prefers ReadFrom and WriteTo to Read and Write, and
// io.WriteString prefers WriteString. They go past a type that bounds, counts or
// watches in its Read or Write and embeds one that has them: bytes.Buffer,
// os.File, bufio.Writer. Such a type must have it in a field.
func TestNothingGoesPastAReadOrWrite(t *testing.T) {
	t.Parallel()
	methods := map[string]bool{}    // "directory.Type" that has a Read or Write of its own
	embeds := map[string][]string{} // by "directory.Type"
	for _, name := range goFiles(t) {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		dir := path.Dir(name) + "."
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv != nil && (n.Name.Name == "Read" || n.Name.Name == "Write") {
					methods[dir+typeName(n.Recv.List[0].Type)] = true
				}
			case *ast.TypeSpec:
				fields, ok := n.Type.(*ast.StructType)
				if !ok {
					return true
				}
				for _, f := range fields.Fields.List {
					if len(f.Names) == 0 {
						embeds[dir+n.Name.Name] = append(embeds[dir+n.Name.Name], typeName(f.Type))
					}
				}
			}
			return true
		})
	}
	if len(methods) < 10 {
		t.Fatalf("only %d readers and writers found: the test looks at the wrong files", len(methods))
	}
	for name := range methods {
		for _, e := range embeds[name] {
			if !slices.Contains(transparent, e) {
				t.Errorf("%s has a Read or Write and embeds %s, whose other methods may go past it: make it a field", name, e)
			}
		}
	}
}

// typeName returns "T", or "package.T", of a type or a pointer to it.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.IndexExpr:
		return typeName(e.X)
	case *ast.SelectorExpr:
		return typeName(e.X) + "." + e.Sel.Name
	case *ast.Ident:
		return e.Name
	}
	return "?"
}
