package buildbtw_test

import (
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers lists every package of the module from the ground up. A package may
// import what lies in a lower layer; packages of one layer never import each
// other, except a sub-package its parent's words.
var layers = [][]string{
	{
		"", "pacman/srcinfo", "pacman/alpm", "internal/ansi", "internal/atomicfile", "internal/distribution", "internal/editdistance",
		"internal/flock", "internal/graph", "internal/guard", "internal/logattr", "internal/lru", "internal/proc", "internal/shell",
	},
	{"buildgraph/internal/link", "internal/limit", "pacman/pkgrel", "buildgraph/internal/feedback", "internal/graphlayout", "internal/treemap", "internal/directory", "internal/quota", "forecast", "release", "release/check", "release/dbupdate", "signing", "migrations", "static", "infrastructure"},
	{"buildgraph/internal/order", "internal/graphview", "internal/hints"},
	{"buildgraph"},
	{"store", "git/gitmirror", "git/gitlab", "pacman/pacmanrepo", "pacman/baserepo", "buildlog", "objects", "api", "views", "signing/keyring", "signing/agent", "signing/remote"},
	{"store/invariants", "git/gitlab/gitlabtest", "auth/oidctest", "signing/gpgtest", "objects/objectstest"},
	{"store/storetest"},
	{"catalog", "progress", "auth", "backup", "notify", "offload", "internal/reproduce"},
	{"publish", "handover", "retention"},
	{"forge"},
	{"handlers/transfer"},
	{"handlers/apiv1", "scheduler", "runners"},
	{"internal/simulation", "scheduler/schedulertest", "runners/fetch"},
	{"handlers", "runners/makepkg", "runners/pkgctl", "runners/fake", "runners/vm"},
	{"cmd/internal/cli", "cmd/internal/local"},
	{"cmd/internal/*"},
	{"cmd/*"},
}

// only says where a library may be imported at all (besides tests).
var only = map[string][]string{
	"github.com/gofiber/fiber/v2":         {"handlers", "handlers/apiv1", "handlers/transfer"},
	"github.com/a-h/templ":                {"views", "handlers", "cmd/buildbtw-storybook"},
	"github.com/uptrace/bun":              {"store"},
	"github.com/jmoiron/sqlx":             {"store"},
	"modernc.org/sqlite":                  {"store"},
	"github.com/xanzy/go-gitlab":          {"git/gitlab", "git/gitlab/gitlabtest"},
	"github.com/coreos/go-oidc/v3":        {"auth"},
	"golang.org/x/oauth2":                 {"auth"},
	"github.com/zitadel/oidc/v3":          {"auth/oidctest"},
	"github.com/go-jose/go-jose/v4":       {"auth/oidctest"},
	"github.com/ProtonMail/go-crypto":     {"signing/keyring"},
	"os/exec":                             {"git/gitmirror", "pacman/pacmanrepo", "git/gitlab/gitlabtest", "runners", "runners/*", "signing/agent", "signing/remote", "signing/gpgtest", "objects/objectstest", "internal/proc", "internal/limit", "cmd/*", "scheduler/schedulertest", "cmd/internal/cmdtest", "cmd/internal/gitlabrunner"},
	"github.com/minio/minio-go/v7":        {"objects"},
	"github.com/prometheus/client_golang": {"handlers"},

	// Wire types are one door's and the clients': whatever lies below speaks of
	// the domain.
	"buildbtw/api": {"handlers/apiv1", "runners", "runners/*", "cmd/bbtw", "cmd/buildbtw-*", "cmd/internal/*"},
}

// mounts lists the files in which a package may be imported at all (besides
// tests): the pages know nothing of the JSON API but that it is mounted.
var mounts = map[string]string{"buildbtw/handlers/apiv1": "handlers/app.go"}

// light lists programs that must never link the server's weight.
var light = map[string][]string{
	"cmd/bbtw":                  {"store", "handlers", "scheduler", "views", "runners"},
	"cmd/buildbtw-worker":       {"store", "handlers", "scheduler", "views"},
	"cmd/buildbtw-executor":     {"store", "handlers", "scheduler", "views"},
	"cmd/buildbtw-signer":       {"store", "handlers", "scheduler", "views", "runners", "signing/keyring"},
	"cmd/buildbtw-repo-updater": {"store", "handlers", "scheduler", "views", "runners"},
}

// imports maps each package directory to what its files import, split into
// files of the package and files of its tests.
type imports struct{ code, tests map[string][]string }

// readImports parses the import lines of every Go file below the root. It does
// not ask the go command, whose answer the test cache would keep.
func readImports(t *testing.T) imports {
	t.Helper()
	all := imports{map[string][]string{}, map[string][]string{}}
	for _, name := range goFiles(t) {
		if err := all.add(name); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func (i imports) add(name string) error {
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
	if err != nil {
		return err
	}
	dir := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(name)), ".")
	into := i.code
	if strings.HasSuffix(name, "_test.go") {
		into = i.tests
	}
	if into[dir] == nil {
		into[dir] = []string{}
	}
	for _, spec := range file.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		into[dir] = append(into[dir], p)
	}
	return nil
}

