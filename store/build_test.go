package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// page gives the names of a page of builds, and how many there are in all.
func page(t *testing.T, db *storetest.DB, f store.BuildFilter, sort store.BuildSort, first int) (names string, total int) {
	t.Helper()
	f.Buildspace = "space"
	p, err := db.BuildPage(t.Context(), f, sort, first)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, row := range p.Rows {
		list = append(list, row.Pkgbase)
	}
	return strings.Join(list, " "), p.Total
}

func TestBuildsAreListedInTheOrderAskedFor(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("zlib", "bad", "free", "above: bad", "on: zlib"))
	db.Finish(t, db.Claim(t, "w1")) // zlib
	db.Clock.Advance(time.Second)
	db.End(t, db.Claim(t, "w1"), buildbtw.OutcomeFailed)
	for _, c := range []struct {
		sort  store.BuildSort
		f     store.BuildFilter
		first int
		want  string
		total int
	}{
		{store.SortUrgency, store.BuildFilter{}, 0, "bad free on above zlib", 5},
		{"", store.BuildFilter{Limit: 2}, 2, "on above", 5},
		{"", store.BuildFilter{Status: "built,blocked,failed"}, 1, "above zlib", 3},
		{"", store.BuildFilter{Query: "b"}, 0, "bad above zlib", 3},
		{store.SortName, store.BuildFilter{}, 0, "above bad free on zlib", 5},
		{store.SortPlan, store.BuildFilter{}, 0, "zlib bad free above on", 5},
		{store.SortName, store.BuildFilter{Query: "b"}, 1, "bad zlib", 3},
		{store.SortName, store.BuildFilter{Status: "pending"}, 0, "free on", 2},
		{store.SortName, store.BuildFilter{}, 99, "", 5},
	} {
		if names, total := page(t, db, c.f, c.sort, c.first); names != c.want || total != c.total {
			t.Errorf("%s %+v from %d: %q of %d, want %q of %d", c.sort, c.f, c.first, names, total, c.want, c.total)
		}
	}
	if names, _ := page(t, db, store.BuildFilter{}, store.SortChanged, 0); !strings.HasPrefix(names, "bad ") {
		t.Errorf("by change: %q, want the failed one first", names)
	}
	p, err := db.BuildPage(t.Context(), store.BuildFilter{Buildspace: "space", Query: "above"}, store.SortName, 0)
	if err != nil || len(p.Rows) != 1 || len(p.Rows[0].RootCauses) != 1 || p.Rows[0].RootCauses[0].Pkgbase != "bad" {
		t.Errorf("above is %+v (%v), want it blocked by bad", p.Rows, err)
	}
	if _, err := db.BuildPage(t.Context(), store.BuildFilter{Buildspace: "space"}, "colour", 0); buildbtw.KindOf(err) != buildbtw.KindInvalid {
		t.Errorf("an unknown order: %v", err)
	}
}

// The slowest come first, among them one that still runs; the order is that of Build.Took.
func TestBuildsAreListedByDuration(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("quick", "slow", "runs", "again", "never: slow"))
	for _, c := range []struct {
		name    string
		seconds int
	}{{"quick", 5}, {"slow", 300}} {
		claimed := db.Claim(t, "w1")
		db.Clock.Advance(time.Duration(c.seconds) * time.Second)
		if claimed.Build.Pkgbase != c.name {
			t.Fatalf("%s was handed out instead of %s", claimed.Build.Pkgbase, c.name)
		}
		db.End(t, claimed, buildbtw.OutcomeFailed)
	}
	db.Claim(t, "w1") // runs
	db.Clock.Advance(100 * time.Second)
	again := db.Claim(t, "w2")
	db.Clock.Advance(10 * time.Second)
	db.End(t, again, buildbtw.OutcomeReleased)
	now := db.Clock.Now()
	if names, _ := page(t, db, store.BuildFilter{Now: now}, store.SortDuration, 0); names != "slow runs again quick never" {
		t.Errorf("after 110 s of runs: %q", names)
	}
	now = now.Add(time.Hour)
	p, err := db.BuildPage(t.Context(), store.BuildFilter{Buildspace: "space", Now: now}, store.SortDuration, 0)
	if err != nil || p.Rows[0].Pkgbase != "runs" {
		t.Fatalf("an hour later: %+v, %v", p.Rows, err)
	}
	for i, b := range p.Rows[1:] {
		if b.Took(now) > p.Rows[i].Took(now) {
			t.Errorf("%s took %v and comes after %s, which took %v", b.Pkgbase, b.Took(now), p.Rows[i].Pkgbase, p.Rows[i].Took(now))
		}
	}
}

func TestCutsAreNamedAndCounted(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	p := storetest.Plan("a", "b: a", "c: b")
	p.Architectures["x86_64"].Cuts = []buildgraph.Cut{
		{From: "c", To: "a", Kinds: []string{"checkdepends"}, Cycle: []string{"a", "b", "c"}},
		{From: "b", To: "a", Kinds: []string{"makedepends"}, Cycle: []string{"a", "b"}},
	}
	it := db.Iterate(t, db.NewBuildspace(t, "space"), p)
	db.Iterate(t, db.NewBuildspace(t, "other"), p)
	all, total, err := db.Cuts(t.Context(), it.ID, 10)
	if err != nil || total != 2 {
		t.Fatalf("%d cuts, %v", total, err)
	}
	want := store.CutRow{Architecture: "x86_64", From: "b", To: "a", Kinds: buildbtw.EdgeMakedepends, Cycle: buildbtw.Names{"a", "b"}}
	if d := cmp.Diff(want, all[0]); d != "" {
		t.Error(d)
	}
	if some, total, err := db.Cuts(t.Context(), it.ID, 1); err != nil || len(some) != 1 || total != 2 {
		t.Errorf("%d of %d cuts, %v", len(some), total, err)
	}
}

func TestEventsBeforeAnEventAreTheOlderOnes(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("a", "b"))
	all, err := db.Events(t.Context(), store.EventFilter{Buildspace: "space", Newest: true})
	if err != nil || len(all) < 3 {
		t.Fatalf("%d events, %v", len(all), err)
	}
	older, err := db.Events(t.Context(), store.EventFilter{Buildspace: "space", Newest: true, Before: all[1].ID})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(all[2:], older); d != "" {
		t.Error(d)
	}
}

func TestFinishedBuildsAreListedByTheirLastChange(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "one"), storetest.Plan("lib"))
	db.Iterate(t, db.NewBuildspace(t, "two"), storetest.Plan("lib", "app: lib"))
	first, second := db.Claim(t, "w1"), db.Claim(t, "w2")
	db.End(t, second, buildbtw.OutcomeFailed)
	db.Clock.Advance(time.Minute)
	if rows, err := db.FinishedBuilds(t.Context(), "lib", 10); err != nil || len(rows) != 1 || rows[0].ID != second.Build.ID {
		t.Errorf("one has ended: %+v, %v", rows, err)
	}
	db.Finish(t, first)
	rows, err := db.FinishedBuilds(t.Context(), "lib", 10)
	if err != nil || len(rows) != 2 || rows[0].ID != first.Build.ID || rows[0].Buildspace == rows[1].Buildspace {
		t.Errorf("both have ended: %+v, %v", rows, err)
	}
}
