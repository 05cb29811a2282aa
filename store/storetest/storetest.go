// Package storetest gives tests a real store on a temporary directory, with a
// clock they set, plans made from a few words, and a check of the invariants.
package storetest

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/store"
	"buildbtw/store/invariants"
)

// Lease is how long the leases of Claim last.
const Lease = time.Minute

// Start is where the clock of New stands.
func Start() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// DB is a store with what tests need around it.
type DB struct {
	*store.Store
	Clock *Clock
	Path  string // of the database file

	checking sync.Mutex
	checker  *invariants.Checker // made by the first Violations
	commits  int

	change func(*store.Options)

	mu     sync.Mutex
	leases int
}

// New opens a fresh store that is closed when the test ends. Leases are
// numbered, and pauses before a retry have no jitter.
func New(t testing.TB) *DB {
	t.Helper()
	return NewWith(t, func(*store.Options) {})
}

// NewWith is New with other options.
func NewWith(t testing.TB, change func(*store.Options)) *DB {
	t.Helper()
	d := &DB{Clock: &Clock{now: Start()}, Path: filepath.Join(t.TempDir(), "buildbtw.sqlite"), change: change}
	d.open(t)
	d.closeAfter(t)
	return d
}

func (d *DB) closeAfter(t testing.TB) {
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
}

// NewOf is New on a copy of a gzipped database.
func NewOf(t testing.TB, file string) *DB {
	t.Helper()
	return Over(t, Unpack(t, file))
}

// Unpack returns the path of a copy of a gzipped database, in a directory of its own.
func Unpack(t testing.TB, file string) string {
	t.Helper()
	packed, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	content, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "buildbtw.sqlite")
	plain, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(plain, content)
	if err := errors.Join(err, plain.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// Over opens a database of an earlier server.
func Over(t testing.TB, path string) *DB {
	t.Helper()
	const usedLeases = 1000
	d := &DB{Clock: &Clock{now: Start()}, Path: path, change: func(*store.Options) {}, leases: usedLeases}
	d.open(t)
	d.closeAfter(t)
	return d
}

// Reopen is a restart of the server.
func (d *DB) Reopen(t testing.TB) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Fatalf("close store: %v", err)
	}
	d.open(t)
}

func (d *DB) open(t testing.TB) {
	t.Helper()
	o := store.Options{
		Now:      d.Clock.Now,
		NewLease: d.newLease,
		Jitter:   func(pause time.Duration) time.Duration { return pause },
		Log:      slog.New(slog.DiscardHandler),
	}
	if t, ok := t.(*testing.T); ok {
		o.AfterCommit = func() { d.checkCommit(t) }
	}
	d.change(&o)
	s, err := store.Open(context.Background(), d.Path, o)
	if err != nil {
		t.Fatalf("open store: %v", err)
	}
	d.Store = s
}

func (d *DB) newLease() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leases++
	return fmt.Sprintf("lease-%d", d.leases)
}

// Clock is a clock that stands until it is moved.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now gives the time that was set last.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// NewBuildspace makes an active buildspace with one changeset, "lib", and
// default settings, but for reuse: Plan gives every build the same commit.
func (d *DB) NewBuildspace(t testing.TB, name string) store.BuildspaceRow {
	t.Helper()
	settings := buildbtw.DefaultSettings()
	settings.Reuse = false
	return d.NewBuildspaceWith(t, name, settings)
}

// NewBuildspaceWith makes an active buildspace with one changeset, "lib".
func (d *DB) NewBuildspaceWith(t testing.TB, name string, settings buildbtw.Settings) store.BuildspaceRow {
	t.Helper()
	b := buildbtw.Buildspace{Name: name, Settings: settings}
	row, err := d.CreateBuildspace(t.Context(), "alice", b, []buildbtw.Changeset{{Source: "lib"}})
	if err != nil {
		t.Fatalf("create buildspace: %v", err)
	}
	return row
}

// Projects makes sources known as projects of one group on GitLab, by the last
// parts of their paths, numbered from 1.
func (d *DB) Projects(t testing.TB, paths ...string) {
	t.Helper()
	const group = "packages"
	if err := d.RetainGroups(t.Context(), []string{group}); err != nil {
		t.Fatalf("note the group: %v", err)
	}
	list := make([]buildbtw.Project, len(paths))
	for i, path := range paths {
		list[i] = buildbtw.Project{ID: int64(i + 1), Path: path, ActiveAt: Start()}
	}
	if _, err := d.NoteProjects(t.Context(), group, list); err != nil {
		t.Fatalf("note projects: %v", err)
	}
}