// own gives the directory of one of the module's packages.
func own(importPath string) (dir string, ok bool) {
	if importPath == "buildbtw" {
		return "", true
	}
	return strings.CutPrefix(importPath, "buildbtw/")
}

func layerOf(dir string) int {
	return slices.IndexFunc(layers, func(layer []string) bool { return matches(layer, dir) })
}

func matches(patterns []string, dir string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, dir)
		return err == nil && ok
	})
}

func TestEveryPackageHasALayer(t *testing.T) {
	t.Parallel()
	for dir := range readImports(t).code {
		if layerOf(dir) < 0 {
			t.Errorf("package %q is in no layer of imports_test.go: decide where it belongs", dir)
		}
	}
}

func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	for dir, list := range readImports(t).code {
		for _, p := range list {
			to, ok := own(p)
			if !ok {
				continue
			}
			if layerOf(to) >= layerOf(dir) {
				t.Errorf("%s imports %s, which does not lie below it", dir, p)
			}
		}
	}
}

func TestRootImportsOnlyTheStandardLibrary(t *testing.T) {
	t.Parallel()
	for _, p := range readImports(t).code[""] {
		if first, _, _ := strings.Cut(p, "/"); strings.Contains(first, ".") || first == "buildbtw" {
			t.Errorf("the root package imports %s", p)
		}
	}
}

func TestLibrariesStayInTheirPlace(t *testing.T) {
	t.Parallel()
	for dir, list := range readImports(t).code {
		for _, p := range list {
			for library, places := range only {
				if (p == library || strings.HasPrefix(p, library+"/")) && !matches(places, dir) {
					t.Errorf("%s imports %s, which belongs in %v only", dir, p, places)
				}
			}
		}
	}
}

func TestTheJSONAPIIsMountedInOneFile(t *testing.T) {
	for _, name := range goFiles(t) {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			if place, ok := mounts[strings.Trim(spec.Path.Value, `"`)]; ok && name != place {
				t.Errorf("%s imports %s, which is mounted in %s only", name, spec.Path.Value, place)
			}
		}
	}
}

func TestLightProgramsLinkNoServer(t *testing.T) {
	t.Parallel()
	all := readImports(t).code
	for program, heavy := range light {
		for _, dir := range reachable(all, program) {
			if matches(heavy, dir) {
				t.Errorf("%s links %s", program, dir)
			}
		}
	}
}

func TestOnlyCommandsReadTheEnvironment(t *testing.T) {
	t.Parallel()
	for _, name := range goFiles(t) {
		if strings.HasPrefix(name, "cmd/") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, call := range []string{"Getenv", "LookupEnv", "Environ"} {
			if usesOS(t, name, call) {
				t.Errorf("%s calls os.%s; read the environment in cmd and pass values", name, call)
			}
		}
	}
}

// reachable lists the module's packages that a program links.
func reachable(all map[string][]string, from string) []string {
	seen := map[string]bool{}
	queue := []string{from}
	for len(queue) > 0 {
		dir := queue[0]
		queue = queue[1:]
		for _, p := range all[dir] {
			if to, ok := own(p); ok && !seen[to] {
				seen[to] = true
				queue = append(queue, to)
			}
		}
	}
	var dirs []string
	for dir := range seen {
		dirs = append(dirs, dir)
	}
	return dirs
}
