package store_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

func inGitLab(most int) store.Dispatch {
	return store.Dispatch{Architectures: []string{"x86_64"}, Most: most}
}

// projects is a database that knows the sources a, b and c as projects of GitLab.
func projects(t *testing.T) *storetest.DB {
	t.Helper()
	db := storetest.New(t)
	db.Projects(t, "packages/a", "packages/b", "packages/c")
	return db
}

func dispatch(t *testing.T, db *storetest.DB, d store.Dispatch) *store.Dispatched {
	t.Helper()
	out, err := db.DispatchBuild(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// handed gives a database in which the one build "a" is handed to pipeline 7.
func handed(t *testing.T) (*storetest.DB, *store.Dispatched) {
	t.Helper()
	db := projects(t)
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("a"))
	d := dispatch(t, db, inGitLab(10))
	if err := db.PipelineCreated(t.Context(), d.Pipeline.ID, buildbtw.PipelineStatus{Number: 7, Status: "created", URL: "https://gitlab/7"}); err != nil {
		t.Fatal(err)
	}
	return db, d
}

// claimNamed claims as the executor of a pipeline.
func claimNamed(db *storetest.DB, t *testing.T, build, pipeline int64) (*store.Claimed, error) {
	t.Helper()
	ask := storetest.Ask("runner-1")
	ask.Build, ask.Pipeline = build, pipeline
	return db.ClaimBuild(t.Context(), ask)
}

func see(t *testing.T, db *storetest.DB, id int64, st buildbtw.PipelineStatus) int {
	t.Helper()
	ended, err := db.SeePipelines(t.Context(), map[int64]buildbtw.PipelineStatus{id: st})
	if err != nil {
		t.Fatal(err)
	}
	return ended
}

func wantStatus(t *testing.T, db *storetest.DB, want buildbtw.Status) {
	t.Helper()
	if got := db.Statuses(t, "space")["a"]; got != want {
		t.Errorf("the build is %s, want %s", got, want)
	}
	db.Check(t)
}

func openPipelines(t *testing.T, db *storetest.DB) []store.OpenPipeline {
	t.Helper()
	open, err := db.OpenPipelines(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return open
}

func TestDispatchStoresTheIntentionFirst(t *testing.T) {
	t.Parallel()
	db := projects(t)
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("a"))
	d := dispatch(t, db, inGitLab(10))
	wantStatus(t, db, buildbtw.StatusScheduled)
	if p := d.Pipeline; p.State != buildbtw.PipelineCreating || p.Project != "packages/a" || !strings.HasPrefix(p.Ref, buildbtw.PipelineRefs) {
		t.Errorf("the pipeline is %+v", p)
	}
	if again := dispatch(t, db, inGitLab(10)); again != nil {
		t.Errorf("%s was handed out twice", again.Build.Pkgbase)
	}
	db.Reopen(t)
	if open := openPipelines(t, db); len(open) != 1 || open[0].State != buildbtw.PipelineCreating || !open[0].Wanted {
		t.Errorf("after a crash these pipelines are open: %+v", open)
	}
}

func TestDispatchKeepsToItsLimit(t *testing.T) {
	t.Parallel()
	db := projects(t)
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("a", "b", "c"))
	n := 0
	for dispatch(t, db, inGitLab(2)) != nil {
		n++
	}
	if n != 2 {
		t.Errorf("%d builds were handed out, want 2", n)
	}
}

func TestDispatchFailsWhatIsNotInGitLab(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("a"))
	if out := dispatch(t, db, inGitLab(10)); out != nil {
		t.Errorf("%s was handed out", out.Build.Pkgbase)
	}
	wantStatus(t, db, buildbtw.StatusFailed)
}

