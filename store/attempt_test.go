package store_test

import (
	"testing"
	"time"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// claimed gives a store in which w1 builds lib, and app waits for it.
func claimed(t *testing.T) (*storetest.DB, *store.Claimed) {
	t.Helper()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("lib", "app: lib"))
	return db, db.Claim(t, "w1")
}

func TestOutcomesPutTheBuildWhereItBelongs(t *testing.T) {
	t.Parallel()
	tests := map[buildbtw.Outcome]struct {
		status  buildbtw.Status
		retries int
		pause   time.Duration
	}{
		buildbtw.OutcomeFailed:         {buildbtw.StatusFailed, 0, 0},
		buildbtw.OutcomeTimedOut:       {buildbtw.StatusFailed, 0, 0},
		buildbtw.OutcomeStalled:        {buildbtw.StatusFailed, 0, 0},
		buildbtw.OutcomeInfrastructure: {buildbtw.StatusPending, 1, 10 * time.Second},
		buildbtw.OutcomeReleased:       {buildbtw.StatusPending, 0, 0},
		buildbtw.OutcomeCancelled:      {buildbtw.StatusPending, 0, 0}, // nobody asked for it
	}
	for outcome, want := range tests {
		t.Run(string(outcome), func(t *testing.T) {
			db, c := claimed(t)
			if got := db.End(t, c, outcome); got != want.status {
				t.Errorf("answer %s, want %s", got, want.status)
			}
			db.Check(t)
			b, err := db.Build(t.Context(), c.Build.ID)
			if err != nil || b.Status != want.status || b.Retries != want.retries || b.FinishedAt == nil {
				t.Errorf("build %+v, %v", b, err)
			}
			switch {
			case want.pause == 0 && b.NotBefore != nil:
				t.Errorf("not before %v", b.NotBefore)
			case want.pause != 0 && !b.NotBefore.Equal(db.Clock.Now().Add(want.pause)):
				t.Errorf("not before %v, want a pause of %v", b.NotBefore, want.pause)
			}
			a, err := db.Attempts(t.Context(), c.Build.ID)
			if err != nil || a[0].Outcome != outcome || a[0].Message != "said the test" || a[0].Result != want.status {
				t.Errorf("attempt %+v, %v", a, err)
			}
		})
	}
}

func TestTheSameReportAgainGetsTheSameAnswer(t *testing.T) {
	t.Parallel()
	db, c := claimed(t)
	db.End(t, c, buildbtw.OutcomeInfrastructure)
	db.Clock.Advance(time.Minute)
	second := db.Claim(t, "w2") // the build is building again by now
	events, err := db.Events(t.Context(), store.EventFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if got := db.End(t, c, buildbtw.OutcomeInfrastructure); got != buildbtw.StatusPending {
		t.Errorf("the repeated report got %s, want pending", got)
	}
	if _, err := db.EndAttempt(t.Context(), c.Attempt.Lease, buildbtw.OutcomeFailed, ""); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("another report after the end: %v, want a conflict", err)
	}
	after, err := db.Events(t.Context(), store.EventFilter{})
	if err != nil || len(after) != len(events) {
		t.Errorf("%d events before, %d after (%v)", len(events), len(after), err)
	}
	if b, err := db.Build(t.Context(), c.Build.ID); err != nil || b.Status != buildbtw.StatusBuilding || b.Attempts != second.Attempt.Number {
		t.Errorf("build %+v, %v", b, err)
	}
	db.Check(t)
}

