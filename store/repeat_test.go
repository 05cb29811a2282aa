package store_test

import (
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// repeating is a store of a server that builds a second time.
func repeating(t *testing.T) *storetest.DB {
	t.Helper()
	return storetest.NewWith(t, func(o *store.Options) { o.CanCompare, o.Reproduce = true, true })
}

// beginRepeats does what the loop does; that of builds on the base alone leaves them.
func beginRepeats(t *testing.T, db *storetest.DB) int {
	t.Helper()
	n, err := db.BeginRepeats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if ended, err := db.EndUnneeded(t.Context()); ended != 0 || err != nil {
		t.Fatalf("builds on the base alone that nobody needs: %d, %v", ended, err)
	}
	db.Check(t)
	return n
}

// repeatOf returns what is known of the second build of a build.
func repeatOf(t *testing.T, db *storetest.DB, id int64) store.Repeat {
	t.Helper()
	all, err := db.Repeats(t.Context(), []int64{id})
	if err != nil {
		t.Fatal(err)
	}
	return all[id]
}

// TestSecondBuilds: what is built is built a second time once nothing else waits, on another worker, and
// only once; nothing of it counts as a result.
func TestSecondBuilds(t *testing.T) {
	t.Parallel()
	db := repeating(t)
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("lib", "app: lib"))
	lib := db.Claim(t, "w1")
	db.Finish(t, lib)
	if n := beginRepeats(t, db); n != 0 {
		t.Fatalf("%d second builds while app waits", n)
	}
	if c := db.Claim(t, "w2"); c == nil || c.Build.Pkgbase != "app" {
		t.Fatalf("w2 got %+v, want app", c)
	}
	if n := beginRepeats(t, db); n != 1 {
		t.Fatalf("%d second builds begun, want that of lib", n)
	}
	if n := beginRepeats(t, db); n != 0 {
		t.Errorf("%d begun again", n)
	}
	if c := db.Claim(t, "w1"); c != nil {
		t.Errorf("w1, which built it first, got %s of %d", c.Build.Pkgbase, c.Build.RepeatOf)
	}
	second := db.Claim(t, "w3")
	if second == nil || second.Build.RepeatOf != lib.Build.ID || second.Build.InputKey != "" || second.Build.Commit != lib.Build.Commit {
		t.Fatalf("w3 got %+v, want the second build of lib", second)
	}
	p, err := db.BeginPublish(t.Context(), second.Attempt.Lease, db.Upload(t, second))
	if err != nil || p.Done() {
		t.Fatalf("%+v, %v; it is to be compared", p, err)
	}
	sides, ok, err := db.RepeatSides(t.Context(), second.Build.ID)
	if err != nil || !ok || sides.First.ID != lib.Build.ID || len(sides.Packages) != 1 {
		t.Fatalf("%+v, %v, %v", sides, ok, err)
	}
	for range 2 {
		status, err := db.CompleteRepeat(t.Context(), p.Attempt.ID, buildbtw.RepeatOther, []string{"lib: differs"})
		if err != nil || status != buildbtw.StatusBuilt {
			t.Fatal(status, err)
		}
		db.Check(t)
	}
	if r := repeatOf(t, db, lib.Build.ID); r.Result != buildbtw.RepeatOther || len(r.Lines) != 1 || r.FirstWorker != "w1" || r.SecondWorker != "w3" {
		t.Errorf("%+v", r)
	}
	if n := beginRepeats(t, db); n != 0 || standing(t, db, lib.Build.ID) != "built" {
		t.Errorf("%d more second builds of what was compared", n)
	}
}

// TestSecondBuildsThatFail say why nothing is known, and leave the first as it is.
func TestSecondBuildsThatFail(t *testing.T) {
	t.Parallel()
	db := repeating(t)
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("lib"))
	lib := db.Claim(t, "w1")
	db.Finish(t, lib)
	beginRepeats(t, db)
	db.Clock.Advance(buildbtw.WorkerPresence) // w1 is the only worker
	second := db.Claim(t, "w1")
	if second == nil || second.Build.RepeatOf != lib.Build.ID {
		t.Fatalf("the only worker got %+v", second)
	}
	if s := db.End(t, second, buildbtw.OutcomeFailed); s != buildbtw.StatusFailed {
		t.Fatal(s)
	}
	db.Check(t)
	if r := repeatOf(t, db, lib.Build.ID); r.Result != buildbtw.RepeatFailed || len(r.Lines) != 1 || standing(t, db, lib.Build.ID) != "built" {
		t.Errorf("%+v", r)
	}
	if beginRepeats(t, db) != 0 {
		t.Error("it is built a third time")
	}
}

