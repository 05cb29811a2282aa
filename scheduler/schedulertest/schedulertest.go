// Package schedulertest joins the parts of a server without its doors, for tests:
// a real store, a real mirror, real pacman repositories and the loops over them.
package schedulertest

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/catalog"
	"buildbtw/forge"
	"buildbtw/git/gitmirror"
	"buildbtw/internal/distribution"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/publish"
	"buildbtw/scheduler"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// Server is a server whose loops do not run: tests call their passes.
type Server struct {
	*scheduler.Scheduler
	DB      *storetest.DB
	Sources string // the directory of sources
	options Options
}

// Options override parts of the server's configuration.
type Options struct {
	Now   func() time.Time // the clock of DB unless it is set
	Forge forge.Config     // groups and pipelines; New sets the parts that it calls
}

// New makes a server with an empty directory of sources.
func New(t testing.TB, change ...func(*Options, *storetest.DB)) *Server {
	t.Helper()
	return NewOn(t, storetest.New(t), change...)
}

// NewOn is New over a store.
func NewOn(t testing.TB, db *storetest.DB, change ...func(*Options, *storetest.DB)) *Server {
	t.Helper()
	s := &Server{DB: db, Sources: filepath.Join(t.TempDir(), "sources")}
	s.options.Now = s.DB.Clock.Now
	for _, f := range change {
		f(&s.options, s.DB)
	}
	if err := os.Mkdir(s.Sources, 0o755); err != nil {
		t.Fatal(err)
	}
	s.Restart(t)
	return s
}

// Restart puts a new server over the same data, as after a crash. Prepare is not
// called.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	dir, quiet := filepath.Dir(s.Sources), slog.New(slog.DiscardHandler)
	mirror, err := gitmirror.Open(t.Context(), filepath.Join(dir, "sources.git"))
	if err != nil {
		t.Fatal(err)
	}
	repos, err := pacmanrepo.Open(filepath.Join(dir, "repos"), pacmanrepo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sources := catalog.New(catalog.Config{Mirror: mirror, Store: s.DB.Store, BaseRef: "main", Architectures: []string{"x86_64"}})
	f := s.options.Forge
	f.Store, f.Mirror, f.Catalog, f.Log, f.Now, f.Architectures = s.DB.Store, mirror, sources, quiet, s.options.Now, []string{"x86_64"}
	s.Scheduler = scheduler.New(scheduler.Config{
		Store: s.DB.Store, Mirror: mirror, Repos: repos, Catalog: sources, Log: quiet, Now: s.options.Now,
		Publisher:  publish.New(publish.Config{Store: s.DB.Store, Repos: repos, Mirror: mirror, Log: quiet, Now: s.options.Now}),
		Forge:      forge.New(f),
		SourceDirs: []string{s.Sources},
		Lease:      storetest.Lease, SyncPeriod: time.Second, Debounce: 2 * time.Second,
	})
}

// Pass runs one pass of each of these loops.
func (s *Server) Pass(t testing.TB, loops ...string) {
	t.Helper()
	for _, name := range loops {
		if err := s.Loop(name).Pass(t.Context()); err != nil {
			t.Fatalf("loop %s: %v", name, err)
		}
	}
}

// Settle makes the iterations that pushes cause.
func (s *Server) Settle(t testing.TB) {
	t.Helper()
	s.Pass(t, "sync", "iterate")
	s.DB.Clock.Advance(s.Debounce)
	s.Pass(t, "sync", "iterate")
}

// Push commits a .SRCINFO with a PKGBUILD to a source's branch main, making the source
// if it is new, and returns the commit.
func (s *Server) Push(t testing.TB, slug, srcinfo string) string {
	t.Helper()
	dir := filepath.Join(s.Sources, slug)
	if _, err := os.Stat(dir); err != nil {
		Git(t, s.Sources, "init", "-q", "-b", "main", slug)
	}
	if err := os.WriteFile(filepath.Join(dir, ".SRCINFO"), []byte(srcinfo), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "PKGBUILD"), []byte("pkgrel=1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	Git(t, dir, "add", "-A")
	Git(t, dir, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "-m", "change")
	return Git(t, dir, "rev-parse", "HEAD")
}

// Git runs git in a directory and returns its standard output.
func Git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSuffix(string(out), "\n")
}

// Srcinfo makes the .SRCINFO of a package.
func Srcinfo(name, version string, depends ...string) string {
	var text strings.Builder
	text.WriteString("pkgbase = " + name + "\n\tpkgver = " + version + "\n\tpkgrel = 1\n\tarch = x86_64\n")
	for _, d := range depends {
		text.WriteString("\tdepends = " + d + "\n")
	}
	text.WriteString("\npkgname = " + name + "\n")
	return text.String()
}

// Space creates a buildspace with the default settings for changesets.
func (s *Server) Space(t testing.TB, name string, changesets ...string) {
	t.Helper()
	s.SpaceWith(t, name, func(*buildbtw.Settings) {}, changesets...)
}

// SpaceWith creates a buildspace for changesets with changed default settings.
func (s *Server) SpaceWith(t testing.TB, name string, change func(*buildbtw.Settings), changesets ...string) {
	t.Helper()
	list, err := buildbtw.ParseChangesets(changesets)
	if err != nil {
		t.Fatal(err)
	}
	b := buildbtw.Buildspace{Name: name, Settings: buildbtw.DefaultSettings()}
	change(&b.Settings)
	if _, err := s.Store.CreateBuildspace(t.Context(), "test", b, list); err != nil {
		t.Fatal(err)
	}
}

// Iterations returns all iterations of a buildspace, newest first.
func (s *Server) Iterations(t testing.TB, name string) []store.IterationRow {
	t.Helper()
	rows, err := s.Store.Iterations(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// Changesets returns the commits of an iteration's changesets, by source.
func (s *Server) Changesets(t testing.TB, iteration int64) map[string]string {
	t.Helper()
	planned, err := s.Store.IterationChangesets(t.Context(), iteration)
	if err != nil {
		t.Fatal(err)
	}
	commits := map[string]string{}
	for _, p := range planned {
		commits[p.Source] = p.Commit
	}
	return commits
}

// ImportDistribution fills a mirror with one commit for every pkgbase of a whole
// distribution, and returns their .SRCINFO by pkgbase, which is the slug.
func ImportDistribution(t testing.TB, mirror string) map[string][]byte {
	t.Helper()
	texts := map[string][]byte{}
	for _, f := range distribution.FirstOfEachPkgbase(distribution.Whole(t)) {
		texts[f.Pkgbase()] = f.Text
	}
	if _, err := gitmirror.Open(t.Context(), mirror); err != nil {
		t.Fatal(err)
	}
	var in bytes.Buffer
	for slug, text := range texts {
		fmt.Fprintf(&in, "commit refs/sources/%s/heads/main\ncommitter T <t@e> 1700000000 +0000\ndata 1\nx\nM 100644 inline .SRCINFO\ndata %d\n%s\n", slug, len(text), text)
	}
	for _, args := range [][]string{{"fast-import", "--quiet"}, {"pack-refs", "--all"}} {
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"--git-dir", mirror}, args...)...)
		cmd.Stdin = &in
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	return texts
}
