package scheduler

import (
	"bytes"
	"context"
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
	"buildbtw/runners"
	"buildbtw/runners/fake"
	"buildbtw/store"
)

// spaceWith creates a buildspace for changesets with changed default settings.
func (f *fixture) spaceWith(t testing.TB, name string, change func(*buildbtw.Settings), changesets ...string) {
	t.Helper()
	list, err := buildbtw.ParseChangesets(changesets)
	if err != nil {
		t.Fatal(err)
	}
	b := buildbtw.Buildspace{Name: name, Settings: buildbtw.DefaultSettings()}
	change(&b.Settings)
	if _, err := f.Store.CreateBuildspace(t.Context(), "test", b, list); err != nil {
		t.Fatal(err)
	}
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
		Tree: filepath.Join(f.sources, c.Build.Source), Output: t.TempDir(), Work: t.TempDir(),
	}
	if r := (fake.Runner{}).Build(t.Context(), job, io.Discard); r.Outcome != buildbtw.OutcomeBuilt {
		t.Fatalf("the fake runner: %+v", r)
	}
	request := api.FinishRequest{Outcome: buildbtw.OutcomeBuilt}
	files, err := os.ReadDir(job.Output)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		request.Files = append(request.Files, f.upload(t, c, filepath.Join(job.Output, file.Name())))
	}
	answer, err := f.Finish(t.Context(), c.Attempt.Lease, request)
	if err != nil || answer.Status != buildbtw.StatusBuilt {
		t.Fatalf("finish %s: %+v, %v", c.Build.Pkgbase, answer, err)
	}
}