// Iterate writes a plan as the next iteration of a buildspace.
func (d *DB) Iterate(t testing.TB, b store.BuildspaceRow, p *buildgraph.Plan) store.IterationRow {
	t.Helper()
	it, err := d.CreateIteration(t.Context(), store.NewIteration{
		BuildspaceID: b.ID, Revision: b.Revision, Reason: buildbtw.IterationRequested, Plan: p,
	})
	if err != nil {
		t.Fatalf("create iteration: %v", err)
	}
	return it
}

// Claim asks for a build as a worker with one slot; nil when there is none.
func (d *DB) Claim(t testing.TB, worker string, archs ...string) *store.Claimed {
	t.Helper()
	c, err := d.ClaimBuild(t.Context(), Ask(worker, archs...))
	if err != nil {
		t.Fatalf("claim: %v", err)
	}
	return c
}

// Ask is what a worker says that offers these architectures, or x86_64.
func Ask(worker string, archs ...string) store.Claim {
	if len(archs) == 0 {
		archs = []string{"x86_64"}
	}
	w := buildbtw.Worker{Name: worker, Architectures: archs, Runners: buildbtw.Names{"fake"}}
	return store.Claim{Worker: w, Lease: Lease}
}

// Upload adds a package for every pkgname of a claimed build.
func (d *DB) Upload(t testing.TB, c *store.Claimed) []store.PackageFile {
	t.Helper()
	var files []store.PackageFile
	for _, name := range c.Build.Pkgnames {
		p := Package(c, name)
		if err := d.AddPackage(t.Context(), c.Attempt.Lease, p); err != nil {
			t.Fatalf("add package: %v", err)
		}
		files = append(files, store.PackageFile{Filename: p.Filename, SHA256: p.SHA256})
	}
	return files
}

// Package is what a worker uploads for a pkgname.
func Package(c *store.Claimed, name string) buildbtw.Package {
	return buildbtw.Package{
		Pkgname: name, Version: c.Build.Version, Architecture: c.Build.Architecture,
		Filename: fmt.Sprintf("%s-%s-%s.pkg.tar.zst", name, c.Build.Version, c.Build.Architecture),
		SHA256:   fmt.Sprintf("%064x", c.Attempt.ID), Size: 1000,
	}
}

// Finish uploads the packages of a claimed build and publishes them.
func (d *DB) Finish(t testing.TB, c *store.Claimed) {
	t.Helper()
	if _, err := d.BeginPublish(t.Context(), c.Attempt.Lease, d.Upload(t, c)); err != nil {
		t.Fatalf("begin publish of %s: %v", c.Build.Pkgbase, err)
	}
	if _, err := d.CompletePublish(t.Context(), c.Attempt.ID); err != nil {
		t.Fatalf("complete publish of %s: %v", c.Build.Pkgbase, err)
	}
}

// End ends the attempt of a claimed build without packages.
func (d *DB) End(t testing.TB, c *store.Claimed, o buildbtw.Outcome) buildbtw.Status {
	t.Helper()
	status, err := d.EndAttempt(t.Context(), c.Attempt.Lease, o, "said the test")
	if err != nil {
		t.Fatalf("end attempt of %s: %v", c.Build.Pkgbase, err)
	}
	return status
}

// Statuses gives the status of every build of a buildspace's latest iteration
// by "pkgbase" or, unless it is for x86_64, "pkgbase/architecture".
func (d *DB) Statuses(t testing.TB, buildspace string) map[string]buildbtw.Status {
	t.Helper()
	rows, next, err := d.Builds(t.Context(), store.BuildFilter{Buildspace: buildspace, Limit: 500})
	if err != nil || next != "" {
		t.Fatalf("list builds: next %q, error %v", next, err)
	}
	all := map[string]buildbtw.Status{}
	for _, r := range rows {
		name := r.Pkgbase
		if r.Stage == 2 {
			name += "@2"
		}
		if r.Architecture != "x86_64" {
			name += "/" + r.Architecture
		}
		all[name] = r.Status
	}
	return all
}
