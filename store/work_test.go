package store_test

import (
	"testing"
	"time"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// told says whether there is a token, and takes it.
func told(changed <-chan struct{}) bool {
	select {
	case <-changed:
		return true
	default:
		return false
	}
}

func TestWaitingClaimsAreToldOfWorkOnly(t *testing.T) {
	db := storetest.New(t)
	changed, cancel := db.SubscribeWork()
	defer cancel()
	db.Iterate(t, db.NewBuildspace(t, "tell"), storetest.Plan("lib", "app: lib", "other"))
	if !told(changed) {
		t.Error("nobody was told of a new iteration")
	}
	lib := db.Claim(t, "w1")
	if told(changed) {
		t.Error("a build that was handed out woke who waits for one")
	}
	db.Finish(t, lib)
	if !told(changed) {
		t.Error("nobody was told of the build that became pending")
	}
	other := db.Claim(t, "w1")
	db.End(t, other, buildbtw.OutcomeReleased)
	if !told(changed) {
		t.Error("nobody was told of the build that was handed back")
	}
	if _, err := db.CancelBuild(t.Context(), "alice", db.Claim(t, "w1").Build.ID); err != nil {
		t.Fatal(err)
	}
	if !told(changed) {
		t.Error("nobody was told that fewer builds run")
	}
}

// again is a claim that has waited and was woken.
func again(t *testing.T, db *storetest.DB, worker string, archs ...string) *store.Claimed {
	t.Helper()
	ask := storetest.Ask(worker, archs...)
	ask.Again = true
	c, err := db.ClaimBuild(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// looked says whether a claim of the worker has come as far as the database.
func looked(t *testing.T, db *storetest.DB, worker string) bool {
	t.Helper()
	workers, err := db.Workers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range workers {
		if w.Name == worker {
			return true
		}
	}
	return false
}

func TestOneClaimOfAKindLooksInVain(t *testing.T) {
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "vain"), storetest.Plan("lib", "app: lib"))
	lib := db.Claim(t, "w1")
	if c := again(t, db, "w2"); c != nil || !looked(t, db, "w2") {
		t.Fatalf("the first of a kind got %v without looking, or at all", c)
	}
	if c := again(t, db, "w3"); c != nil || looked(t, db, "w3") {
		t.Errorf("the second of a kind got %v, or looked", c)
	}
	if again(t, db, "arm", "aarch64"); !looked(t, db, "arm") {
		t.Error("one of another kind did not look")
	}
	if db.Claim(t, "w4"); !looked(t, db, "w4") {
		t.Error("a new claim did not look")
	}
	db.Finish(t, lib)
	if c := again(t, db, "w3"); c == nil || c.Build.Pkgbase != "app" {
		t.Errorf("after a change it got %v", c)
	}
}

func TestNextDueIsTheNextPostponedBuild(t *testing.T) {
	db := storetest.New(t)
	due := func() (time.Time, bool) {
		at, ok, err := db.NextDue(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return at, ok
	}
	db.Iterate(t, db.NewBuildspace(t, "due"), storetest.Plan("lib", "app"))
	first := db.Claim(t, "w1")
	if at, ok := due(); ok {
		t.Errorf("due at %v with nothing postponed; a deadline is no reason to claim", at)
	}
	db.End(t, first, buildbtw.OutcomeInfrastructure)
	want := db.Clock.Now().Add(10 * time.Second)
	for range 2 {
		if at, ok := due(); !ok || !at.Equal(want) {
			t.Errorf("due at %v (%v), want %v", at, ok, want)
		}
	}
	db.Clock.Advance(10 * time.Second)
	if at, ok := due(); ok {
		t.Errorf("due at %v, which is now or was before", at)
	}
}
