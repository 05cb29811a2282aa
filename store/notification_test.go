package store_test

import (
	"strconv"
	"sync"
	"sync/atomic"
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
		got := 0
		for _, c := range counts {
			got += c.Deliveries
			if want := storetest.Start(); !c.Server || c.Status == buildbtw.DeliveryWaiting && !c.Oldest.Equal(want) {
				t.Errorf("%+v, want deliveries to the server's channels, the oldest of which waits since %s", c, want)
			}
		}
		if err != nil || got != want {
			t.Errorf("%d deliveries are left, want %d; %v", got, want, err)
		}
		db.Clock.Advance(31 * 24 * time.Hour)
	}
}

// A try is begun once, however many begin it at the same time; the next one when its time
// has come.
func TestADeliveryIsClaimedOnce(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	d, err := db.AddDelivery(t.Context(), store.NewDelivery{MessageID: "m", Channel: "ops", Message: "{}"}, db.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	for try := 2; try <= 3; try++ {
		var claimed atomic.Int64
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				row, ok, err := db.ClaimDelivery(t.Context(), d.ID, db.Clock.Now().Add(time.Minute))
				if err != nil || ok && row.Tries != try {
					t.Errorf("try %d: %+v, %v", try, row, err)
				}
				if ok {
					claimed.Add(1)
				}
			})
		}
		group.Wait()
		if claimed.Load() != 1 {
			t.Errorf("try %d was begun %d times", try, claimed.Load())
		}
		db.Clock.Advance(time.Minute)
	}
}
