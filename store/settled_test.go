package store_test

import (
	"testing"
	"time"

	"buildbtw"
	"buildbtw/store/storetest"
)

func TestSettledBuildsAreListedByTheirLastChange(t *testing.T) {
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "one"), storetest.Plan("lib"))
	db.Iterate(t, db.NewBuildspace(t, "two"), storetest.Plan("lib", "app: lib"))
	first, second := db.Claim(t, "w1"), db.Claim(t, "w2")
	db.End(t, second, buildbtw.OutcomeFailed)
	db.Clock.Advance(time.Minute)
	if rows, err := db.SettledBuilds(t.Context(), "lib", 10); err != nil || len(rows) != 1 || rows[0].ID != second.Build.ID {
		t.Errorf("one has ended: %+v, %v", rows, err)
	}
	db.Finish(t, first)
	rows, err := db.SettledBuilds(t.Context(), "lib", 10)
	if err != nil || len(rows) != 2 || rows[0].ID != first.Build.ID || rows[0].Buildspace == rows[1].Buildspace {
		t.Errorf("both have ended: %+v, %v", rows, err)
	}
}
