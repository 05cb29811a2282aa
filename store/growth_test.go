package store_test

import (
	"fmt"
	"os"
	"testing"

	"buildbtw/store"
	"buildbtw/store/storetest"
)

// TestWhatIterationsHaveInCommonIsStoredOnce: an iteration of 7,885 builds that differs
// from the one before in a commit adds to the database what is its own.
func TestWhatIterationsHaveInCommonIsStoredOnce(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("writes four iterations of 7,885 builds; run without -short")
	}
	db := storetest.NewWith(t, func(o *store.Options) { o.AfterCommit = nil }) // checking this many takes seconds
	space := db.NewBuildspace(t, "space")
	plan := storetest.Synthetic(fullBuilds, fullEdges, 1)
	var sizes []int64
	for n := range 4 {
		plan.Architectures["x86_64"].Builds[fullBuilds/2].Commit = fmt.Sprintf("%040x", n)
		db.Iterate(t, space, plan)
		db.Reopen(t) // what is in the write-ahead log goes into the file
		info, err := os.Stat(db.Path)
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, info.Size())
	}
	const most = 2_500_000
	if grown := (sizes[3] - sizes[0]) / 3; grown > most {
		t.Errorf("an iteration adds %d bytes, want at most %d: %d", grown, most, sizes)
	}
}
