package store_test

import (
	"strconv"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// What happened before there were notifications is no news, and what happens after that in an
// iteration of before is.
func TestAnOlderDatabaseHasNoOldNews(t *testing.T) {
	t.Parallel()
	db := storetest.NewOf(t, "testdata/03d3526.sqlite.gz")
	if _, err := db.FindTurns(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	turns, err := db.UntoldTurns(t.Context(), db.Clock.Now().Add(1000*time.Hour))
	if err != nil || len(turns) != 0 {
		t.Errorf("%+v, %v", turns, err)
	}
	space := db.NewBuildspace(t, "later")
	db.Iterate(t, space, storetest.Plan("fresh"))
	for {
		c, err := db.ClaimBuild(t.Context(), storetest.Ask("w"))
		if err != nil {
			t.Fatal(err)
		}
		if c == nil {
			break
		}
		db.End(t, c, buildbtw.OutcomeFailed)
	}
	if _, err := db.FindTurns(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	turns, err = db.UntoldTurns(t.Context(), db.Clock.Now().Add(time.Hour))
	if err != nil || len(turns) != 1 || turns[0].Buildspace != "later" || turns[0].Kind != buildbtw.TurnFailed {
		t.Errorf("%+v, %v", turns, err)
	}
}

func TestOldDeliveriesAreRemoved(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	for i := range 210 {
		d, err := db.AddDelivery(t.Context(), store.NewDelivery{MessageID: strconv.Itoa(i), Channel: "ops", Message: "{}"}, db.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 { // the oldest waits
			d.Status = buildbtw.DeliveryDelivered
			if err := db.EndTry(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, want := range []int{201, 1} {
		if err := db.PruneNotifications(t.Context()); err != nil {
			t.Fatal(err)
		}
		counts, err := db.DeliveryCounts(t.Context())
		if got := counts[buildbtw.DeliveryDelivered] + counts[buildbtw.DeliveryWaiting]; err != nil || got != want {
			t.Errorf("%d deliveries are left, want %d; %v", got, want, err)
		}
		db.Clock.Advance(31 * 24 * time.Hour)
	}
}
