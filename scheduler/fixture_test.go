package scheduler

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/catalog"
	"buildbtw/git/gitmirror"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// fixture is a scheduler over a real store, a real mirror and real pacman
// repositories. Tests call the passes of its loops.
type fixture struct {
	*Scheduler
	db      *storetest.DB
	sources string // the directory of sources
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	return newFixtureWith(t, func(*Config) {})
}

// newFixtureWith is newFixture with another configuration.
func newFixtureWith(t testing.TB, change func(*Config)) *fixture {
	t.Helper()
	dir := t.TempDir()
	sources := filepath.Join(dir, "sources")
	if err := os.Mkdir(sources, 0o755); err != nil {
		t.Fatal(err)
	}
	mirror, err := gitmirror.Open(t.Context(), filepath.Join(dir, "sources.git"))
	if err != nil {
		t.Fatal(err)
	}
	repos, err := pacmanrepo.Open(filepath.Join(dir, "repos"), pacmanrepo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	db := storetest.New(t)
	c := Config{
		Store: db.Store, Mirror: mirror, Repos: repos, Log: slog.New(slog.DiscardHandler), Now: db.Clock.Now,
		Catalog:    catalog.New(catalog.Config{Mirror: mirror, BaseRef: "main", Architectures: []string{"x86_64"}}),
		SourceDirs: []string{sources}, Architectures: []string{"x86_64"},
		Lease: storetest.Lease, SyncPeriod: time.Second, Debounce: 2 * time.Second,
	}
	change(&c)
	return &fixture{db: db, sources: sources, Scheduler: New(c)}
}

// push commits a .SRCINFO to a source's branch main, making the source if it is
// new, and gives the commit.
func (f *fixture) push(t *testing.T, slug, srcinfo string) string {
	t.Helper()
	dir := filepath.Join(f.sources, slug)
	if _, err := os.Stat(dir); err != nil {
		git(t, f.sources, "init", "-q", "-b", "main", slug)
	}
	if err := os.WriteFile(filepath.Join(dir, ".SRCINFO"), []byte(srcinfo), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "PKGBUILD"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "add", "-A")
	git(t, dir, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "-m", "change")
	return git(t, dir, "rev-parse", "HEAD")
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	if n := len(out); n > 0 && out[n-1] == '\n' {
		out = out[:n-1]
	}
	return string(out)
}

// srcinfo makes the .SRCINFO of a package.
func srcinfoOf(name, version string, depends ...string) string {
	var text strings.Builder
	text.WriteString("pkgbase = " + name + "\n\tpkgver = " + version + "\n\tpkgrel = 1\n\tarch = x86_64\n")
	for _, d := range depends {
		text.WriteString("\tdepends = " + d + "\n")
	}
	text.WriteString("\npkgname = " + name + "\n")
	return text.String()
}

// pass runs the loops sync and iterate once.
func (f *fixture) pass(t *testing.T) {
	t.Helper()
	if err := f.syncPass(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := f.iteratePass(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// space creates a buildspace for changesets.
func (f *fixture) space(t testing.TB, name string, changesets ...string) {
	t.Helper()
	list, err := buildbtw.ParseChangesets(changesets)
	if err != nil {
		t.Fatal(err)
	}
	b := buildbtw.Buildspace{Name: name, Settings: buildbtw.DefaultSettings()}
	if _, err := f.Store.CreateBuildspace(t.Context(), "test", b, list); err != nil {
		t.Fatal(err)
	}
}

// iterations gives all iterations of a buildspace, newest first.
func (f *fixture) iterations(t *testing.T, name string) []store.IterationRow {
	t.Helper()
	rows, err := f.Store.Iterations(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
