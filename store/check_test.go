package store_test

import (
	"slices"
	"strings"
	"testing"

	"buildbtw/release/check"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

func TestChecksAreStoredForEachView(t *testing.T) {
	t.Parallel()
	db, ctx := storetest.New(t), t.Context()
	it := db.Iterate(t, db.NewBuildspace(t, "work"), storetest.Plan("lib", "app: lib"))
	unchecked := func(view string) (names []string) {
		t.Helper()
		rows, err := db.UncheckedBuilds(ctx, view, 0, "x86_64", 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range rows {
			names = append(names, b.Pkgbase)
		}
		return names
	}
	if got := unchecked("stable"); len(got) != 0 {
		t.Fatalf("before anything is built: %v", got)
	}
	c := db.Claim(t, "w1")
	if err := db.NoteNamcap(ctx, c.Attempt.Lease, []string{"lib E: x"}); err != nil {
		t.Fatal(err)
	}
	db.Finish(t, c)
	if got := unchecked("stable"); !slices.Equal(got, []string{"lib"}) {
		t.Fatalf("unchecked: %v", got)
	}
	for _, c := range []struct {
		iteration int64
		arch      string
		limit     int
	}{{it.ID + 1, "x86_64", 10}, {it.ID, "aarch64", 10}, {it.ID, "x86_64", 0}} {
		if rows, err := db.UncheckedBuilds(ctx, "stable", c.iteration, c.arch, c.limit); err != nil || len(rows) != 0 {
			t.Errorf("%+v: %v, %v", c, rows, err)
		}
	}
	rows, err := db.UncheckedBuilds(ctx, "stable", it.ID, "x86_64", 10)
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	lib := rows[0]
	before := check.Predecessors{"lib": {Version: "1-1", Digest: "d"}}
	found := []check.Finding{{Kind: check.Empty, Outcome: check.OK}, {Kind: check.Sonames, Outcome: check.Found, Lines: []string{"lib: libx.so=1-64"}}}
	save := func(b store.BuildRow, view string, findings ...check.Finding) {
		t.Helper()
		if err := db.SaveChecks(ctx, b, store.Comparison{View: view, Before: before, Findings: findings}); err != nil {
			t.Fatal(err)
		}
	}
	other := lib
	other.OutputDigest = "of packages from before"
	save(other, "stable", check.Finding{Kind: check.Empty, Outcome: check.Found})
	if got := unchecked("stable"); !slices.Equal(got, []string{"lib"}) {
		t.Errorf("checked with packages of before: %v", got)
	}
	save(lib, "stable", found...)
	if left := unchecked("stable"); len(left) != 0 {
		t.Errorf("unchecked: %v", left)
	}
	if got := unchecked("testing"); !slices.Equal(got, []string{"lib"}) {
		t.Errorf("unchecked for users of testing: %v", got)
	}
	save(lib, "testing", check.Finding{Kind: check.Files, Outcome: check.Found, Lines: []string{"lib: x"}})
	if err := db.ChecksAreStale(ctx, "testing", []int64{lib.ID}); err != nil {
		t.Fatal(err)
	}
	wantStored(t, db, lib.ID, "stable fresh lib 1-1: sonames found, empty ok; testing stale lib 1-1: files found")
	if got := unchecked("testing"); !slices.Equal(got, []string{"lib"}) {
		t.Errorf("users of testing have another one, and unchecked is: %v", got)
	}
	save(lib, "testing", check.Finding{Kind: check.Size, Outcome: check.OK}) // takes the place of all that was
	wantStored(t, db, lib.ID, "stable fresh lib 1-1: sonames found, empty ok; testing fresh lib 1-1: size ok")
	if got, err := db.CheckedInView(ctx, "testing", "x86_64"); err != nil || len(got) != 1 || got[0].BuildID != lib.ID || got[0].Before["lib"].Digest != "d" {
		t.Errorf("compared: %+v, %v", got, err)
	}
	namcap := func() []string {
		t.Helper()
		all, err := db.NamcapReports(ctx, []int64{lib.ID})
		if err != nil {
			t.Fatal(err)
		}
		return all[lib.ID]
	}
	if got := namcap(); !slices.Equal(got, []string{"lib E: x"}) {
		t.Errorf("namcap: %q", got)
	}
	if _, err := db.RebuildBuild(ctx, "anna", lib.ID); err != nil {
		t.Fatal(err)
	}
	db.Finish(t, db.Claim(t, "w1"))
	if got := unchecked("stable"); !slices.Equal(got, []string{"lib"}) {
		t.Errorf("built anew: %v", got)
	}
	if got := namcap(); got != nil {
		t.Errorf("built anew without namcap: %q", got)
	}
	db.Check(t)
}

// wantStored compares the checks of a build: "view fresh packages: kind outcome, …; …".
func wantStored(t *testing.T, db *storetest.DB, build int64, want string) {
	t.Helper()
	all, err := db.Checks(t.Context(), []int64{build, build + 1})
	if err != nil || len(all) > 1 {
		t.Fatalf("%+v, %v", all, err)
	}
	var views []string
	for _, c := range all[build] {
		state := "fresh"
		if c.Stale {
			state = "stale"
		}
		var findings []string
		for _, f := range c.Findings {
			findings = append(findings, string(f.Kind)+" "+string(f.Outcome))
		}
		views = append(views, c.View+" "+state+" "+strings.Join(c.Before.Versions(), ", ")+": "+strings.Join(findings, ", "))
	}
	if got := strings.Join(views, "; "); got != want {
		t.Errorf("stored:\n%s\nwant\n%s", got, want)
	}
}