func (f *fixture) upload(t *testing.T, c *store.Claimed, path string) api.File {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	file := api.File{Name: filepath.Base(path), SHA256: hex.EncodeToString(sum[:])}
	p, err := f.Repos.Stage(t.Context(), pacmanrepo.Upload{
		Attempt: c.Attempt.ID, Filename: file.Name, SHA256: file.SHA256, Size: int64(len(data)),
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
		f.reusing(t)
		f.db.Check(t)
		c := f.db.Claim(t, "worker")
		if c == nil {
			return built
		}
		f.build(t, c)
		built = append(built, c.Build.Pkgbase)
	}
}

func (f *fixture) reusing(t *testing.T) {
	t.Helper()
	if err := f.reusePass(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// settle makes the iterations of what was pushed.
func (f *fixture) settle(t *testing.T) {
	t.Helper()
	f.pass(t)
	f.db.Clock.Advance(f.Debounce)
	f.pass(t)
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
	f.push(t, "lib", srcinfoOf("lib", "1"))
	f.push(t, "app", srcinfoOf("app", "1", "lib"))
	f.push(t, "leaf", srcinfoOf("leaf", "1", "app"))
}

func TestPushToALeafBuildsTheLeafAlone(t *testing.T) {
	f := newFixture(t)
	f.three(t)
	f.spaceWith(t, "work", everything, "lib", "leaf")
	f.pass(t)
	f.wantBuilt(t, "lib", "app", "leaf")
	f.push(t, "leaf", srcinfoOf("leaf", "2", "app"))
	f.settle(t)
	if s := f.db.Statuses(t, "work"); s["lib"] != buildbtw.StatusBuilt || s["app"] != buildbtw.StatusBuilt || s["leaf"] != buildbtw.StatusPending {
		t.Errorf("at once: %v", s)
	}
	f.wantListed(t, "work_2", "app-1-1", "lib-1-1")
	f.wantBuilt(t, "leaf")
	f.wantListed(t, "work_2", "app-1-1", "leaf-2-1", "lib-1-1")
	if !f.said(t, "work", "app", "Reused from work #1.") {
		t.Error("no event says where app comes from")
	}
}

func TestUnchangedOutputEndsTheRebuilding(t *testing.T) {
	f := newFixture(t)
	f.three(t)
	f.spaceWith(t, "work", everything, "lib")
	f.pass(t)
	f.wantBuilt(t, "lib", "app", "leaf")
	f.push(t, "lib", srcinfoOf("lib", "1")+"\n# a comment\n") // another commit, the same package
	f.settle(t)
	f.wantBuilt(t, "lib")
	f.wantListed(t, "work_2", "app-1-1", "leaf-1-1", "lib-1-1")
}

func TestBuildspacesShareWhatTheyBuild(t *testing.T) {
	f := newFixture(t)
	f.three(t)
	f.spaceWith(t, "one", everything, "lib")
	f.spaceWith(t, "two", everything, "lib")
	f.pass(t)
	f.wantBuilt(t, "lib", "app", "leaf")
	for _, repository := range []string{"one_1", "two_1"} {
		f.wantListed(t, repository, "app-1-1", "leaf-1-1", "lib-1-1")
	}
	f.spaceWith(t, "stubborn", func(s *buildbtw.Settings) { s.Reuse, s.Scope = false, buildbtw.ScopeAll }, "app")
	f.pass(t)
	f.wantBuilt(t, "app", "leaf")
}

func TestRunningWorkIsAdoptedByTheNextIteration(t *testing.T) {
	f := newFixture(t)
	f.three(t)
	f.spaceWith(t, "work", everything, "lib", "leaf")
	f.pass(t)
	f.build(t, f.db.Claim(t, "worker"))
	app := f.db.Claim(t, "worker")
	f.push(t, "leaf", srcinfoOf("leaf", "2", "app"))
	f.settle(t)
	f.db.Check(t)
	if c := f.db.Claim(t, "other"); c != nil {
		t.Fatalf("%s is handed out although it is being built", c.Build.Pkgbase)
	}
	if stop, err := f.Store.Heartbeat(t.Context(), app.Attempt.Lease, f.Lease); stop || err != nil {
		t.Fatalf("the run is stopped: %v, %v", stop, err)
	}
	f.build(t, app)
	f.wantBuilt(t, "leaf")
	f.wantListed(t, "work_2", "app-1-1", "leaf-2-1", "lib-1-1")
}

func TestAdoptedRunThatFailsIsDoneAgain(t *testing.T) {
	f := newFixture(t)
	f.three(t)
	f.spaceWith(t, "work", everything, "lib", "leaf")
	f.pass(t)
	lib := f.db.Claim(t, "worker")
	f.push(t, "leaf", srcinfoOf("leaf", "2", "app"))
	f.settle(t)
	f.db.End(t, lib, buildbtw.OutcomeFailed)
	f.db.Check(t)
	f.wantBuilt(t, "lib", "app", "leaf")
}

func TestRunThatNobodyWaitsForAnyMoreIsStopped(t *testing.T) {
	f := newFixture(t)
	f.three(t)
	f.spaceWith(t, "work", everything, "lib", "leaf")
	f.pass(t)
	lib := f.db.Claim(t, "worker")
	f.push(t, "leaf", srcinfoOf("leaf", "2", "app"))
	f.settle(t) // adopts the run
	f.push(t, "lib", srcinfoOf("lib", "2"))
	f.settle(t) // does not need it
	f.db.Check(t)
	if stop, err := f.Store.Heartbeat(t.Context(), lib.Attempt.Lease, f.Lease); !stop || err != nil {
		t.Errorf("the run goes on: %v, %v", stop, err)
	}
}

func TestLostFilesAreBuiltAgain(t *testing.T) {
	f := newFixture(t)
	f.three(t)
	f.spaceWith(t, "work", everything, "lib", "leaf")
	f.pass(t)
	f.wantBuilt(t, "lib", "app", "leaf")
	if err := f.Repos.Remove(t.Context(), "work_1"); err != nil {
		t.Fatal(err)
	}
	f.push(t, "leaf", srcinfoOf("leaf", "2", "app"))
	f.settle(t)
	f.wantBuilt(t, "lib", "app", "leaf")
	f.wantListed(t, "work_2", "app-1-1", "leaf-2-1", "lib-1-1")
}

// TestReuseGoesOnAfterACrash cuts loop reuse off between each of its steps.
func TestReuseGoesOnAfterACrash(t *testing.T) {
	for name, until := range map[string]func(*testing.T, *fixture, []store.Linking){
		"intention stored": func(*testing.T, *fixture, []store.Linking) {},
		"files linked": func(t *testing.T, f *fixture, list []store.Linking) {
			links := make([]store.Link, len(list))
			for i, l := range list {
				links[i] = l.Link
			}
			if missing, err := f.Repos.Adopt(t.Context(), adoption("two_1", "two", links)); err != nil || len(missing) > 0 {
				t.Fatal(missing, err)
			}
		},
		"cancelled meanwhile": func(t *testing.T, f *fixture, list []store.Linking) {
			if _, err := f.Store.CancelBuild(t.Context(), "alice", list[0].Build.ID); buildbtw.KindOf(err) != buildbtw.KindConflict {
				t.Errorf("cancel: %v", err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.push(t, "lib", srcinfoOf("lib", "1"))
			f.spaceWith(t, "one", everything, "lib")
			f.pass(t)
			lib := f.db.Claim(t, "worker")
			f.spaceWith(t, "two", everything, "lib")
			f.pass(t)
			f.build(t, lib)
			list, err := f.Store.BeginReuse(t.Context(), 10)
			if err != nil || len(list) != 1 {
				t.Fatal(list, err)
			}
			until(t, f, list)
			f.db.Reopen(t)
			f.Store = f.db.Store
			f.db.Check(t)
			f.wantBuilt(t)
			f.wantListed(t, "two_1", "lib-1-1")
		})
	}
}

func TestFailuresAreNotReused(t *testing.T) {
	f := newFixture(t)
	f.three(t)
	f.spaceWith(t, "work", everything, "lib", "leaf")
	f.pass(t)
	f.db.End(t, f.db.Claim(t, "worker"), buildbtw.OutcomeFailed)
	f.push(t, "leaf", srcinfoOf("leaf", "2", "app"))
	f.settle(t)
	f.wantBuilt(t, "lib", "app", "leaf")
}

func TestForcedRebuildBuildsEverythingAboveAgain(t *testing.T) {
	f := newFixture(t)
	f.three(t)
	f.spaceWith(t, "work", everything, "lib")
	f.pass(t)
	f.wantBuilt(t, "lib", "app", "leaf")
	rows, _, err := f.Store.Builds(t.Context(), store.BuildFilter{Buildspace: "work", Pkgbase: "app"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := f.Store.RebuildBuild(t.Context(), "alice", rows[0].ID)
	if err != nil || b.Status != buildbtw.StatusPending {
		t.Fatalf("%+v, %v", b, err)
	}
	f.wantListed(t, "work_1", "app-1-1", "leaf-1-1", "lib-1-1")
	if _, err := f.Store.RebuildBuild(t.Context(), "alice", rows[0].ID); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("again: %v", err)
	}
	f.wantBuilt(t, "app", "leaf")
	f.wantListed(t, "work_1", "app-1-1", "leaf-1-1", "lib-1-1")
}

func TestForcedRebuildEndsWhatRunsAbove(t *testing.T) {
	f := newFixture(t)
	f.three(t)
	f.spaceWith(t, "work", everything, "lib")
	f.pass(t)
	lib := f.db.Claim(t, "worker")
	f.build(t, lib)
	app := f.db.Claim(t, "worker")
	if _, err := f.Store.RebuildBuild(t.Context(), "alice", lib.Build.ID); err != nil {
		t.Fatal(err)
	}
	f.db.Check(t)
	if _, err := f.Store.Heartbeat(t.Context(), app.Attempt.Lease, f.Lease); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("heartbeat of a run that was ended: %v", err)
	}
	f.wantBuilt(t, "lib", "app", "leaf")
}

func TestFollowingBuildspaceNoticesEveryChangeOfItsGraph(t *testing.T) {
	f := newFixture(t)
	f.three(t)
	f.push(t, "other", srcinfoOf("other", "1"))
	f.spaceWith(t, "follows", func(s *buildbtw.Settings) { s.FollowAll = true }, "lib")
	f.spaceWith(t, "does-not", func(*buildbtw.Settings) {}, "lib")
	f.pass(t)
	f.push(t, "other", srcinfoOf("other", "2")) // is in nobody's graph
	f.settle(t)
	if n := len(f.iterations(t, "follows")); n != 1 {
		t.Fatalf("%d iterations after a push elsewhere", n)
	}
	f.push(t, "leaf", srcinfoOf("leaf", "2", "app"))
	f.settle(t)
	rows := f.iterations(t, "follows")
	if len(rows) != 2 || rows[0].Reason != buildbtw.IterationFollowed {
		t.Errorf("iterations: %+v", rows)
	}
	if n := len(f.iterations(t, "does-not")); n != 1 {
		t.Errorf("%d iterations of a buildspace that does not follow", n)
	}
	f.settle(t)
	if n := len(f.iterations(t, "follows")); n != 2 {
		t.Errorf("%d iterations although nothing changed", n)
	}
	if _, err := f.Store.StopBuildspace(t.Context(), "alice", "follows"); err != nil || len(f.followed) != 1 {
		t.Fatal(err, len(f.followed))
	}
	f.settle(t)
	if len(f.followed) > 0 {
		t.Error("a stopped buildspace keeps all sources as they were, in memory")
	}
}

func TestLoopReuseIsWokenByTheStore(t *testing.T) {
	f := newFixture(t)
	f.push(t, "lib", srcinfoOf("lib", "1"))
	f.spaceWith(t, "one", everything, "lib")
	f.pass(t)
	lib := f.db.Claim(t, "worker")
	f.spaceWith(t, "two", everything, "lib")
	f.pass(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	changed, stop := f.Store.Subscribe()
	defer stop()
	go func() { done <- f.Run(ctx) }()
	f.build(t, lib)
	for f.db.Statuses(t, "two")["lib"] != buildbtw.StatusBuilt {
		<-changed // the test's time limit ends this if it never comes
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
