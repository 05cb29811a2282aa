package store_test

import (
	"slices"
	"testing"

	"buildbtw/release/check"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

func TestChecksAreKeptOnceForEachResult(t *testing.T) {
	t.Parallel()
	db, ctx := storetest.New(t), t.Context()
	it := db.Iterate(t, db.NewBuildspace(t, "work"), storetest.Plan("lib", "app: lib"))
	unchecked := func() (names []string) {
		t.Helper()
		rows, err := db.UncheckedBuilds(ctx, 0, []string{"x86_64"}, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range rows {
			names = append(names, b.Pkgbase)
		}
		return names
	}
	if got := unchecked(); len(got) != 0 {
		t.Fatalf("before anything is built: %v", got)
	}
	db.Finish(t, db.Claim(t, "w1"))
	if got := unchecked(); !slices.Equal(got, []string{"lib"}) {
		t.Fatalf("unchecked: %v", got)
	}
	for _, c := range []struct {
		iteration int64
		arch      string
		limit     int
	}{{it.ID + 1, "x86_64", 10}, {it.ID, "aarch64", 10}, {it.ID, "x86_64", 0}} {
		if rows, err := db.UncheckedBuilds(ctx, c.iteration, []string{c.arch}, c.limit); err != nil || len(rows) != 0 {
			t.Errorf("%+v: %v, %v", c, rows, err)
		}
	}
	rows, err := db.UncheckedBuilds(ctx, it.ID, []string{"x86_64"}, 10)
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	lib := rows[0]
	found := []check.Finding{{Kind: check.Empty, Outcome: check.OK}, {Kind: check.Sonames, Outcome: check.Found, Lines: []string{"lib: libx.so=1-64"}}}
	other := lib
	other.OutputDigest = "of packages from before"
	for _, save := range []struct {
		b        store.BuildRow
		findings []check.Finding
	}{{other, []check.Finding{{Kind: check.Empty, Outcome: check.Found}}}, {lib, found}, {lib, []check.Finding{{Kind: check.Empty, Outcome: check.Found}}}} {
		if err := db.SaveChecks(ctx, save.b, save.findings); err != nil {
			t.Fatal(err)
		}
	}
	got, err := db.Checks(ctx, []int64{lib.ID, lib.ID + 1})
	want := []check.Finding{found[1], found[0]} // in the order of kinds
	if err != nil || len(got) != 1 || len(got[lib.ID]) != 2 || got[lib.ID][0].Lines[0] != want[0].Lines[0] || got[lib.ID][0].Outcome != check.Found || got[lib.ID][1].Outcome != check.OK {
		t.Errorf("kept: %+v, %v", got, err)
	}
	if left := unchecked(); len(left) != 0 {
		t.Errorf("unchecked: %v", left)
	}
	if _, err := db.RebuildBuild(ctx, "anna", lib.ID); err != nil {
		t.Fatal(err)
	}
	db.Finish(t, db.Claim(t, "w1"))
	if got := unchecked(); !slices.Equal(got, []string{"lib"}) {
		t.Errorf("built anew: %v", got)
	}
	db.Check(t)
}
