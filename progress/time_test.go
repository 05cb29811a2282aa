package progress

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

func timeline(t *testing.T, db *storetest.DB, r TimeRequest) Timeline {
	t.Helper()
	got, err := new(Forecasts).Timeline(t.Context(), &db.Reader, r, db.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// say writes bars as "lane name outcome from-to", in seconds since a time.
func say(bars []Bar, since time.Time) []string {
	lines := []string{}
	for _, b := range bars {
		end := "now"
		if !b.End.IsZero() {
			end = fmt.Sprint(b.End.Sub(since).Seconds())
		}
		lines = append(lines, fmt.Sprintf("%d %s %s %v-%s", b.Lane, b.Pkgbase, b.Outcome, b.Start.Sub(since).Seconds(), end))
	}
	return lines
}

func TestATimelineHasWhatRanAndWhatComesNext(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	began := db.Clock.Now()
	db.Iterate(t, db.NewBuildspace(t, "lib"), storetest.Plan("a", "b", "c: b", "d: c"))
	a := db.Claim(t, "w1")
	b := db.Claim(t, "w2")
	db.Clock.Advance(60 * time.Second)
	db.End(t, a, buildbtw.OutcomeFailed)
	db.Clock.Advance(40 * time.Second)
	db.Finish(t, b)
	db.Clock.Advance(10 * time.Second)
	c := db.Claim(t, "w1")
	db.Clock.Advance(20 * time.Second)
	now := db.Clock.Now()

	got := timeline(t, db, TimeRequest{From: began, Until: now.Add(time.Hour)})
	if diff := cmp.Diff([]Lane{{"w1", 0, true}, {"w2", 0, false}}, got.Lanes); diff != "" {
		t.Error(diff)
	}
	want := []string{
		"0 " + a.Build.Pkgbase + " failed 0-60", "0 " + c.Build.Pkgbase + "  110-now", "1 " + b.Build.Pkgbase + " built 0-100",
	}
	if diff := cmp.Diff(want, say(got.Bars, began)); diff != "" {
		t.Error(diff)
	}
	// c is thought to take as long as b did: it has taken 20 of 100 s. d comes after it. w2
	// is not there any more.
	if diff := cmp.Diff([]string{"0 d  80-180"}, say(got.Ahead, now)); diff != "" {
		t.Error(diff)
	}

	// Of what was before, nothing; of another buildspace, nothing.
	if got := timeline(t, db, TimeRequest{From: began.Add(61 * time.Second), Until: now}); len(got.Bars) != 2 || len(got.Ahead) != 0 {
		t.Errorf("after a's end: %v, ahead %v", say(got.Bars, began), say(got.Ahead, began))
	}
	if got := timeline(t, db, TimeRequest{From: began.Add(-time.Hour), Until: began}); len(got.Bars) != 0 {
		t.Errorf("before: %v", say(got.Bars, began))
	}
	if got := timeline(t, db, TimeRequest{Buildspace: "other", From: began, Until: now.Add(time.Hour)}); len(got.Bars)+len(got.Ahead) != 0 {
		t.Errorf("another buildspace's: %v %v", say(got.Bars, began), say(got.Ahead, began))
	}
}

func TestADrainingWorkerHasNoForecast(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "lib"), storetest.Plan("a", "b"))
	db.Finish(t, db.Claim(t, "w1"))
	now := db.Clock.Now()
	if got := timeline(t, db, TimeRequest{From: now.Add(-time.Hour), Until: now.Add(time.Hour)}); len(got.Ahead) != 1 {
		t.Errorf("ahead: %v", say(got.Ahead, now))
	}
	if err := db.DrainWorker(t.Context(), "alice", "w1"); err != nil {
		t.Fatal(err)
	}
	if got := timeline(t, db, TimeRequest{From: now.Add(-time.Hour), Until: now.Add(time.Hour)}); len(got.Ahead) != 0 {
		t.Errorf("a draining worker goes on: %v", say(got.Ahead, now))
	}
}

