package publish_test

import (
	"context"
	"testing"

	"buildbtw"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/scheduler/schedulertest"
	"buildbtw/store"
)

func TestPushToALeafBuildsTheLeafAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.three(t)
	f.SpaceWith(t, "work", everything, "lib", "leaf")
	f.Pass(t, "sync", "iterate")
	f.wantBuilt(t, "lib", "app", "leaf")
	f.Push(t, "leaf", schedulertest.Srcinfo("leaf", "2", "app"))
	f.Settle(t)
	if s := f.DB.Statuses(t, "work"); s["lib"] != buildbtw.StatusBuilt || s["app"] != buildbtw.StatusBuilt || s["leaf"] != buildbtw.StatusPending {
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
	t.Parallel()
	f := newFixture(t)
	f.three(t)
	f.SpaceWith(t, "work", func(s *buildbtw.Settings) { everything(s); s.Bump = false }, "lib")
	f.Pass(t, "sync", "iterate")
	f.wantBuilt(t, "lib", "app", "leaf")
	f.Push(t, "lib", schedulertest.Srcinfo("lib", "1")+"\n# a comment\n") // another commit, the same package
	f.Settle(t)
	f.wantBuilt(t, "lib")
	f.wantListed(t, "work_2", "app-1-1", "leaf-1-1", "lib-1-1")
}

func TestBuildspacesShareWhatTheyBuild(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.three(t)
	f.SpaceWith(t, "one", everything, "lib")
	f.SpaceWith(t, "two", everything, "lib")
	f.Pass(t, "sync", "iterate")
	f.wantBuilt(t, "lib", "app", "leaf")
	for _, repository := range []string{"one_1", "two_1"} {
		f.wantListed(t, repository, "app-1-1", "leaf-1-1", "lib-1-1")
	}
	f.SpaceWith(t, "stubborn", func(s *buildbtw.Settings) { s.Reuse, s.Scope = false, buildbtw.ScopeAll }, "app")
	f.Pass(t, "sync", "iterate")
	f.wantBuilt(t, "app", "leaf")
}

func TestRunningWorkIsAdoptedByTheNextIteration(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.three(t)
	f.SpaceWith(t, "work", everything, "lib", "leaf")
	f.Pass(t, "sync", "iterate")
	f.build(t, f.DB.Claim(t, "worker"))
	app := f.DB.Claim(t, "worker")
	f.Push(t, "leaf", schedulertest.Srcinfo("leaf", "2", "app"))
	f.Settle(t)
	f.DB.Check(t)
	if c := f.DB.Claim(t, "other"); c != nil {
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
	t.Parallel()
	f := newFixture(t)
	f.three(t)
	f.SpaceWith(t, "work", everything, "lib", "leaf")
	f.Pass(t, "sync", "iterate")
	lib := f.DB.Claim(t, "worker")
	f.Push(t, "leaf", schedulertest.Srcinfo("leaf", "2", "app"))
	f.Settle(t)
	f.DB.End(t, lib, buildbtw.OutcomeFailed)
	f.DB.Check(t)
	f.wantBuilt(t, "lib", "app", "leaf")
}

func TestRunThatNobodyWaitsForAnyMoreIsStopped(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.three(t)
	f.SpaceWith(t, "work", everything, "lib", "leaf")
	f.Pass(t, "sync", "iterate")
	lib := f.DB.Claim(t, "worker")
	f.Push(t, "leaf", schedulertest.Srcinfo("leaf", "2", "app"))
	f.Settle(t) // adopts the run
	f.Push(t, "lib", schedulertest.Srcinfo("lib", "2"))
	f.Settle(t) // does not need it
	f.DB.Check(t)
	if stop, err := f.Store.Heartbeat(t.Context(), lib.Attempt.Lease, f.Lease); !stop || err != nil {
		t.Errorf("the run goes on: %v, %v", stop, err)
	}
}

func TestLostFilesAreBuiltAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.three(t)
	f.SpaceWith(t, "work", everything, "lib", "leaf")
	f.Pass(t, "sync", "iterate")
	f.wantBuilt(t, "lib", "app", "leaf")
	if err := f.Repos.Remove(t.Context(), "work_1"); err != nil {
		t.Fatal(err)
	}
	f.Push(t, "leaf", schedulertest.Srcinfo("leaf", "2", "app"))
	f.Settle(t)
	f.wantBuilt(t, "lib", "app", "leaf")
	f.wantListed(t, "work_2", "app-1-1", "leaf-2-1", "lib-1-1")
}