func TestMachinesThatFailABuildTooOftenFailIt(t *testing.T) {
	t.Parallel()
	db, c := claimed(t)
	pauses := []time.Duration{10 * time.Second, 30 * time.Second, 90 * time.Second, 270 * time.Second, 10 * time.Minute}
	for i, pause := range pauses {
		if got := db.End(t, c, buildbtw.OutcomeInfrastructure); got != buildbtw.StatusPending {
			t.Fatalf("after %d failures: %s, want pending", i+1, got)
		}
		at, ok, err := db.NextWake(t.Context())
		if err != nil || !ok || at.Sub(db.Clock.Now()) != pause {
			t.Fatalf("after %d failures: wakes at %v %v (%v), want in %v", i+1, at, ok, err, pause)
		}
		db.Clock.Advance(pause - time.Microsecond)
		if early := db.Claim(t, "w1"); early != nil {
			t.Fatalf("handed out before its time")
		}
		db.Clock.Advance(time.Microsecond)
		if c = db.Claim(t, "w1"); c == nil {
			t.Fatalf("not handed out after its pause")
		}
	}
	if got := db.End(t, c, buildbtw.OutcomeInfrastructure); got != buildbtw.StatusFailed {
		t.Errorf("after %d failures: %s, want failed", len(pauses)+1, got)
	}
	events, err := db.Events(t.Context(), store.EventFilter{BuildID: c.Build.ID, Newest: true, Limit: 1})
	if err != nil || events[0].Message != "Given up after 5 retries: said the test" {
		t.Errorf("event %+v, %v", events, err)
	}
	if row, err := db.RetryBuild(t.Context(), "alice", c.Build.ID); err != nil || row.Retries != 0 {
		t.Errorf("a person's retry: %d retries, %v; want to count anew", row.Retries, err)
	}
	db.Check(t)
}

func TestLostLeases(t *testing.T) {
	t.Parallel()
	db, c := claimed(t)
	db.Clock.Advance(storetest.Lease - time.Second)
	if over, err := db.ExpireLeases(t.Context()); err != nil || len(over) != 0 {
		t.Fatalf("%d expired early, %v", len(over), err)
	}
	if stop, err := db.Heartbeat(t.Context(), c.Attempt.Lease, storetest.Lease); stop || err != nil {
		t.Fatalf("heartbeat: stop %v, %v", stop, err)
	}
	held, err := db.HeldLease(t.Context(), c.Attempt.Lease)
	if name, over := held.Attempt(); name != c.Attempt.Name() || over != nil || err != nil {
		t.Fatalf("attempt %s, %v, %v; want %s", name, over, err, c.Attempt.Name())
	}
	db.Clock.Advance(storetest.Lease - time.Second)
	if over, err := db.ExpireLeases(t.Context()); err != nil || len(over) != 0 {
		t.Fatalf("%d expired in spite of a heartbeat, %v", len(over), err)
	}
	db.Clock.Advance(time.Second)
	over, err := db.ExpireLeases(t.Context())
	if err != nil || len(over) != 1 || over[0].ID != c.Attempt.ID || over[0].Outcome != buildbtw.OutcomeLost {
		t.Fatalf("expired %+v, %v", over, err)
	}
	db.Check(t)
	staleCallsAreRefused(t, db, c)
	db.Clock.Advance(time.Minute)
	if next := db.Claim(t, "w2"); next == nil || next.Build.ID != c.Build.ID || next.Attempt.Number != 2 {
		t.Errorf("got %+v, want lib again", next)
	}
	staleCallsAreRefused(t, db, c)
	db.Check(t)
}

// staleCallsAreRefused makes every call that a worker can make with a lease
// that is over.
func staleCallsAreRefused(t *testing.T, db *storetest.DB, c *store.Claimed) {
	t.Helper()
	ctx, lease := t.Context(), c.Attempt.Lease
	_, heartbeat := db.Heartbeat(ctx, lease, storetest.Lease)
	_, look := db.Lease(ctx, lease)
	held, err := db.HeldLease(ctx, lease)
	if err != nil {
		t.Errorf("who holds a lease that is over: %v", err)
	}
	_, attempt := held.Attempt()
	_, end := db.EndAttempt(ctx, lease, buildbtw.OutcomeFailed, "late")
	_, publish := db.BeginPublish(ctx, lease, nil)
	_, complete := db.CompletePublish(ctx, c.Attempt.ID)
	for what, err := range map[string]error{
		"heartbeat": heartbeat, "lease": look, "attempt": attempt, "end": end, "publish": publish, "complete": complete,
		"upload": db.AddPackage(ctx, lease, storetest.Package(c, "lib")),
	} {
		if buildbtw.KindOf(err) != buildbtw.KindConflict {
			t.Errorf("late %s: %v, want a conflict", what, err)
		}
	}
}