// What waits for a failure is in no forecast, and the buildspace with the higher
// priority comes first.
func TestTheForecastIsOfWhatCanRun(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	low := buildbtw.DefaultSettings()
	low.Priority = buildbtw.PriorityLow
	db.Iterate(t, db.NewBuildspaceWith(t, "low", low), storetest.Plan("x"))
	db.Iterate(t, db.NewBuildspace(t, "lib"), storetest.Plan("bad", "stuck: bad", "good"))
	for range 3 {
		c := db.Claim(t, "w1")
		if c.Build.Pkgbase == "bad" {
			db.End(t, c, buildbtw.OutcomeFailed)
			break
		}
		db.End(t, c, buildbtw.OutcomeReleased)
	}
	now := db.Clock.Now()
	got := timeline(t, db, TimeRequest{From: now.Add(-time.Hour), Until: now.Add(24 * time.Hour)})
	names := []string{}
	for _, b := range got.Ahead {
		names = append(names, b.Buildspace+"/"+b.Pkgbase)
	}
	if diff := cmp.Diff([]string{"lib/good", "low/x"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestAGridShowsWhatBroke(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	space := db.NewBuildspace(t, "lib")
	iterate := func(failing ...string) {
		db.Iterate(t, space, storetest.Plan("fine", "late", "never", "mended", "zz"))
		for range 5 {
			c := db.Claim(t, "w")
			outcome := buildbtw.OutcomeBuilt
			for _, name := range failing {
				if c.Build.Pkgbase == name {
					outcome = buildbtw.OutcomeFailed
				}
			}
			db.Clock.Advance(30 * time.Second)
			if outcome == buildbtw.OutcomeBuilt {
				db.Finish(t, c)
			} else {
				db.End(t, c, outcome)
			}
		}
	}
	iterate("never")
	iterate("never", "mended")
	iterate("never", "late")
	iterate("never", "late", "zz")
	grids := NewGrids()
	g, err := grids.Read(t.Context(), &db.Reader, "lib", "")
	if err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for _, row := range g.Rows {
		got = append(got, fmt.Sprint(row.Pkgbase, " ", row.Broke))
	}
	if diff := cmp.Diff([]string{"late 2", "zz 3", "never -1", "fine -1", "mended -1"}, got); diff != "" {
		t.Error(diff)
	}
	if c := g.Rows[0].Cells[1]; c.Status != buildbtw.StatusBuilt || c.Seconds != 30 || g.Columns[1].Number != 2 {
		t.Errorf("late in #2: %+v", c)
	}
	// What is kept of earlier iterations does not hide what changes.
	late := g.Rows[0].Cells[3].ID
	if _, err := db.RetryBuild(t.Context(), "alice", late); err != nil {
		t.Fatal(err)
	}
	if g, err := grids.Read(t.Context(), &db.Reader, "lib", ""); err != nil || g.Rows[0].Cells[3].Status != buildbtw.StatusPending || g.Rows[0].Broke != 2 {
		t.Errorf("after a retry: %+v, %v", g.Rows[0], err)
	}
	if all, err := grids.Read(t.Context(), &db.Reader, "", ""); err != nil || len(all.Columns) != 1 || all.Columns[0].Number != 4 || all.Rows[0].Pkgbase != "never" {
		t.Errorf("of all buildspaces: %+v, %v", all.Columns, err)
	}
	if none, err := grids.Read(t.Context(), &db.Reader, "lib", "riscv64"); err != nil || len(none.Rows) != 0 {
		t.Errorf("of an architecture that is not there: %d rows, %v", len(none.Rows), err)
	}
}

func TestAGridTellsWhatIsBlockedFromWhatWaits(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "lib"), storetest.Plan("bad", "good", "stuck: bad", "later: good"))
	for range 2 {
		if c := db.Claim(t, "w"); c.Build.Pkgbase == "bad" {
			db.End(t, c, buildbtw.OutcomeFailed)
			break
		}
	}
	g, err := NewGrids().Read(t.Context(), &db.Reader, "lib", "")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]buildbtw.Status{}
	for _, row := range g.Rows {
		got[row.Pkgbase] = row.Cells[0].Status
	}
	if got["bad"] != buildbtw.StatusFailed || got["stuck"] != buildbtw.StatusBlocked || got["later"] != buildbtw.StatusWaiting {
		t.Errorf("%v", got)
	}
}

// Rows of a made-up column: nothing says more than the newest result.
func TestWhereItBroke(t *testing.T) {
	t.Parallel()
	for statuses, want := range map[string]int{"": -1, "b": -1, "f": -1, "bf": 1, "bff": 1, "bfb": -1, "fbf": 2, "bkf": 2, "bfx": 1, "fxf": -1} {
		row := GridRow{}
		for _, s := range statuses {
			status := map[rune]buildbtw.Status{'b': buildbtw.StatusBuilt, 'f': buildbtw.StatusFailed, 'k': buildbtw.StatusBlocked, 'x': buildbtw.StatusSkipped}[s]
			row.Cells = append(row.Cells, store.GridCell{ID: 1, Status: status})
		}
		if got := row.broke(); got != want {
			t.Errorf("%q broke in column %d, want %d", statuses, got, want)
		}
	}
}
