package publish_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/publish"
	"buildbtw/runners"
	"buildbtw/runners/fake"
	"buildbtw/scheduler/schedulertest"
	"buildbtw/store"
)

// fixture is a server whose builds the tests execute.
type fixture struct {
	*schedulertest.Server
	bases int // versions of the base so far

	debug bool // builds make a debug package, too
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	return &fixture{Server: schedulertest.New(t)}
}

// everything rebuilds all dependents, whatever they notice.
func everything(s *buildbtw.Settings) { s.Scope = buildbtw.ScopeAll }

// build executes a claimed build as a worker with the fake runner would.
func (f *fixture) build(t *testing.T, c *store.Claimed) {
	t.Helper()
	srcinfos, err := f.Mirror.ReadSrcinfos(t.Context(), []string{c.Build.Commit})
	if err != nil {
		t.Fatal(err)
	}
	job := runners.Job{
		Job: api.Job{
			Pkgbase: c.Build.Pkgbase, Pkgnames: c.Build.Pkgnames, Version: c.Build.Version, Architecture: c.Build.Architecture,
			Srcinfo: string(srcinfos[c.Build.Commit].Text), SourceDate: 1_700_000_000,
		},
		Tree: filepath.Join(f.Sources, c.Build.Source), Output: t.TempDir(), Work: t.TempDir(),
	}
	if f.debug {
		name := c.Build.Pkgbase + "-debug"
		job.Pkgnames, job.Srcinfo = append(slices.Clone(job.Pkgnames), name), job.Srcinfo+"\npkgname = "+name+"\n"
	}
	if r := (fake.Runner{}).Build(t.Context(), job, io.Discard); r.Outcome != buildbtw.OutcomeBuilt {
		t.Fatalf("the fake runner: %+v", r)
	}
	report := publish.Report{Outcome: buildbtw.OutcomeBuilt}
	files, err := os.ReadDir(job.Output)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		report.Files = append(report.Files, f.upload(t, c, filepath.Join(job.Output, file.Name())))
	}
	status, err := f.Publisher.Finish(t.Context(), c.Attempt.Lease, report)
	if err != nil || status != buildbtw.StatusBuilt {
		t.Fatalf("finish %s: %s, %v", c.Build.Pkgbase, status, err)
	}
}

func (f *fixture) upload(t *testing.T, c *store.Claimed, path string) store.PackageFile {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	file := store.PackageFile{Filename: filepath.Base(path), SHA256: hex.EncodeToString(sum[:])}
	p, err := f.Repos.Stage(t.Context(), pacmanrepo.Upload{
		Attempt: c.Attempt.Name(), Filename: file.Filename, SHA256: file.SHA256, Size: int64(len(data)),
		Pkgbase: c.Build.Pkgbase, Pkgnames: c.Build.Pkgnames, Version: c.Build.Version, Architecture: c.Build.Architecture,
	}, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Store.AddPackage(t.Context(), c.Attempt.Lease, p); err != nil {
		t.Fatal(err)
	}
	return file
}

// work runs loop reuse and builds until there is nothing left, and gives what
// was built, in that order.
func (f *fixture) work(t *testing.T) []string {
	t.Helper()
	built := []string{}
	for {
		f.Pass(t, "reuse")
		f.DB.Check(t)
		c := f.DB.Claim(t, "worker")
		if c == nil {
			return built
		}
		f.build(t, c)
		built = append(built, c.Build.Pkgbase)
	}
}

// wantBuilt builds all there is and compares with what should be built.
func (f *fixture) wantBuilt(t *testing.T, want ...string) {
	t.Helper()
	if d := cmp.Diff(append([]string{}, want...), f.work(t)); d != "" {
		t.Errorf("built (-want +got):\n%s", d)
	}
}

// wantListed compares the repository with what should be in it, byte for byte.
func (f *fixture) wantListed(t *testing.T, repository string, want ...string) {
	t.Helper()
	all, err := f.Repos.Verify(t.Context(), repository)
	if err != nil {
		t.Error(err)
	}
	var got []string
	for _, c := range all {
		for _, name := range c.Listed {
			got = append(got, strings.TrimSuffix(name, "-x86_64.pkg.tar.zst"))
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s lists (-want +got):\n%s", repository, d)
	}
}

// said reports whether an event about a build of the latest iteration has these
// words.
func (f *fixture) said(t *testing.T, space, pkgbase, words string) bool {
	t.Helper()
	rows, _, err := f.Store.Builds(t.Context(), store.BuildFilter{Buildspace: space, Pkgbase: pkgbase})
	if err != nil || len(rows) != 1 {
		t.Fatalf("%d builds of %s, %v", len(rows), pkgbase, err)
	}
	events, err := f.Store.Events(t.Context(), store.EventFilter{BuildID: rows[0].ID})
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(events, func(e store.EventRow) bool { return strings.Contains(e.Message, words) })
}

// three pushes lib, app that depends on it, and leaf on top.
func (f *fixture) three(t *testing.T) {
	t.Helper()
	f.Push(t, "lib", schedulertest.Srcinfo("lib", "1"))
	f.Push(t, "app", schedulertest.Srcinfo("app", "1", "lib"))
	f.Push(t, "leaf", schedulertest.Srcinfo("leaf", "1", "app"))
}
