package store_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

func TestRetryBringsAFailedBuildBack(t *testing.T) {
	t.Parallel()
	db, c := claimed(t)
	if _, err := db.RetryBuild(t.Context(), "alice", c.Build.ID); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("retry a running build: %v, want a conflict", err)
	}
	db.End(t, c, buildbtw.OutcomeFailed)
	row, err := db.RetryBuild(t.Context(), "alice", c.Build.ID)
	if err != nil || row.Status != buildbtw.StatusPending {
		t.Fatalf("%+v, %v", row, err)
	}
	db.Check(t)
	again := db.Claim(t, "w2")
	if again == nil || again.Attempt.Number != 2 {
		t.Fatalf("claimed %+v", again)
	}
	db.Finish(t, again)
	db.Check(t)
	attempts, err := db.Attempts(t.Context(), c.Build.ID)
	if err != nil || len(attempts) != 2 || attempts[0].Outcome != buildbtw.OutcomeBuilt || attempts[1].Outcome != buildbtw.OutcomeFailed {
		t.Errorf("attempts %+v, %v", attempts, err)
	}
	events, err := db.Events(t.Context(), store.EventFilter{BuildID: c.Build.ID})
	var path []string
	for _, e := range events {
		path = append(path, e.Actor+": "+string(e.To)+" ("+string(e.Cause)+")")
	}
	want := []string{
		"buildbtw: pending (planned)", "w1: building (leased)", "w1: failed (failed)",
		"alice: pending (retried)", "w2: building (leased)", "w2: built (finished)",
	}
	if d := cmp.Diff(want, path); d != "" || err != nil {
		t.Errorf("events: %v\n%s", err, d)
	}
	for _, id := range []int64{0, 999} {
		if _, err := db.RetryBuild(t.Context(), "alice", id); buildbtw.KindOf(err) != buildbtw.KindNotFound {
			t.Errorf("retry build %d: %v", id, err)
		}
		if _, err := db.CancelBuild(t.Context(), "alice", id); buildbtw.KindOf(err) != buildbtw.KindNotFound {
			t.Errorf("cancel build %d: %v", id, err)
		}
	}
}

// TestACancelledBuildIsTakenUpAgain: what was done meanwhile counts, and what
// is built together with another architecture follows.
func TestACancelledBuildIsTakenUpAgain(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.PlanFor([]string{"aarch64", "x86_64"}, "lib*", "app: lib"))
	byName := map[string]int64{}
	rows, _, err := db.Builds(t.Context(), store.BuildFilter{Buildspace: "space"})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		byName[r.Pkgbase+" "+r.Architecture] = r.ID
	}
	cancelled := []string{"lib x86_64", "app x86_64", "app aarch64"}
	for _, name := range cancelled {
		if _, err := db.CancelBuild(t.Context(), "alice", byName[name]); err != nil {
			t.Fatal(err)
		}
	}
	db.Finish(t, db.Claim(t, "w1", "aarch64")) // lib, for both
	for i, want := range []string{"built", "pending", "pending"} {
		row, err := db.RetryBuild(t.Context(), "bob", byName[cancelled[i]])
		if err != nil || string(row.Status) != want {
			t.Errorf("%s is %s after the retry, %v; want %s", cancelled[i], row.Status, err, want)
		}
		db.Check(t)
	}
}

func TestWholeBuildspacesAreRetriedAndCancelled(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("a", "b", "c", "d: a", "e: b"))
	db.End(t, db.Claim(t, "w1"), buildbtw.OutcomeFailed)
	db.End(t, db.Claim(t, "w1"), buildbtw.OutcomeTimedOut)
	if n, err := db.RetryBuilds(t.Context(), "alice", "space"); n != 2 || err != nil {
		t.Errorf("retried %d, %v; want 2", n, err)
	}
	db.Check(t)
	running := db.Claim(t, "w1")
	if n, err := db.CancelBuilds(t.Context(), "alice", "space"); n != 5 || err != nil {
		t.Errorf("cancelled %d, %v; want 5", n, err)
	}
	db.Check(t)
	if stop, err := db.Heartbeat(t.Context(), running.Attempt.Lease, storetest.Lease); !stop || err != nil {
		t.Errorf("heartbeat: stop %v, %v", stop, err)
	}
	if n, err := db.CancelBuilds(t.Context(), "alice", "space"); n != 0 || err != nil {
		t.Errorf("cancelled %d again, %v", n, err)
	}
	if n, err := db.RetryBuilds(t.Context(), "alice", "space"); n != 5 || err != nil {
		t.Errorf("took %d up again, %v; want the 5 that were cancelled", n, err)
	}
	db.Check(t)
	if state := statusesOf(t, db); state != "a pending, b pending, c pending, d blocked, e blocked" {
		t.Errorf("after the retry: %s", state)
	}
	if _, err := db.StopBuildspace(t.Context(), "alice", "space"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.RetryBuilds(t.Context(), "alice", "space"); buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(err.Error(), "start it again") {
		t.Errorf("retry of a stopped buildspace: %v", err)
	}
	if _, err := db.RetryBuild(t.Context(), "alice", running.Build.ID); buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(err.Error(), "start the buildspace again") {
		t.Errorf("retry of a build of a stopped buildspace: %v", err)
	}
	for _, do := range []func() (int, error){
		func() (int, error) { return db.RetryBuilds(t.Context(), "alice", "none") },
		func() (int, error) { return db.CancelBuilds(t.Context(), "alice", "none") },
	} {
		if _, err := do(); buildbtw.KindOf(err) != buildbtw.KindNotFound {
			t.Errorf("unknown buildspace: %v", err)
		}
	}
}
