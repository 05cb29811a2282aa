package store_test

import (
	"testing"
	"time"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

func returnLease(t *testing.T, db *storetest.DB, c *store.Claimed, want bool) {
	t.Helper()
	if returned, err := db.ReturnLease(t.Context(), c.Attempt.Lease, storetest.Lease); err != nil || returned != want {
		t.Errorf("returned: %v, %v; want %v", returned, err, want)
	}
	db.Check(t)
}

// lose lets leases run out whose workers were heard of once.
func lose(t *testing.T, db *storetest.DB) {
	t.Helper()
	db.Clock.Advance(time.Second)
	history, err := db.WorkerHistory(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range history.Leases {
		attempts, err := db.Attempts(t.Context(), l.BuildID)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range attempts {
			if a.State != buildbtw.AttemptRunning {
				continue
			}
			if _, err := db.Heartbeat(t.Context(), a.Lease, storetest.Lease); err != nil {
				t.Fatal(err)
			}
		}
	}
	db.Clock.Advance(storetest.Lease + time.Second)
	if over, err := db.ExpireLeases(t.Context()); err != nil || len(over) == 0 {
		t.Fatalf("%d leases ran out, %v", len(over), err)
	}
}

// A worker that says at once when it has a build, and does not, has not got the answer: the
// build waits seconds for it, not as long as a lease.
func TestAClaimThatIsNotConfirmedWithinSecondsIsOver(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "lib"), storetest.Plan("lib"))
	claim := func(worker string) *store.Claimed {
		c := storetest.Ask(worker)
		c.Confirms, c.Lease = true, time.Minute
		claimed, err := db.ClaimBuild(t.Context(), c)
		if err != nil || claimed == nil {
			t.Fatalf("claimed %v, %v", claimed, err)
		}
		return claimed
	}
	first := claim("w1")
	db.Clock.Advance(16 * time.Second)
	if over, err := db.ExpireLeases(t.Context()); err != nil || len(over) != 1 || !over[0].Blameless {
		t.Fatalf("expired %+v, %v", over, err)
	}
	second := claim("w2")
	if second.Build.ID != first.Build.ID || second.Build.Retries != 0 {
		t.Errorf("the next is given %+v", second.Build.Build)
	}
	if _, err := db.Heartbeat(t.Context(), second.Attempt.Lease, time.Minute); err != nil {
		t.Fatal(err)
	}
	db.Clock.Advance(59 * time.Second)
	if over, err := db.ExpireLeases(t.Context()); err != nil || len(over) != 0 {
		t.Errorf("confirmed, it expired: %+v, %v", over, err)
	}
	db.Check(t)
}

// A build that nobody has begun, because the answer to the claim did not arrive, goes to the
// next worker at once, and costs no retry; it is held against nobody. A worker that was only
// slow takes it back until then.
func TestABuildOfWhichNoWorkerWasHeardGoesToTheNext(t *testing.T) {
	t.Parallel()
	db, c := claimed(t)
	db.Clock.Advance(storetest.Lease)
	over, err := db.ExpireLeases(t.Context())
	if err != nil || len(over) != 1 || over[0].Outcome != buildbtw.OutcomeLost || !over[0].Blameless {
		t.Fatalf("expired %+v, %v", over, err)
	}
	db.Check(t)
	b, err := db.Build(t.Context(), c.Build.ID)
	if err != nil || b.Status != buildbtw.StatusPending || b.Retries != 0 || b.NotBefore != nil {
		t.Errorf("the build is %+v, %v", b.Build, err)
	}
	returnLease(t, db, c, true)
	if b, err := db.Build(t.Context(), c.Build.ID); err != nil || b.Status != buildbtw.StatusBuilding || b.Retries != 0 {
		t.Errorf("taken back, it is %+v, %v", b.Build, err)
	}
	lose(t, db) // it was heard of
	if b, err := db.Build(t.Context(), c.Build.ID); err != nil || b.Retries != 1 || b.NotBefore == nil {
		t.Errorf("lost, it is %+v, %v", b.Build, err)
	}
	returnLease(t, db, c, true)
	if b, err := db.Build(t.Context(), c.Build.ID); err != nil || b.Retries != 0 {
		t.Errorf("taken back once more, it is %+v, %v", b.Build, err)
	}
}

