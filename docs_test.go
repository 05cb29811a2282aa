package buildbtw_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What docs and comments name. A path is only ours when it begins with one of our
// directories; a name alone must belong to some file.
var (
	quoted     = regexp.MustCompile("`([^`\n]+)`")
	link       = regexp.MustCompile(`\]\(([^)#\s]+)(?:#[^)]*)?\)`)
	pathWord   = regexp.MustCompile(`(?:^|[^\w/.:~$%&=@{*-])((?:[\w.-]+/)+[\w.*-]*[\w*])`)
	fileWord   = regexp.MustCompile(`(?:^|[^\w/.*{%-])([a-z][\w-]*\.(?:go|md|sql|templ|mjs|sh|txtar))\b`)
	packageDoc = regexp.MustCompile("[Pp]ackages? `([a-z][a-z0-9/]*)`")
	makeTarget = regexp.MustCompile("[`'\"]make ([a-z][a-z-]*)")
	target     = regexp.MustCompile(`(?m)^([a-z][a-z-]*):`)
	inFile     = regexp.MustCompile("`([\\w/]+\\.go)`((?:,? `\\w+`)+)") // `store/publish.go` `CompletePublish`
	mapEntry   = regexp.MustCompile(`(?m)(?:^|[ │├└─])([a-z][\w/{},.*]*/)(?:\s|$)`)
)

// tree is what there is to be named.
type tree struct {
	paths   map[string]bool // files and directories, from the root
	names   map[string]bool // the last elements of files
	dirs    map[string]bool // the last elements of directories with Go files
	targets map[string]bool // of the Makefile
}

func readTree(t *testing.T) tree {
	t.Helper()
	all := tree{map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains([]string{".git", "node_modules", "bin", "tmp", "data"}, name) {
			return filepath.SkipDir
		}
		name = filepath.ToSlash(name)
		all.paths[name] = true
		if !d.IsDir() {
			all.names[d.Name()] = true
		}
		if strings.HasSuffix(name, ".go") {
			all.dirs[path.Base(path.Dir(name))] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range target.FindAllStringSubmatch(string(makefile), -1) {
		all.targets[m[1]] = true
	}
	return all
}

// has reports whether a path exists: from the root, beside the file that names it,
// or inside of a package (internal/link in a page about buildgraph). A path may
// have stars.
func (f tree) has(from, name string) bool {
	for p := range f.paths {
		if strings.HasSuffix(p, "/"+name) {
			return true
		}
	}
	for _, dir := range []string{".", path.Dir(from)} {
		full := path.Join(dir, name)
		if f.paths[full] {
			return true
		}
		if strings.Contains(full, "*") {
			if found, err := filepath.Glob(full); err == nil && len(found) > 0 {
				return true
			}
		}
	}
	return false
}

// ours reports whether a path begins with one of the root's directories.
func (f tree) ours(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return first != "." && f.paths[first]
}

// missing lists what a text names and is not there.
func (f tree) missing(from, text string) []string {
	var list []string
	for _, m := range pathWord.FindAllStringSubmatch(text, -1) {
		if name := strings.TrimRight(m[1], "."); f.ours(name) && !f.has(from, name) {
			list = append(list, name)
		}
	}
	for _, m := range fileWord.FindAllStringSubmatch(text, -1) {
		if !f.names[m[1]] {
			list = append(list, m[1])
		}
	}
	for _, m := range makeTarget.FindAllStringSubmatch(text, -1) {
		if !f.targets[m[1]] {
			list = append(list, "make "+m[1])
		}
	}
	return list
}

// markdown lists what a document names and is not there: in its links, between
// backticks, and in the maps of the tree that it draws.
func (f tree) markdown(from, text string) []string {
	list := f.missing(from, strings.Join(quoted.FindAllString(text, -1), "\n"))
	for _, m := range link.FindAllStringSubmatch(text, -1) {
		if !strings.Contains(m[1], ":") && !f.has(from, m[1]) {
			list = append(list, m[1])
		}
	}
	for _, m := range packageDoc.FindAllStringSubmatch(text, -1) {
		if !f.dirs[path.Base(m[1])] {
			list = append(list, "package "+m[1])
		}
	}
	for _, m := range inFile.FindAllStringSubmatch(text, -1) {
		for _, name := range quoted.FindAllStringSubmatch(m[2], -1) {
			if code, err := os.ReadFile(m[1]); err != nil || !declares(string(code), name[1]) {
				list = append(list, m[1]+" "+name[1])
			}
		}
	}
	for i, block := range strings.Split(text, "```") {
		if i%2 == 0 || !strings.HasPrefix(block, "\n") {
			continue // not a block, or one in a language
		}
		for _, m := range mapEntry.FindAllStringSubmatch(block, -1) {
			for _, name := range braces(strings.TrimSuffix(m[1], "/")) {
				if !f.has(from, name) {
					list = append(list, m[1])
				}
			}
		}
	}
	return list
}

// declares reports whether Go code has a function, a method or a table of that name.
func declares(code, name string) bool {
	return regexp.MustCompile(`(?m)^(?:func (?:\([^)]*\) )?|var )` + regexp.QuoteMeta(name) + `\b`).MatchString(code)
}

// braces expands a{b,c} as a shell does, once.
func braces(s string) []string {
	before, rest, ok := strings.Cut(s, "{")
	if !ok {
		return []string{s}
	}
	choices, after, _ := strings.Cut(rest, "}")
	var list []string
	for _, c := range strings.Split(choices, ",") {
		list = append(list, before+c+after)
	}
	return list
}

// The changelog tells of what was; it may name what is gone.
func TestWhatDocumentsNameIsThere(t *testing.T) {
	t.Parallel()
	all := readTree(t)
	for name := range all.paths {
		if path.Ext(name) != ".md" || name == "CHANGELOG.md" {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range all.markdown(name, string(text)) {
			t.Errorf("%s names %s, which is not there", name, m)
		}
	}
}

func TestWhatCommentsNameIsThere(t *testing.T) {
	t.Parallel()
	all := readTree(t)
	for _, name := range goFiles(t) {
		if strings.HasSuffix(name, "_templ.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, group := range file.Comments {
			for _, m := range all.missing(name, group.Text()) {
				t.Errorf("%s names %s, which is not there", name, m)
			}
		}
	}
}

func TestNamesThatAreNotThereAreFound(t *testing.T) {
	t.Parallel()
	all := readTree(t)
	for text, want := range map[string]string{
		"See `store/nothing.go`.":                                                            "store/nothing.go",
		"See `nothing.go` and `build.go`.":                                                   "nothing.go",
		"Run `make nothing`, not `make test`":                                                "make nothing",
		"See `build.go` `Nothing`, `CanRetry`":                                               "build.go Nothing",
		"In [a page](docs/nothing.md).":                                                      "docs/nothing.md",
		"Package `astrology` knows who asks.":                                                "package astrology",
		"\n```\nstore/  git/{gitlab,nothing}/\n```":                                          "git/{gitlab,nothing}/",
		"`store/*.go`, `*_templ.go`, `/etc/a.go`, [x](https://a.test/b.md), package `store`": "",
	} {
		if got := strings.Join(all.markdown("README.md", text), " "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