func TestExecutorClaimsItsBuild(t *testing.T) {
	t.Parallel()
	db, d := handed(t)
	if c := db.Claim(t, "worker"); c != nil {
		t.Errorf("a worker got %s, which was handed to GitLab", c.Build.Pkgbase)
	}
	c, err := claimNamed(db, t, d.Build.ID, 7)
	if err != nil {
		t.Fatal(err)
	}
	wantStatus(t, db, buildbtw.StatusBuilding)
	pipelines, err := db.BuildPipelines(t.Context(), d.Build.ID)
	if err != nil || len(pipelines) != 1 || pipelines[0].AttemptID != c.Attempt.ID {
		t.Errorf("pipelines %+v, error %v; want one with attempt %d", pipelines, err, c.Attempt.ID)
	}
	db.Finish(t, c)
	wantStatus(t, db, buildbtw.StatusBuilt)
	if ended := see(t, db, d.Pipeline.ID, buildbtw.PipelineStatus{Number: 7, Status: "success", Over: true, Message: "no"}); ended != 1 {
		t.Errorf("%d pipelines ended", ended)
	}
	wantStatus(t, db, buildbtw.StatusBuilt)
}

func TestExecutorMayBeFasterThanTheServersNote(t *testing.T) {
	t.Parallel()
	db := projects(t)
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("a"))
	d := dispatch(t, db, inGitLab(10))
	if _, err := claimNamed(db, t, d.Build.ID, 7); err != nil {
		t.Fatal(err)
	}
	if err := db.PipelineCreated(t.Context(), d.Pipeline.ID, buildbtw.PipelineStatus{Number: 7, Status: "created", URL: "https://gitlab/7"}); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, db, buildbtw.StatusBuilding)
	if open := openPipelines(t, db); len(open) != 1 || open[0].URL != "https://gitlab/7" || open[0].AttemptID == 0 {
		t.Errorf("open: %+v", open)
	}
	if own, err := db.OwnPipeline(t.Context(), 7); err != nil || !own {
		t.Errorf("pipeline 7 is ours: %v, error %v", own, err)
	}
}

func TestClaimByAnotherPipelineIsRefused(t *testing.T) {
	t.Parallel()
	db, d := handed(t)
	if _, err := claimNamed(db, t, d.Build.ID, 8); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("the claim of pipeline 8: %v, want a conflict", err)
	}
	if _, err := claimNamed(db, t, 999, 7); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("the claim of build 999: %v, want not found", err)
	}
	wantStatus(t, db, buildbtw.StatusScheduled)
}

func TestPipelineThatEndsWithoutAnExecutorIsLost(t *testing.T) {
	t.Parallel()
	db, d := handed(t)
	see(t, db, d.Pipeline.ID, buildbtw.PipelineStatus{Number: 7, Status: "running"})
	wantStatus(t, db, buildbtw.StatusScheduled)
	see(t, db, d.Pipeline.ID, buildbtw.PipelineStatus{Number: 7, Status: "failed", Over: true, Message: "It failed."})
	wantStatus(t, db, buildbtw.StatusPending)
	if again := dispatch(t, db, inGitLab(10)); again != nil {
		t.Error("it was handed out again without a pause")
	}
	db.Clock.Advance(time.Minute)
	again := dispatch(t, db, inGitLab(10))
	if again == nil || again.Pipeline.Ref == d.Pipeline.Ref {
		t.Fatalf("handed out again: %+v", again)
	}
	if _, err := claimNamed(db, t, d.Build.ID, 0); err != nil {
		t.Errorf("the second pipeline's executor: %v", err)
	}
}

func TestPipelineThatEndsUnderARunningAttemptChangesNothing(t *testing.T) {
	t.Parallel()
	db, d := handed(t)
	c, err := claimNamed(db, t, d.Build.ID, 7)
	if err != nil {
		t.Fatal(err)
	}
	// The runner died and GitLab noticed; the executor lives on and reports.
	see(t, db, d.Pipeline.ID, buildbtw.PipelineStatus{Number: 7, Status: "failed", Over: true, Message: "It failed."})
	wantStatus(t, db, buildbtw.StatusBuilding)
	db.Finish(t, c)
	wantStatus(t, db, buildbtw.StatusBuilt)
}

