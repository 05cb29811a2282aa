package store_test

import (
	"testing"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// TestASnapshotStaysAtOneMoment finishes a build while a page is being
// gathered: what is asked for afterwards must fit what was asked for before.
func TestASnapshotStaysAtOneMoment(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "page"), storetest.Plan("lib"))
	lib := db.Claim(t, "w1")
	err := db.Snapshot(t.Context(), func(q *store.Reader) error {
		before := stateIn(t, q, lib.Build.ID)
		db.Finish(t, lib)
		if after := stateIn(t, q, lib.Build.ID); after != before {
			t.Errorf("the build was %v, later in the same snapshot %v", before, after)
		}
		return q.Snapshot(t.Context(), func(inner *store.Reader) error {
			if s := stateIn(t, inner, lib.Build.ID); s != before {
				t.Errorf("a snapshot in a snapshot shows %v, want %v", s, before)
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	want := state{buildbtw.StatusBuilt, 1, 1}
	if after := stateIn(t, &db.Reader, lib.Build.ID); after != want {
		t.Errorf("after the snapshot the build is %v, want %v", after, want)
	}
}

// state is one build as three methods tell of it.
type state struct {
	status             buildbtw.Status
	attempts, packages int
}

func stateIn(t *testing.T, q *store.Reader, build int64) state {
	t.Helper()
	row, err := q.Build(t.Context(), build)
	if err != nil {
		t.Fatal(err)
	}
	attempts, err := q.Attempts(t.Context(), build)
	if err != nil {
		t.Fatal(err)
	}
	packages, err := q.BuildPackages(t.Context(), build)
	if err != nil {
		t.Fatal(err)
	}
	return state{row.Status, len(attempts), len(packages)}
}