func TestUnknownLeasesAreRefused(t *testing.T) {
	t.Parallel()
	db, c := claimed(t)
	unknown := *c
	unknown.Attempt.Lease = "nobody-has-this"
	if _, err := db.Heartbeat(t.Context(), unknown.Attempt.Lease, storetest.Lease); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("heartbeat: %v", err)
	}
	if _, err := db.EndAttempt(t.Context(), c.Attempt.Lease, buildbtw.OutcomeBuilt, ""); buildbtw.KindOf(err) != buildbtw.KindInvalid {
		t.Errorf("built without packages: %v", err)
	}
	if _, err := db.EndAttempt(t.Context(), c.Attempt.Lease, buildbtw.OutcomeLost, ""); buildbtw.KindOf(err) != buildbtw.KindInvalid {
		t.Errorf("a worker says that it is lost: %v", err)
	}
	if _, err := db.CompletePublish(t.Context(), 999); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("complete an unknown attempt: %v", err)
	}
	db.Check(t)
}

func TestRestartCostsNoRunningBuild(t *testing.T) {
	t.Parallel()
	db, c := claimed(t)
	db.Clock.Advance(time.Hour) // the server was down
	db.Reopen(t)
	ids, err := db.RunningAttempts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if failed, err := db.ExtendLeases(t.Context(), ids, storetest.Lease); err != nil || len(failed) != 0 {
		t.Fatal(failed, err)
	}
	if over, err := db.ExpireLeases(t.Context()); err != nil || len(over) != 0 {
		t.Fatalf("expired %+v, %v", over, err)
	}
	db.Finish(t, c)
	db.Check(t)
}

func TestCancelledBuildTellsItsWorkerAndKeepsItsStatus(t *testing.T) {
	t.Parallel()
	for _, outcome := range []buildbtw.Outcome{buildbtw.OutcomeCancelled, buildbtw.OutcomeFailed, buildbtw.OutcomeInfrastructure, buildbtw.OutcomeReleased} {
		db, c := claimed(t)
		row, err := db.CancelBuild(t.Context(), "alice", c.Build.ID)
		if err != nil || row.Status != buildbtw.StatusSkipped || row.SkipReason != buildbtw.CauseCancelled {
			t.Fatalf("cancelled: %+v, %v", row, err)
		}
		db.Check(t)
		if stop, err := db.Heartbeat(t.Context(), c.Attempt.Lease, storetest.Lease); !stop || err != nil {
			t.Errorf("heartbeat: stop %v, %v; want stop", stop, err)
		}
		if _, err := db.BeginPublish(t.Context(), c.Attempt.Lease, nil); buildbtw.KindOf(err) != buildbtw.KindConflict {
			t.Errorf("publish: %v, want a conflict", err)
		}
		if got := db.End(t, c, outcome); got != buildbtw.StatusSkipped {
			t.Errorf("ended as %s: %s, want skipped", outcome, got)
		}
		db.Check(t)
		if _, err := db.CancelBuild(t.Context(), "alice", c.Build.ID); buildbtw.KindOf(err) != buildbtw.KindConflict {
			t.Errorf("cancel twice: %v, want a conflict", err)
		}
	}
}

func TestWorkerThatNeverStopsIsForgotten(t *testing.T) {
	t.Parallel()
	db, c := claimed(t)
	if _, err := db.CancelBuild(t.Context(), "alice", c.Build.ID); err != nil {
		t.Fatal(err)
	}
	db.Clock.Advance(storetest.Lease)
	over, err := db.ExpireLeases(t.Context())
	if err != nil || len(over) != 1 || over[0].Outcome != buildbtw.OutcomeCancelled {
		t.Errorf("expired %+v, %v", over, err)
	}
	if got := db.Statuses(t, "space")["lib"]; got != buildbtw.StatusSkipped {
		t.Errorf("lib is %s", got)
	}
	db.Check(t)
}