// TestSecondBuildsMakeRoom: one that runs while a build waits for a worker is stopped, and begun again,
// but not for ever.
func TestSecondBuildsMakeRoom(t *testing.T) {
	t.Parallel()
	db := repeating(t)
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("lib"))
	lib := db.Claim(t, "w1")
	db.Finish(t, lib)
	for i := range buildbtw.RepeatStops {
		if n := beginRepeats(t, db); n != 1 {
			t.Fatalf("round %d: %d begun", i, n)
		}
		second := db.Claim(t, "w2")
		if second == nil || second.Build.RepeatOf == 0 {
			t.Fatalf("round %d: w2 got %+v", i, second)
		}
		if n, err := db.EndRepeats(t.Context()); n != 0 || err != nil {
			t.Fatalf("%d stopped with nothing that waits, %v", n, err)
		}
		db.Iterate(t, db.NewBuildspace(t, string(rune('a'+i))), storetest.Plan("other"))
		if n, err := db.EndRepeats(t.Context()); n != 0 || err != nil {
			t.Fatalf("%d stopped at once, %v", n, err)
		}
		db.Clock.Advance(buildbtw.RepeatYields)
		if n, err := db.EndRepeats(t.Context()); n != 1 || err != nil {
			t.Fatalf("%d stopped, %v", n, err)
		}
		db.Check(t)
		if stop, err := db.Heartbeat(t.Context(), second.Attempt.Lease, maxPause); err != nil || !stop {
			t.Fatalf("its worker is not told: %v, %v", stop, err)
		}
		db.End(t, second, buildbtw.OutcomeCancelled)
		other := db.Claim(t, "w2")
		if other == nil || other.Build.Pkgbase != "other" {
			t.Fatalf("w2 got %+v, want other", other)
		}
		db.End(t, other, buildbtw.OutcomeFailed)
	}
	if r := repeatOf(t, db, lib.Build.ID); r.Result != buildbtw.RepeatFailed || beginRepeats(t, db) != 0 {
		t.Errorf("%+v; want that it is given up", r)
	}
}

// TestNoSecondBuilds are begun unless the server is set so.
func TestNoSecondBuilds(t *testing.T) {
	t.Parallel()
	db := comparing(t)
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("lib"))
	db.Finish(t, db.Claim(t, "w1"))
	if n := beginRepeats(t, db); n != 0 {
		t.Errorf("%d begun", n)
	}
}

// TestSecondBuildsThatNoWorkerTakes end after a day with words, are begun again, and are given up in the end.
func TestSecondBuildsThatNoWorkerTakes(t *testing.T) {
	t.Parallel()
	db := repeating(t)
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("lib"))
	lib := db.Claim(t, "w1")
	db.Finish(t, lib)
	for i := range buildbtw.RepeatStops {
		if n := beginRepeats(t, db); n != 1 {
			t.Fatalf("round %d: %d begun", i, n)
		}
		if r := repeatOf(t, db, lib.Build.ID); r.Result != buildbtw.RepeatNone || r.SecondID == 0 || r.SecondWorker != "" {
			t.Fatalf("round %d: %+v", i, r)
		}
		db.Clock.Advance(buildbtw.RepeatWait)
		if n, err := db.EndRepeats(t.Context()); n != 0 || err != nil {
			t.Fatalf("round %d: %d ended before their time, %v", i, n, err)
		}
		db.Clock.Advance(time.Second)
		if n, err := db.EndRepeats(t.Context()); n != 1 || err != nil {
			t.Fatalf("round %d: %d ended, %v", i, n, err)
		}
		db.Check(t)
	}
	r := repeatOf(t, db, lib.Build.ID)
	if r.Result != buildbtw.RepeatFailed || len(r.Lines) != 1 || !strings.Contains(r.Lines[0], "No worker was idle for it") {
		t.Errorf("%+v; want that it is given up, and why", r)
	}
	if beginRepeats(t, db) != 0 || db.Claim(t, "w2") != nil || standing(t, db, lib.Build.ID) != "built" {
		t.Error("it is begun once more")
	}
}

