package store_test

import (
	"testing"
	"time"

	"buildbtw"
	"buildbtw/store/storetest"
)

// What a build prints of a full disk is worth one more try, whoever executes it.
func TestABuildThatBlamesTheMachineGetsOneMoreTry(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "work"), storetest.Synthetic(1, 0, 1))
	for i, want := range []buildbtw.Status{buildbtw.StatusPending, buildbtw.StatusFailed} {
		c := db.Claim(t, "w1")
		got, err := db.EndDoubtfully(t.Context(), c.Attempt.Lease, "the disk is full")
		if err != nil || got != want {
			t.Errorf("after try %d: %s, %v; want %s", i+1, got, err, want)
		}
		again, err := db.EndDoubtfully(t.Context(), c.Attempt.Lease, "the disk is full")
		if err != nil || again != want {
			t.Errorf("the same report again: %s, %v", again, err)
		}
		db.Clock.Advance(time.Hour)
	}
	db.Check(t)
}

// What another machine did is tried again as often as what this one did, and the
// dependencies that were taken for granted are kept with the attempt.
func TestABuildThatCannotReachAMirrorIsTriedAgain(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "work"), storetest.Synthetic(1, 0, 1))
	for i := range 3 {
		c := db.Claim(t, "w1")
		if err := db.NoteFinish(t.Context(), c.Attempt.Lease, buildbtw.Names{"no-such-thing"}, 0); err != nil {
			t.Fatal(err)
		}
		got, err := db.EndBlameless(t.Context(), c.Attempt.Lease, "the server answered 503")
		if err != nil || got != buildbtw.StatusPending {
			t.Fatalf("after try %d: %s, %v", i+1, got, err)
		}
		attempts, err := db.Attempts(t.Context(), c.Build.ID)
		if err != nil || len(attempts) != i+1 {
			t.Fatal(attempts, err)
		}
		for _, a := range attempts {
			if !a.Blameless || len(a.NotChecked) != 1 || a.NotChecked[0] != "no-such-thing" {
				t.Errorf("%+v", a)
			}
		}
		db.Clock.Advance(time.Hour)
	}
	db.Check(t)
}