// TestReuseGoesOnAfterACrash cuts loop reuse off between each of its steps.
func TestReuseGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	for name, until := range map[string]func(*testing.T, *fixture, []store.Linking){
		"intention stored": func(*testing.T, *fixture, []store.Linking) {},
		"files linked": func(t *testing.T, f *fixture, list []store.Linking) {
			adoption := pacmanrepo.Adoption{Repository: "two_1", DB: "two"}
			for _, l := range list {
				from := pacmanrepo.ID{Repository: "one_1", DB: "one", Architecture: "x86_64"}
				adoption.Builds = append(adoption.Builds, pacmanrepo.Adopted{From: from, Files: l.From.Files, Architectures: l.Architectures})
			}
			if missing, err := f.Repos.Adopt(t.Context(), adoption); err != nil || len(missing) > 0 {
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
			t.Parallel()
			f := newFixture(t)
			f.Push(t, "lib", schedulertest.Srcinfo("lib", "1"))
			f.SpaceWith(t, "one", everything, "lib")
			f.Pass(t, "sync", "iterate")
			lib := f.DB.Claim(t, "worker")
			f.SpaceWith(t, "two", everything, "lib")
			f.Pass(t, "sync", "iterate")
			f.build(t, lib)
			list, err := f.Store.BeginReuse(t.Context(), 10)
			if err != nil || len(list) != 1 {
				t.Fatal(list, err)
			}
			until(t, f, list)
			f.DB.Reopen(t)
			f.Restart(t)
			f.DB.Check(t)
			f.wantBuilt(t)
			f.wantListed(t, "two_1", "lib-1-1")
		})
	}
}

func TestFailuresAreNotReused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.three(t)
	f.SpaceWith(t, "work", everything, "lib", "leaf")
	f.Pass(t, "sync", "iterate")
	f.DB.End(t, f.DB.Claim(t, "worker"), buildbtw.OutcomeFailed)
	f.Push(t, "leaf", schedulertest.Srcinfo("leaf", "2", "app"))
	f.Settle(t)
	f.wantBuilt(t, "lib", "app", "leaf")
}

func TestForcedRebuildBuildsEverythingAboveAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.three(t)
	f.SpaceWith(t, "work", everything, "lib")
	f.Pass(t, "sync", "iterate")
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

// TestNamesThatARebuildDoesNotMakeVanish from the repository, from what is known of the
// build, and from what later iterations take over.
func TestNamesThatARebuildDoesNotMakeVanish(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.three(t)
	f.SpaceWith(t, "work", everything, "lib")
	f.Pass(t, "sync", "iterate")
	f.debug = true
	f.wantBuilt(t, "lib", "app", "leaf")
	f.wantListed(t, "work_1", "app-1-1", "app-debug-1-1", "leaf-1-1", "leaf-debug-1-1", "lib-1-1", "lib-debug-1-1")
	rows, _, err := f.Store.Builds(t.Context(), store.BuildFilter{Buildspace: "work", Pkgbase: "app"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Store.RebuildBuild(t.Context(), "alice", rows[0].ID); err != nil {
		t.Fatal(err)
	}
	f.debug = false
	f.build(t, f.DB.Claim(t, "worker"))
	f.wantListed(t, "work_1", "app-1-1", "leaf-1-1", "leaf-debug-1-1", "lib-1-1", "lib-debug-1-1") // leaf is not built again yet
	packages, err := f.Store.RepositoryPackages(t.Context(), "work_1", "x86_64")
	if err != nil || len(packages) != 5 || packages[0].Pkgname != "app" || packages[1].Pkgname != "leaf" {
		t.Errorf("the repository's packages are %+v, %v", packages, err)
	}
	f.wantBuilt(t, "leaf")
	f.SpaceWith(t, "other", everything, "lib")
	f.Pass(t, "sync", "iterate")
	f.wantBuilt(t)
	for _, repository := range []string{"work_1", "other_1"} {
		f.wantListed(t, repository, "app-1-1", "leaf-1-1", "lib-1-1", "lib-debug-1-1")
	}
}

func TestForcedRebuildEndsWhatRunsAbove(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.three(t)
	f.SpaceWith(t, "work", everything, "lib")
	f.Pass(t, "sync", "iterate")
	lib := f.DB.Claim(t, "worker")
	f.build(t, lib)
	app := f.DB.Claim(t, "worker")
	if _, err := f.Store.RebuildBuild(t.Context(), "alice", lib.Build.ID); err != nil {
		t.Fatal(err)
	}
	f.DB.Check(t)
	if _, err := f.Store.Heartbeat(t.Context(), app.Attempt.Lease, f.Lease); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("heartbeat of a run that was ended: %v", err)
	}
	f.wantBuilt(t, "lib", "app", "leaf")
}

func TestLoopReuseIsWokenByTheStore(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Push(t, "lib", schedulertest.Srcinfo("lib", "1"))
	f.SpaceWith(t, "one", everything, "lib")
	f.Pass(t, "sync", "iterate")
	lib := f.DB.Claim(t, "worker")
	f.SpaceWith(t, "two", everything, "lib")
	f.Pass(t, "sync", "iterate")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	changed, stop := f.Store.Subscribe()
	defer stop()
	go func() {
		f.Run(ctx)
		close(done)
	}()
	f.build(t, lib)
	for f.DB.Statuses(t, "two")["lib"] != buildbtw.StatusBuilt {
		<-changed // the test's time limit ends this if it never comes
	}
	cancel()
	<-done
}
