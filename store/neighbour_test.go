package store_test

import (
	"fmt"
	"reflect"
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
	db.Iterate(t, db.NewBuildspace(t, "lib"), storetest.Plan("lib", "e: lib", "d: lib", "c: lib", "b: lib d", "a: lib e"))
	db.Finish(t, db.Claim(t, "w"))
	lib := named(t, db, "lib")
	db.End(t, db.Claim(t, "w"), buildbtw.OutcomeFailed) // e, which stands first

	stuck, err := db.BlockedBuilds(t.Context(), lib.IterationID)
	if err != nil {
		t.Fatal(err)
	}
	f := store.NeighbourFilter{BuildID: lib.ID, Side: store.SideDependents, Stuck: stuck, Limit: 2}
	var names []string
	for range 3 {
		page, err := db.Neighbours(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range page.Rows {
			names = append(names, n.Pkgbase)
		}
		if page.Counts.Total() != 5 || page.Counts[buildbtw.StatusFailed] != 1 || page.Counts[buildbtw.StatusBlocked] != 1 || page.Counts[buildbtw.StatusWaiting] != 1 {
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
	for status, want := range map[buildbtw.Status]string{buildbtw.StatusBlocked: "a", buildbtw.StatusWaiting: "b"} {
		page, err := db.Neighbours(t.Context(), store.NeighbourFilter{BuildID: lib.ID, Side: store.SideDependents, Status: status, Stuck: stuck})
		if err != nil || len(page.Rows) != 1 || page.Rows[0].Pkgbase != want {
			t.Errorf("%s: %+v, %v; want %s", status, page.Rows, err, want)
		}
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

// The newest package of a name tells of which word size its libraries are, if it has
// some of 32 bits.
func TestBuiltLibrariesAreThoseOfTheNewestPackage(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	row := db.NewBuildspace(t, "lib")
	for _, c := range []struct {
		built, want []string
	}{
		{[]string{"liba.so=1-64"}, nil},
		{[]string{"liba.so=1-64", "libb.so=1-32"}, []string{"liba.so=1-64", "libb.so=1-32", "liblib.so=1-32"}},
		{[]string{"libb.so=2-32"}, []string{"libb.so=2-32", "liblib.so=1-32"}},
	} {
		db.Iterate(t, row, storetest.Plan("lib"))
		claimed := db.Claim(t, "w")
		db.Finish(t, claimed)
		i := alpm.Interface{Pkgname: "lib", Sonames: c.built}
		if c.want != nil {
			i.Provides = []string{"liblib.so=1-32"}
		}
		if err := db.SaveInterfaces(t.Context(), map[string]alpm.Interface{fmt.Sprintf("%064x", claimed.Attempt.ID): i}); err != nil {
			t.Fatal(err)
		}
		got, err := db.BuiltLibraries(t.Context())
		if err != nil || len(got) > 1 || (len(got) == 0) != (c.want == nil) {
			t.Fatalf("%+v, %v", got, err)
		}
		if len(got) == 1 && (got[0].Pkgname != "lib" || got[0].Architecture != "x86_64" || !slices.Equal(got[0].Libraries, c.want)) {
			t.Errorf("%+v, want %v", got[0], c.want)
		}
	}
}

// Modules are those of the newest build of a name that nothing takes the place of.
func TestBuiltDirectories(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	row := db.NewBuildspace(t, "lib")
	for _, c := range []struct {
		directories []string
		want        int
	}{{nil, 0}, {[]string{"usr/lib/python3.13/"}, 1}, {[]string{"usr/lib/python3.14/"}, 1}, {nil, 0}} {
		db.Iterate(t, row, storetest.Plan("lib"))
		claimed := db.Claim(t, "w")
		db.Finish(t, claimed)
		i := alpm.Interface{Pkgname: "lib", Version: "1.0-1", Directories: c.directories}
		if err := db.SaveInterfaces(t.Context(), map[string]alpm.Interface{fmt.Sprintf("%064x", claimed.Attempt.ID): i}); err != nil {
			t.Fatal(err)
		}
		got, err := db.BuiltDirectories(t.Context())
		if err != nil || len(got["x86_64"]) != c.want {
			t.Fatalf("%+v, %v", got, err)
		}
		want := alpm.Tenant{Pkgname: "lib", Pkgbase: "lib", Version: "1.0-1", Directories: c.directories}
		if c.want > 0 && !reflect.DeepEqual(got["x86_64"][0], want) {
			t.Errorf("%+v, want %+v", got["x86_64"][0], want)
		}
	}
}

// What only has files in the directory of a changeset is compared with what it used,
// while direct dependents of changesets are always built.
func TestWhatHasFilesIsDecidedOn(t *testing.T) {
	t.Parallel()
	for kind, hold := range map[buildbtw.ReasonKind]buildbtw.Hold{buildbtw.ReasonFiles: buildbtw.HoldDecide, buildbtw.ReasonDepends: buildbtw.HoldNone} {
		db := storetest.New(t)
		p := storetest.Plan("python", "module: python")
		p.Architectures["x86_64"].Builds[1].Reason.Kind = kind
		row := db.NewBuildspace(t, "work")
		if _, err := db.CreateIteration(t.Context(), store.NewIteration{
			BuildspaceID: row.ID, Revision: row.Revision, Reason: buildbtw.IterationRequested, CutOff: true, Plan: p,
		}); err != nil {
			t.Fatal(err)
		}
		claimed := db.Claim(t, "w")
		db.Finish(t, claimed)
		module, err := db.Build(t.Context(), claimed.Build.ID+1)
		if err != nil || module.Pkgbase != "module" || module.Held != hold {
			t.Errorf("%s: %s is held %q, want %q (%v)", kind, module.Pkgbase, module.Held, hold, err)
		}
	}
}
