package store_test

import (
	"database/sql"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// TestBuildsThatChangeAlikeAreOneRow and are an event each all the same, wherever a
// page of the history begins and ends.
func TestBuildsThatChangeAlikeAreOneRow(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	space := db.NewBuildspace(t, "space")
	plan := storetest.Plan("a", "b", "c: a", "d", "e: a", "f: e")
	db.Iterate(t, space, plan)
	db.End(t, db.Claim(t, "w"), buildbtw.OutcomeFailed) // a: the others are skipped in two ranges each
	db.Iterate(t, space, plan)

	all, err := db.Events(t.Context(), store.EventFilter{Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for i, e := range all {
		if i > 0 && e.ID != all[i-1].ID+1 {
			t.Errorf("event %d comes after event %d", e.ID, all[i-1].ID)
		}
		if e.Kind == buildbtw.EventBuild {
			words = append(words, fmt.Sprintf("%d %s %q to %s, %s", e.Iteration, e.Pkgbase, e.From, e.To, e.Cause))
		}
	}
	want := []string{
		`1 a "" to pending, planned`, `1 b "" to pending, planned`, `1 d "" to pending, planned`,
		`1 c "" to blocked, planned`, `1 e "" to blocked, planned`, `1 f "" to blocked, planned`,
		`1 a "pending" to building, leased`, `1 a "building" to failed, failed`,
		`2 a "" to pending, planned`, `2 b "" to pending, planned`, `2 d "" to pending, planned`,
		`2 c "" to blocked, planned`, `2 e "" to blocked, planned`, `2 f "" to blocked, planned`,
		`1 c "blocked" to skipped, superseded`, `1 e "blocked" to skipped, superseded`, `1 f "blocked" to skipped, superseded`,
		`1 b "pending" to skipped, superseded`, `1 d "pending" to skipped, superseded`,
	}
	if d := cmp.Diff(want, words); d != "" {
		t.Error(d)
	}
	file, err := sql.Open("sqlite", "file:"+db.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var rows int
	if err := file.QueryRowContext(t.Context(), `SELECT count(*) FROM events WHERE kind = 'build'`).Scan(&rows); err != nil || rows != 8 {
		t.Errorf("%d rows, %v; want 8: two for each plan, two for the end of the first, and two of the one build", rows, err)
	}

	for limit := 1; limit <= len(all); limit++ {
		up, down := []store.EventRow{}, []store.EventRow{}
		for f := (store.EventFilter{Limit: limit}); ; f.Since = up[len(up)-1].ID {
			page, err := db.Events(t.Context(), f)
			if up = append(up, page...); err != nil || len(page) < limit {
				break
			}
		}
		for f := (store.EventFilter{Limit: limit, Newest: true}); ; f.Before = down[len(down)-1].ID {
			page, err := db.Events(t.Context(), f)
			if down = append(down, page...); err != nil || len(page) < limit {
				break
			}
		}
		slices.Reverse(down)
		if d := cmp.Diff(all, up); d != "" {
			t.Fatalf("pages of %d: %s", limit, d)
		}
		if d := cmp.Diff(all, down); d != "" {
			t.Fatalf("pages of %d, the newest first: %s", limit, d)
		}
	}
	for _, e := range all {
		if e.BuildID == 0 {
			continue
		}
		own := slices.DeleteFunc(slices.Clone(all), func(o store.EventRow) bool { return o.BuildID != e.BuildID })
		got, err := db.Events(t.Context(), store.EventFilter{BuildID: e.BuildID})
		if d := cmp.Diff(own, got); d != "" || err != nil {
			t.Errorf("events of build %d: %v %s", e.BuildID, err, d)
		}
		var up, down []store.EventRow // one by one, from either end
		for f := (store.EventFilter{BuildID: e.BuildID, Limit: 1}); ; f.Since = up[len(up)-1].ID {
			page, err := db.Events(t.Context(), f)
			if up = append(up, page...); err != nil || len(page) == 0 {
				break
			}
		}
		for f := (store.EventFilter{BuildID: e.BuildID, Limit: 1, Newest: true}); ; f.Before = down[len(down)-1].ID {
			page, err := db.Events(t.Context(), f)
			if down = append(down, page...); err != nil || len(page) == 0 {
				break
			}
		}
		slices.Reverse(down)
		if d := cmp.Diff(own, up) + cmp.Diff(own, down); d != "" {
			t.Errorf("events of build %d, one by one: %s", e.BuildID, d)
		}
	}
	without, err := db.Events(t.Context(), store.EventFilter{Without: []buildbtw.Cause{buildbtw.CausePlanned}, Only: []buildbtw.Cause{buildbtw.CauseSuperseded, buildbtw.CausePlanned}})
	if err != nil || len(without) != 5 {
		t.Errorf("superseded: %+v, %v", without, err)
	}
}