func TestABuildOfWhichNoWorkerWasHeardIsHeldAgainstNobody(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	for range tooMany {
		f.Clock.Advance(time.Second)
		if f.Claim(t, "bad") == nil {
			t.Fatal("it gets no build")
		}
		f.Clock.Advance(storetest.Lease)
		if over, err := f.ExpireLeases(t.Context()); err != nil || len(over) != 1 {
			t.Fatal(over, err)
		}
		f.does("good", buildbtw.OutcomeBuilt)
	}
	if why := f.aside("bad"); why != "" {
		t.Errorf("set aside: %s", why)
	}
}

// tooMany is more builds than a machine may lose in a row.
const tooMany = 4

// What a network that was away for longer than a lease costs: nothing.
func TestALostAttemptReturns(t *testing.T) {
	t.Parallel()
	db, c := claimed(t)
	lose(t, db)
	db.Clock.Advance(time.Second)
	if unfinished, err := db.UnfinishedAttempts(t.Context()); err != nil || len(unfinished) != 1 {
		t.Errorf("the uploads of %v are kept, %v; want those of the lost attempt", unfinished, err)
	}
	returnLease(t, db, c, true)
	b, err := db.Build(t.Context(), c.Build.ID)
	if err != nil || b.Status != buildbtw.StatusBuilding || b.Retries != 0 || b.Attempts != 1 || b.NotBefore != nil || b.FinishedAt != nil {
		t.Errorf("the build is %+v, %v", b.Build, err)
	}
	a, err := db.Attempts(t.Context(), c.Build.ID)
	if err != nil || len(a) != 1 || a[0].State != buildbtw.AttemptRunning || a[0].Message != "" || a[0].Result != "" || a[0].Deadline.Sub(db.Clock.Now()) != storetest.Lease {
		t.Errorf("the attempt is %+v, %v", a, err)
	}
	if other := db.Claim(t, "w2"); other != nil {
		t.Errorf("it was handed out as well: %+v", other)
	}
	events, err := db.Events(t.Context(), store.EventFilter{BuildID: c.Build.ID, Newest: true, Limit: 1})
	if err != nil || events[0].Cause != buildbtw.CauseReturned || events[0].Actor != c.Attempt.Worker {
		t.Errorf("event %+v, %v", events, err)
	}
	returnLease(t, db, c, true) // it runs: nothing is to be done
	if got := db.End(t, c, buildbtw.OutcomeFailed); got != buildbtw.StatusFailed {
		t.Errorf("its end makes the build %s", got)
	}
	returnLease(t, db, c, false)
}

func TestALostAttemptDoesNotReturn(t *testing.T) {
	t.Parallel()
	for what, do := range map[string]func(db *storetest.DB, c *store.Claimed) error{
		"another one runs": func(db *storetest.DB, _ *store.Claimed) error {
			db.Clock.Advance(time.Minute)
			if next := db.Claim(t, "w2"); next == nil || next.Attempt.Number != 2 {
				t.Errorf("got %+v", next)
			}
			return nil
		},
		"another one has ended": func(db *storetest.DB, _ *store.Claimed) error {
			db.Clock.Advance(time.Minute)
			db.End(t, db.Claim(t, "w2"), buildbtw.OutcomeReleased)
			return nil
		},
		"the build is cancelled": func(db *storetest.DB, c *store.Claimed) error {
			_, err := db.CancelBuild(t.Context(), "alice", c.Build.ID)
			return err
		},
		"its buildspace is stopped": func(db *storetest.DB, _ *store.Claimed) error {
			_, err := db.StopBuildspace(t.Context(), "alice", "space")
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			db, c := claimed(t)
			lose(t, db)
			if err := do(db, c); err != nil {
				t.Fatal(err)
			}
			returnLease(t, db, c, false)
			staleCallsAreRefused(t, db, c)
			if unfinished, err := db.UnfinishedAttempts(t.Context()); err != nil || len(unfinished) > 1 || len(unfinished) == 1 && unfinished[0].ID == c.Attempt.ID {
				t.Errorf("its uploads are still kept: %v, %v", unfinished, err)
			}
		})
	}
}

