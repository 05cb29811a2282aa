package progress

import (
	"fmt"
	"testing"
	"time"

	"buildbtw/store/storetest"
)

// What overlaps on two slots counts once, and what began before the day counts from its
// beginning.
func TestBusyIsTheShareOfTheTimeInWhichAWorkerBuilds(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "lib"), storetest.Plan("a", "b", "c"))
	a := db.Claim(t, "w1")
	db.Clock.Advance(time.Hour)
	db.Finish(t, a)
	db.Clock.Advance(2 * time.Hour)
	b := db.Claim(t, "w1")
	c := db.Claim(t, "w2")
	db.Clock.Advance(time.Hour)
	db.Finish(t, b)
	share := func() string {
		t.Helper()
		workers, err := db.Workers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		busy, err := Busy(t.Context(), &db.Reader, workers, db.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%.2f %.2f", busy["w1"], busy["w2"])
	}
	if got, want := share(), "0.50 1.00"; got != want { // w2 is known for an hour
		t.Errorf("after 4 hours: %s, want %s", got, want)
	}
	db.Clock.Advance(20*time.Hour + 30*time.Minute)
	db.Finish(t, c)
	if got, want := share(), fmt.Sprintf("%.2f 1.00", 1.5/24); got != want { // half an hour of a is longer ago
		t.Errorf("after 24.5 hours: %s, want %s", got, want)
	}
}
