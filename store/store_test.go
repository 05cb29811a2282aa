package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

func TestSecondServerOnTheSameDataIsRefused(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	_, err := store.Open(t.Context(), db.Path, store.Options{})
	if buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Fatalf("second open: %v, want a conflict", err)
	}
	db.Reopen(t) // the lock goes with its holder
}

func TestTimesWrittenByBunAreReadByBoth(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Clock.Advance(123456789 * time.Nanosecond)
	now := db.Clock.Now().Truncate(time.Microsecond)
	b := db.NewBuildspace(t, "times")
	if !b.CreatedAt.Equal(now) || b.WantedAt == nil || !b.WantedAt.Equal(now) {
		t.Errorf("created %v, wanted %v; want %v", b.CreatedAt, b.WantedAt, now)
	}
	if b.CreatedAt.Location() != time.UTC {
		t.Errorf("location %v, want UTC", b.CreatedAt.Location())
	}
	db.Iterate(t, b, storetest.Plan("lib"))
	c := db.Claim(t, "w1")
	if l, err := db.Lease(t.Context(), c.Attempt.Lease); err != nil || !l.Attempt.Deadline.Equal(now.Add(storetest.Lease)) {
		t.Errorf("bun read deadline %v (%v), want %v", l.Attempt.Deadline, err, now.Add(storetest.Lease))
	}
	at, ok, err := db.NextWake(t.Context())
	if err != nil || !ok || !at.Equal(now.Add(storetest.Lease)) {
		t.Errorf("next wake %v %v %v, want %v", at, ok, err, now.Add(storetest.Lease))
	}
	row, err := db.Build(t.Context(), c.Build.ID)
	if err != nil || row.StartedAt == nil || !row.StartedAt.Equal(now) || row.FinishedAt != nil {
		t.Errorf("build started %v finished %v (%v)", row.StartedAt, row.FinishedAt, err)
	}
}

func TestChainIsBuiltInOrder(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	b := db.NewBuildspace(t, "chain")
	it := db.Iterate(t, b, storetest.Plan("lib", "tool: lib", "left: lib", "app: tool left"))
	db.Check(t)
	if it.Status() != buildbtw.IterationStatusBuilding || it.Counts.Total() != 4 {
		t.Fatalf("iteration is %s with %d builds", it.Status(), it.Counts.Total())
	}
	var order []string
	for c := db.Claim(t, "w1"); c != nil; c = db.Claim(t, "w1") {
		order = append(order, c.Build.Pkgbase)
		db.Check(t)
		db.Finish(t, c)
		db.Check(t)
	}
	if d := cmp.Diff([]string{"lib", "tool", "left", "app"}, order); d != "" {
		t.Error(d)
	}
	it, err := db.Iteration(t.Context(), "chain", 0)
	if err != nil || it.Status() != buildbtw.IterationStatusBuilt {
		t.Errorf("iteration is %s (%v), want built", it.Status(), err)
	}
}

func TestSubscribersHearOfChangesAndOnlyOfThose(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	changed, cancel := db.Subscribe()
	defer cancel()
	b := db.NewBuildspace(t, "news")
	db.Iterate(t, b, storetest.Plan("lib"))
	expectToken(t, changed, true) // two commits, one token
	expectToken(t, changed, false)
	if c := db.Claim(t, "other", "aarch64"); c != nil {
		t.Fatalf("claimed %v", c)
	}
	expectToken(t, changed, false) // an empty claim must not wake the other workers
	c := db.Claim(t, "w1")
	expectToken(t, changed, true)
	if _, err := db.Heartbeat(context.Background(), c.Attempt.Lease, time.Minute); err != nil {
		t.Fatal(err)
	}
	expectToken(t, changed, false)
}

func expectToken(t *testing.T, c <-chan struct{}, want bool) {
	t.Helper()
	got := false
	select {
	case <-c:
		got = true
	default:
	}
	if got != want {
		t.Errorf("token %v, want %v", got, want)
	}
}
