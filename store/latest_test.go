package store_test

import (
	"testing"
	"time"

	"buildbtw"
	"buildbtw/store/storetest"
)

// TestWhichIterationIsServedAsTheLatest: the newest of which all is built. It stays
// that while builds of it are built again, and its time is later than all before.
func TestWhichIterationIsServedAsTheLatest(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	ctx := t.Context()
	space := db.NewBuildspace(t, "space")
	want := func(when string, iteration int) {
		t.Helper()
		if _, complete, err := db.LatestRepository(ctx, "space"); err != nil || complete != iteration {
			t.Errorf("%s: %d, %v; want %d", when, complete, err, iteration)
		}
	}
	want("before the first", 0)
	db.Iterate(t, space, storetest.Plan("a", "b: a"))
	first := db.Claim(t, "w")
	db.Finish(t, first)
	want("half built", 0)
	db.Finish(t, db.Claim(t, "w"))
	want("built", 1)
	one, err := db.SwitchLatest(ctx, "space", time.Time{})
	if err != nil || one.Iteration != 1 || one.Previous != 0 || !one.Since.After(db.Clock.Now()) {
		t.Errorf("switched to %+v, %v", one, err)
	}
	if _, err := db.RebuildBuild(ctx, "alice", first.Build.ID); err != nil {
		t.Fatal(err)
	}
	want("while it is built again", 1)
	db.Iterate(t, space, storetest.Plan("a", "b: a", "c"))
	db.Finish(t, db.Claim(t, "w"))
	if _, err := db.CancelBuilds(ctx, "alice", "space"); err != nil {
		t.Fatal(err)
	}
	want("one with cancelled builds", 1)
	if _, err := db.RetryBuilds(ctx, "alice", "space"); err != nil {
		t.Fatal(err)
	}
	for c := db.Claim(t, "w"); c != nil; c = db.Claim(t, "w") {
		db.Finish(t, c)
	}
	want("when it is built", 2)
	ahead := db.Clock.Now().Add(time.Hour)
	two, err := db.SwitchLatest(ctx, "space", ahead)
	if err != nil || two.Iteration != 2 || two.Previous != 1 || !two.Since.After(ahead) {
		t.Errorf("switched to %+v, %v; want a time after %v", two, err, ahead)
	}
	if again, err := db.SwitchLatest(ctx, "space", ahead.Add(time.Hour)); err != nil || !again.Since.Equal(two.Since) {
		t.Errorf("switched again to %+v, %v", again, err)
	}
	if _, _, err := db.LatestRepository(ctx, "none"); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("of no buildspace: %v", err)
	}
}
