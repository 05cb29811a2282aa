package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/pacman/alpm"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// installed makes a list of names and versions.
func installed(pairs ...string) []alpm.Installed {
	var list []alpm.Installed
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, alpm.Installed{Name: pairs[i], Version: pairs[i+1]})
	}
	return list
}

// note has the worker of a claimed build say what was installed.
func note(t *testing.T, db *storetest.DB, c *store.Claimed, list []alpm.Installed) {
	t.Helper()
	if err := db.NoteInstalled(t.Context(), c.Attempt.Lease, list); err != nil {
		t.Fatal(err)
	}
}

// A build is compared with the last success of its pkgbase in whatever buildspace, and the
// first failure since is found, too.
func TestABuildIsComparedWithItsLastSuccess(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	run := func(buildspace string, list []alpm.Installed, outcome buildbtw.Outcome) int64 {
		t.Helper()
		db.Iterate(t, db.NewBuildspace(t, buildspace), storetest.Plan("app"))
		c := db.Claim(t, "w")
		if list != nil {
			note(t, db, c, list)
		}
		if outcome == buildbtw.OutcomeBuilt {
			db.Finish(t, c)
		} else {
			db.End(t, c, outcome)
		}
		return c.Build.ID
	}
	since := func(build int64) *store.SinceBuilt {
		t.Helper()
		s, err := db.SinceBuilt(t.Context(), build)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := run("one", installed("gcc", "1-1", "libcalc", "1.4-1"), buildbtw.OutcomeBuilt)
	if s := since(first); s == nil || s.Last != nil || s.FirstFailure != nil || s.Changes != nil {
		t.Errorf("first build: %+v", s)
	}
	failed := run("two", installed("gcc", "1-1", "libcalc", "2.0-1"), buildbtw.OutcomeFailed)
	again := run("three", installed("gcc", "2-1", "libcalc", "2.0-1", "meson", "1.9-1"), buildbtw.OutcomeTimedOut)
	s := since(again)
	if s == nil || s.Last == nil || s.Last.Buildspace != "one" || s.Last.BuildID != first || s.FirstFailure == nil || s.FirstFailure.BuildID != failed || s.FirstFailure.Buildspace != "two" {
		t.Fatalf("%+v", s)
	}
	want := []store.InstalledChange{{"gcc", "1-1", "2-1"}, {"libcalc", "1.4-1", "2.0-1"}, {"meson", "", "1.9-1"}}
	if d := cmp.Diff(want, s.Changes); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(want[1:2], s.FirstChanges); d != "" {
		t.Error(d)
	}
	if s := since(failed); s.FirstFailure == nil || s.FirstFailure.BuildID != failed || len(s.Changes) != 1 {
		t.Errorf("the first failure: %+v", s)
	}
	if s := since(run("four", nil, buildbtw.OutcomeFailed)); s.Changes != nil || s.FirstChanges == nil || s.Last == nil {
		t.Errorf("not recorded: %+v", s)
	}
	built := run("five", installed("gcc", "2-1", "libcalc", "2.0-1", "meson", "1.9-1"), buildbtw.OutcomeBuilt)
	if s := since(built); s.Last.BuildID != first || s.FirstFailure != nil || len(s.Changes) != 3 {
		t.Errorf("built again: %+v", s)
	}
	if s := since(run("six", installed("gcc", "2-1", "libcalc", "2.0-1", "meson", "1.9-1"), buildbtw.OutcomeFailed)); s.Last.BuildID != built || s.Changes == nil || len(s.Changes) != 0 || s.FirstFailure.Buildspace != "six" {
		t.Errorf("nothing changed: %+v", s)
	}
	db.Iterate(t, db.NewBuildspace(t, "idle"), storetest.Plan("app"))
	rows, _, err := db.Builds(t.Context(), store.BuildFilter{Buildspace: "idle"})
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	if s := since(rows[0].ID); s != nil {
		t.Errorf("a build without an attempt: %+v", s)
	}
}

// Packages and sets that were stored before are not stored again, and nothing is after the
// end of an attempt.
func TestInstalledSetsAreStoredOnce(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "one"), storetest.Plan("a", "b", "c"))
	list := installed("gcc", "1-1", "libcalc", "1.4-1")
	sets := map[string]int64{}
	for _, list := range [][]alpm.Installed{list, list, installed("gcc", "1-1", "zlib", "1-1")} {
		c := db.Claim(t, "w")
		note(t, db, c, list)
		db.End(t, c, buildbtw.OutcomeFailed)
		if err := db.NoteInstalled(t.Context(), c.Attempt.Lease, installed("late", "1-1")); err != nil {
			t.Fatal(err)
		}
		attempts, err := db.Attempts(t.Context(), c.Build.ID)
		if err != nil || len(attempts) != 1 {
			t.Fatal(attempts, err)
		}
		sets[c.Build.Pkgbase] = attempts[0].InstalledID
		got, err := db.InstalledOf(t.Context(), attempts[0].InstalledID)
		if d := cmp.Diff(list, got); d != "" || err != nil {
			t.Errorf("%s: %v, %s", c.Build.Pkgbase, err, d)
		}
	}
	if sets["a"] != sets["b"] || sets["a"] == sets["c"] || sets["a"] == 0 {
		t.Errorf("sets: %v", sets)
	}
}

// Of a package that two iterations made, each has its own.
func TestPackagesThatAnIterationMade(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	one := db.Iterate(t, db.NewBuildspace(t, "one"), storetest.Plan("lib"))
	db.Finish(t, db.Claim(t, "w"))
	two := db.Iterate(t, db.NewBuildspace(t, "two"), storetest.Plan("lib"))
	db.Finish(t, db.Claim(t, "w"))
	digests := map[string]bool{}
	for _, it := range []store.IterationRow{one, two} {
		made, err := db.MadePackages(t.Context(), it.ID, "x86_64", []string{"nothing", "lib", "lib"})
		if err != nil || len(made) != 1 || made["lib"].SHA256 == "" || made["lib"].Interface != nil {
			t.Errorf("%+v, %v", made, err)
		}
		digests[made["lib"].SHA256] = true
	}
	if len(digests) != 2 {
		t.Errorf("both have the same package: %v", digests)
	}
}