// A slot that has a build by now does not get a second one.
func TestALostAttemptDoesNotReturnToASlotInUse(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("a", "b"))
	c := db.Claim(t, "w1")
	lose(t, db)
	if next := db.Claim(t, "w1"); next == nil || next.Build.ID == c.Build.ID {
		t.Fatalf("got %+v, want the other build", next)
	}
	returnLease(t, db, c, false)
}

// A machine that was set aside for builds that it seemed to have lost is trusted again when they return.
func TestAWorkerThatReturnsIsTrustedAgain(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("a", "b", "c", "d"))
	var lost []*store.Claimed
	for slot := range 3 {
		ask := storetest.Ask("w1")
		ask.Slot = slot
		c, err := db.ClaimBuild(t.Context(), ask)
		if err != nil || c == nil {
			t.Fatalf("slot %d got %+v, %v", slot, c, err)
		}
		lost = append(lost, c)
	}
	db.End(t, db.Claim(t, "w2"), buildbtw.OutcomeFailed)
	setAside := func(want bool) {
		t.Helper()
		workers, err := db.Workers(t.Context())
		if err != nil || len(workers) != 2 || (workers[0].SetAside != "") != want {
			t.Errorf("workers %+v, %v; want the first one set aside: %v", workers, err, want)
		}
	}
	lose(t, db)
	setAside(true)
	returnLease(t, db, lost[0], true)
	setAside(false)
	if err := db.QuarantineWorker(t.Context(), "alice", "w1", "Its fan is broken."); err != nil {
		t.Fatal(err)
	}
	returnLease(t, db, lost[1], true)
	setAside(true)
}

// With GitLab the build may have been handed to the next pipeline meanwhile: that is not
// wanted once the first attempt goes on.
func TestALostAttemptOfAPipelineReturns(t *testing.T) {
	t.Parallel()
	db, d := handed(t)
	c, err := claimNamed(db, t, d.Build.ID, 7)
	if err != nil {
		t.Fatal(err)
	}
	lose(t, db)
	if open := openPipelines(t, db); len(open) != 1 || !open[0].Wanted {
		t.Errorf("of what may return the pipeline is cancelled: %+v", open)
	}
	db.Clock.Advance(time.Minute)
	second := dispatch(t, db, inGitLab(10))
	if second == nil {
		t.Fatal("the build was not handed out again")
	}
	if err := db.PipelineCreated(t.Context(), second.Pipeline.ID, buildbtw.PipelineStatus{Number: 8, Status: "created", URL: "https://gitlab/8"}); err != nil {
		t.Fatal(err)
	}
	returnLease(t, db, c, true)
	wantStatus(t, db, buildbtw.StatusBuilding)
	if open := openPipelines(t, db); len(open) != 2 || !open[0].Wanted || open[1].Wanted {
		t.Errorf("open: %+v; want the first one alone to be wanted", open)
	}
	ask := storetest.Ask("runner-2")
	ask.Build, ask.Pipeline = d.Build.ID, 8
	if _, err := db.ClaimBuild(t.Context(), ask); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("the second executor gets %v, want a conflict", err)
	}
	db.End(t, c, buildbtw.OutcomeFailed)
	wantStatus(t, db, buildbtw.StatusFailed)
}

// The other way round: what the second executor has begun is the build's attempt.
func TestALostAttemptOfAPipelineIsTooLate(t *testing.T) {
	t.Parallel()
	db, d := handed(t)
	c, err := claimNamed(db, t, d.Build.ID, 7)
	if err != nil {
		t.Fatal(err)
	}
	lose(t, db)
	db.Clock.Advance(time.Minute)
	second := dispatch(t, db, inGitLab(10))
	if err := db.PipelineCreated(t.Context(), second.Pipeline.ID, buildbtw.PipelineStatus{Number: 8, Status: "created", URL: "https://gitlab/8"}); err != nil {
		t.Fatal(err)
	}
	ask := storetest.Ask("runner-2")
	ask.Build, ask.Pipeline = d.Build.ID, 8
	if _, err := db.ClaimBuild(t.Context(), ask); err != nil {
		t.Fatal(err)
	}
	returnLease(t, db, c, false)
	if open := openPipelines(t, db); len(open) != 2 || open[0].Wanted || !open[1].Wanted {
		t.Errorf("open: %+v; want the second one alone to be wanted", open)
	}
}
