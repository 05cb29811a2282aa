package store_test

import (
	"fmt"
	"slices"
	"testing"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/pacman/alpm"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

func TestNeighboursComeInPartsWithTheirNumbers(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "lib"), storetest.Plan("lib", "e: lib", "d: lib", "c: lib", "b: lib", "a: lib e"))
	db.Finish(t, db.Claim(t, "w"))
	lib := named(t, db, "lib")
	db.End(t, db.Claim(t, "w"), buildbtw.OutcomeFailed) // e, which stands first

	f := store.NeighbourFilter{BuildID: lib.ID, Side: store.SideDependents, Limit: 2}
	var names []string
	for range 3 {
		page, err := db.Neighbours(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range page.Rows {
			names = append(names, n.Pkgbase)
		}
		if page.Counts.Total() != 5 || page.Counts[buildbtw.StatusFailed] != 1 || page.Counts[buildbtw.StatusBlocked] != 1 {
			t.Errorf("numbers %v", page.Counts)
		}
		f.Cursor = page.Next
	}
	if want := []string{"a", "b", "c", "d", "e"}; !slices.Equal(names, want) || f.Cursor != "" {
		t.Errorf("listed %v, then %q", names, f.Cursor)
	}
	failed, err := db.Neighbours(t.Context(), store.NeighbourFilter{BuildID: lib.ID, Side: store.SideDependents, Status: buildbtw.StatusFailed})
	if err != nil || len(failed.Rows) != 1 || failed.Rows[0].Pkgbase != "e" || failed.Counts.Total() != 5 {
		t.Errorf("failed ones: %+v, %v", failed, err)
	}
	before, err := db.Neighbours(t.Context(), store.NeighbourFilter{BuildID: named(t, db, "a").ID, Side: store.SideDependencies})
	if err != nil || len(before.Rows) != 2 || before.Rows[0].Pkgbase != "e" || before.Rows[0].Kinds != buildbtw.EdgeDepends {
		t.Errorf("dependencies of a: %+v, %v", before.Rows, err)
	}
	if _, err := db.Neighbours(t.Context(), store.NeighbourFilter{BuildID: lib.ID, Cursor: "x"}); buildbtw.KindOf(err) != buildbtw.KindInvalid {
		t.Errorf("a wrong cursor: %v", err)
	}
}

// named gives the build of a pkgbase in the latest iteration of "lib".
func named(t *testing.T, db *storetest.DB, pkgbase string) store.BuildRow {
	t.Helper()
	rows, _, err := db.Builds(t.Context(), store.BuildFilter{Buildspace: "lib", Pkgbase: pkgbase})
	if err != nil || len(rows) != 1 {
		t.Fatalf("%d builds of %s, %v", len(rows), pkgbase, err)
	}
	return rows[0]
}

func TestACutIsSeenFromBothItsEnds(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	p := storetest.Plan("lib", "app: lib")
	p.Architectures["x86_64"].Cuts = []buildgraph.Cut{{From: "app", To: "lib", Kinds: []string{"checkdepends"}, Cycle: []string{"lib", "app"}}}
	db.Iterate(t, db.NewBuildspace(t, "lib"), p)
	app, lib := named(t, db, "app"), named(t, db, "lib")
	to, err := db.BuildCuts(t.Context(), lib.ID)
	if err != nil || len(to) != 1 {
		t.Fatalf("%v, %v", to, err)
	}
	from, err := db.CutsFrom(t.Context(), app.ID)
	if err != nil || len(from) != 1 || from[0].From.ID != app.ID || from[0].To.ID != lib.ID || to[0].From.ID != app.ID || to[0].To.ID != lib.ID {
		t.Errorf("from app %+v, to lib %+v, %v", from, to, err)
	}
	if other, err := db.CutsFrom(t.Context(), lib.ID); err != nil || len(other) != 0 {
		t.Errorf("from lib %+v, %v", other, err)
	}
}

func TestThePreviousResultIsOfTheSameBuildspace(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	row, other := db.NewBuildspace(t, "lib"), db.NewBuildspace(t, "other")
	for _, b := range []store.BuildspaceRow{other, row, row} {
		db.Iterate(t, b, storetest.Plan("lib"))
		c := db.Claim(t, "w")
		db.Finish(t, c)
		i := alpm.Interface{Pkgname: "lib", Sonames: []string{fmt.Sprintf("liblib.so=%d-64", c.Build.ID)}}
		if err := db.SaveInterfaces(t.Context(), map[string]alpm.Interface{fmt.Sprintf("%064x", c.Attempt.ID): i}); err != nil {
			t.Fatal(err)
		}
	}
	now := named(t, db, "lib")
	was, err := db.PreviousResult(t.Context(), now.ID)
	if err != nil || was == nil || was.Iteration != 1 || was.BuildID != now.ID-1 || len(was.Interfaces) != 1 ||
		was.Interfaces[0].Sonames[0] != fmt.Sprintf("liblib.so=%d-64", now.ID-1) {
		t.Errorf("before: %+v, %v", was, err)
	}
	if is, err := db.Interfaces(t.Context(), now.ID); err != nil || len(is) != 1 || is[0].Sonames[0] != fmt.Sprintf("liblib.so=%d-64", now.ID) {
		t.Errorf("now: %+v, %v", is, err)
	}
	if first, err := db.PreviousResult(t.Context(), was.BuildID); err != nil || first != nil {
		t.Errorf("before the first: %+v, %v", first, err)
	}
}