func TestFailureToDispatchIsGivenUpUnlessTheSiteIsAtFault(t *testing.T) {
	t.Parallel()
	for _, site := range []bool{true, false} {
		db := projects(t)
		db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("a"))
		for range 8 {
			d := dispatch(t, db, inGitLab(10))
			if d == nil {
				break
			}
			if err := db.UndispatchBuild(t.Context(), d.Pipeline.ID, store.Undispatched{Message: "GitLab says no.", Site: site}); err != nil {
				t.Fatal(err)
			}
			db.Clock.Advance(time.Hour)
		}
		want := buildbtw.StatusFailed
		if site {
			want = buildbtw.StatusPending
		}
		wantStatus(t, db, want)
	}
}

func TestUnwantedPipelines(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		do   func(t *testing.T, db *storetest.DB, build int64) error
		want bool
	}{
		{"waits for its runner", func(*testing.T, *storetest.DB, int64) error { return nil }, true},
		{"cancelled before it began", func(t *testing.T, db *storetest.DB, build int64) error {
			_, err := db.CancelBuild(t.Context(), "alice", build)
			return err
		}, false},
		{"is building", func(t *testing.T, db *storetest.DB, build int64) error {
			_, err := claimNamed(db, t, build, 7)
			return err
		}, true},
		{"cancelled while building", func(t *testing.T, db *storetest.DB, build int64) error {
			_, err := claimNamed(db, t, build, 7)
			_, err2 := db.CancelBuild(t.Context(), "alice", build)
			return errors.Join(err, err2)
		}, false},
		{"its executor is lost", func(t *testing.T, db *storetest.DB, build int64) error {
			_, err := claimNamed(db, t, build, 7)
			db.Clock.Advance(2 * storetest.Lease)
			_, err2 := db.ExpireLeases(t.Context())
			return errors.Join(err, err2)
		}, true}, // it may report again, as long as no other attempt has begun
		{"its executor has reported", func(t *testing.T, db *storetest.DB, build int64) error {
			c, err := claimNamed(db, t, build, 7)
			if err == nil {
				db.End(t, c, buildbtw.OutcomeFailed)
			}
			return err
		}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			db, d := handed(t)
			if err := test.do(t, db, d.Build.ID); err != nil {
				t.Fatal(err)
			}
			if open := openPipelines(t, db); len(open) != 1 || open[0].Wanted != test.want {
				t.Errorf("open: %+v; want one that is wanted: %v", open, test.want)
			}
			db.Check(t)
		})
	}
}

func TestJobRetriedInGitLabRetriesTheBuild(t *testing.T) {
	t.Parallel()
	db, d := handed(t)
	c, err := claimNamed(db, t, d.Build.ID, 7)
	if err != nil {
		t.Fatal(err)
	}
	db.End(t, c, buildbtw.OutcomeFailed)
	see(t, db, d.Pipeline.ID, buildbtw.PipelineStatus{Number: 7, Status: "failed", Over: true})
	again, err := claimNamed(db, t, d.Build.ID, 7)
	if err != nil || again.Attempt.Number != 2 {
		t.Fatalf("claimed %+v, error %v; want attempt 2", again, err)
	}
	wantStatus(t, db, buildbtw.StatusBuilding)
	if open := openPipelines(t, db); len(open) != 1 {
		t.Errorf("open: %+v; want the pipeline that runs again", open)
	}
	db.Finish(t, again)
	wantStatus(t, db, buildbtw.StatusBuilt)
	if _, err := claimNamed(db, t, d.Build.ID, 7); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("a job retried after success: %v, want a conflict", err)
	}
}

func TestExecutorThatTakesASlotOverEndsItsPredecessor(t *testing.T) {
	t.Parallel()
	db := projects(t)
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("a", "b"))
	first, second := dispatch(t, db, inGitLab(10)), dispatch(t, db, inGitLab(10))
	if _, err := claimNamed(db, t, first.Build.ID, 0); err != nil {
		t.Fatal(err)
	}
	// The runner was killed and began anew with another job.
	if _, err := claimNamed(db, t, second.Build.ID, 0); err != nil {
		t.Fatal(err)
	}
	got := db.Statuses(t, "space")
	if got[first.Build.Pkgbase] != buildbtw.StatusPending || got[second.Build.Pkgbase] != buildbtw.StatusBuilding {
		t.Errorf("statuses: %v", got)
	}
	db.Check(t)
}
