package store_test

import (
	"testing"
	"time"

	"buildbtw"
	"buildbtw/store/storetest"
)

func TestTheHistoryOfWorkersHasTheNewestAttemptsOfEach(t *testing.T) {
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "lib"), storetest.Plan("a", "b", "c", "d", "e", "f"))
	for _, worker := range []string{"w1", "w1", "w2", "w1"} {
		c := db.Claim(t, worker)
		db.Clock.Advance(time.Minute / 2)
		db.End(t, c, buildbtw.OutcomeFailed)
	}
	running := db.Claim(t, "w2")
	h, err := db.WorkerHistory(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, a := range h.Recent {
		names = append(names, a.Worker+" "+a.Pkgbase)
	}
	if len(names) != 3 || names[0] != "w1 d" || names[1] != "w1 b" || names[2] != "w2 c" {
		t.Errorf("recent: %q", names)
	}
	if a := h.Recent[0]; a.Outcome != buildbtw.OutcomeFailed || a.FinishedAt == nil || a.Buildspace != "lib" || a.Iteration != 1 {
		t.Errorf("the newest: %+v", a)
	}
	if len(h.Leases) != 1 || h.Leases[0].BuildID != running.Build.ID || !h.Leases[0].Deadline.Equal(db.Clock.Now().Add(storetest.Lease)) {
		t.Errorf("leases: %+v", h.Leases)
	}
}