// TestSecondBuildsEndWithTheirFirst: a second build whose first is built again has nothing to be compared with.
func TestSecondBuildsEndWithTheirFirst(t *testing.T) {
	t.Parallel()
	db := repeating(t)
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("lib"))
	lib := db.Claim(t, "w1")
	db.Finish(t, lib)
	beginRepeats(t, db)
	second := db.Claim(t, "w2")
	if second == nil || second.Build.RepeatOf != lib.Build.ID {
		t.Fatalf("w2 got %+v", second)
	}
	if _, ok, err := db.RepeatSides(t.Context(), second.Build.ID); !ok || err != nil {
		t.Fatal(ok, err)
	}
	packages, err := db.BuildPackages(t.Context(), lib.Build.ID)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := db.RebuildLost(t.Context(), lib.Build.ID, packages); !again || err != nil {
		t.Fatal(again, err)
	}
	if _, ok, err := db.RepeatSides(t.Context(), second.Build.ID); ok || err != nil {
		t.Errorf("it is compared with what is built again: %v, %v", ok, err)
	}
	if n, err := db.EndRepeats(t.Context()); n != 1 || err != nil {
		t.Fatalf("%d ended, %v", n, err)
	}
	db.Check(t)
	if stop, err := db.Heartbeat(t.Context(), second.Attempt.Lease, maxPause); err != nil || !stop {
		t.Errorf("its worker is not told: %v, %v", stop, err)
	}
}

// TestOldSecondBuildsAreRemoved: those that were compared, and those that were stopped before their end, go
// after a month; what was found stays. The age of builds on the base alone is not theirs.
func TestOldSecondBuildsAreRemoved(t *testing.T) {
	t.Parallel()
	db := repeating(t)
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("lib"))
	lib := db.Claim(t, "w1")
	db.Finish(t, lib)
	beginRepeats(t, db)
	stopped := repeatOf(t, db, lib.Build.ID).SecondID
	db.Clock.Advance(buildbtw.RepeatWait + time.Second)
	if n, err := db.EndRepeats(t.Context()); n != 1 || err != nil {
		t.Fatalf("%d ended, %v", n, err)
	}
	db.Clock.Advance(2 * time.Hour)
	beginRepeats(t, db)
	second := db.Claim(t, "w2")
	p, err := db.BeginPublish(t.Context(), second.Attempt.Lease, db.Upload(t, second))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.CompleteRepeat(t.Context(), p.Attempt.ID, buildbtw.RepeatOther, []string{"lib: differs"}); err != nil {
		t.Fatal(err)
	}
	removed := func() int {
		t.Helper()
		if err := db.RemoveRepeats(t.Context()); err != nil {
			t.Fatal(err)
		}
		db.Check(t)
		list, err := db.DeletedIterations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	db.Clock.Advance(store.RepeatKept - time.Hour) // more than a month after the first was stopped
	if n := removed(); n != 1 {
		t.Errorf("%d removed, want that which was stopped", n)
	}
	if left, err := db.RemoveBaselines(t.Context(), time.Hour, 100); left || err != nil {
		t.Fatal(left, err)
	}
	if r := repeatOf(t, db, lib.Build.ID); r.SecondID != second.Build.ID {
		t.Fatalf("%+v, want the second build %d", r, second.Build.ID)
	}
	if n := removed(); n != 1 {
		t.Errorf("%d removed, want that the other one stays", n)
	}
	db.Clock.Advance(2 * time.Hour)
	if n := removed(); n != 2 {
		t.Errorf("%d removed, want both", n)
	}
	if r := repeatOf(t, db, lib.Build.ID); r.SecondID != 0 || r.Result != buildbtw.RepeatOther || len(r.Lines) != 1 {
		t.Errorf("%+v; what was found of the first is gone", r)
	}
	for {
		list, err := db.DeletedIterations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			break
		}
		if _, err := db.RemoveSome(t.Context(), list[0], 250); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []int64{stopped, second.Build.ID} {
		if _, err := db.Build(t.Context(), id); buildbtw.KindOf(err) != buildbtw.KindNotFound {
			t.Errorf("the rows of %d are still there: %v", id, err)
		}
	}
	if beginRepeats(t, db) != 0 {
		t.Error("what was compared is built once more")
	}
}
