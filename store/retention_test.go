package store_test

import (
	"database/sql"
	"fmt"
	"slices"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// BenchmarkDeleteIteration removes an iteration of all builds, of which 500 were built, in the
// steps of package retention, and reports for how long one of them held the writing connection.
func BenchmarkDeleteIteration(b *testing.B) {
	db := storetest.New(b)
	space := db.NewBuildspace(b, "bench")
	plan := storetest.Synthetic(fullBuilds, fullEdges, 1)
	var longest time.Duration
	steps := 0
	step := func(do func() (bool, error)) bool {
		begun := time.Now()
		left, err := do()
		longest = max(longest, time.Since(begun))
		if steps++; err != nil {
			b.Fatal(err)
		}
		return left
	}
	it := db.Iterate(b, space, plan)
	n := 0
	for b.Loop() {
		b.StopTimer()
		for range 500 {
			if c := db.Claim(b, "w1"); c != nil {
				db.Finish(b, c)
			}
		}
		n++
		plan.Architectures["x86_64"].Builds[0].Commit = fmt.Sprintf("%040x", n)
		old := it
		it = db.Iterate(b, space, plan)
		b.StartTimer()
		step(func() (bool, error) {
			return false, db.RemoveIteration(b.Context(), buildbtw.System, "bench", old.Number, store.RemovePackages)
		})
		for step(func() (bool, error) { return db.ForgetSome(b.Context(), old.ID, 250) }) {
		}
		if err := db.FilesRemoved(b.Context(), store.Leftover{IterationID: old.ID, Repository: buildbtw.RepositoryName("bench", old.Number)}); err != nil {
			b.Fatal(err)
		}
		err := db.RemoveIteration(b.Context(), buildbtw.System, "bench", old.Number, store.RemoveAll)
		if buildbtw.KindOf(err) == buildbtw.KindConflict && err != nil {
			continue // the next one has packages of it
		}
		if err != nil {
			b.Fatal(err)
		}
		for step(func() (bool, error) { return db.RemoveSome(b.Context(), old.ID, 250) }) {
		}
	}
	b.ReportMetric(float64(longest.Microseconds())/1000, "longest-ms")
	b.ReportMetric(float64(steps)/float64(n), "steps/iteration")
}

func TestRetentionPolicy(t *testing.T) {
	t.Parallel()
	if err := store.DefaultRetention().Validate(); err != nil {
		t.Error(err)
	}
	for _, wrong := range []store.RetentionPolicy{{}, {Newest: 1, Packages: -1}, {Newest: 1, Workers: time.Minute}} {
		if err := wrong.Validate(); buildbtw.KindOf(err) != buildbtw.KindInvalid {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
}

// TestWorkersThatAreGoneAreForgotten keeps those that a person, or the server, gives no builds.
func TestWorkersThatAreGoneAreForgotten(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	for _, name := range []string{"gone", "drained", "busy"} {
		if name == "busy" {
			db.Iterate(t, db.NewBuildspace(t, "demo"), storetest.Plan("a"))
		}
		db.Claim(t, name)
	}
	if err := db.DrainWorker(t.Context(), "anna", "drained"); err != nil {
		t.Fatal(err)
	}
	db.Clock.Advance(48 * time.Hour)
	db.Claim(t, "present")
	got, err := db.ForgetGoneWorkers(t.Context(), 24*time.Hour)
	if err != nil || len(got) != 1 || got[0] != "gone" {
		t.Errorf("forgotten: %v, %v", got, err)
	}
}

// TestAnUpgradeRemovesNothingAtOnce: ages are counted from when the database knew of a policy.
func TestAnUpgradeRemovesNothingAtOnce(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	policy := store.RetentionPolicy{Newest: 1, Packages: 30 * day, History: 60 * day}
	db := storetest.New(t)
	space := db.NewBuildspace(t, "demo")
	db.Iterate(t, space, storetest.Plan("a"))
	db.Iterate(t, space, storetest.Plan("b"))
	db.Clock.Advance(100 * day)
	upgraded := db.Clock.Now()
	raw, err := sql.Open("sqlite", db.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err := raw.ExecContext(t.Context(), `UPDATE schema_migrations SET applied_at = ? WHERE version = 31`, upgraded); err != nil {
		t.Fatal(err)
	}
	removes := func(want ...store.Removal) {
		t.Helper()
		due, err := db.Due(t.Context(), policy, db.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		var got []store.Removal
		for _, d := range due {
			got = append(got, d.Remove)
		}
		if !slices.Equal(got, want) {
			t.Errorf("after %s: %v goes, want %v", db.Clock.Now().Sub(upgraded), got, want)
		}
	}
	removes()
	stay, err := db.Stay(t.Context(), policy, "demo", 1, db.Clock.Now())
	if err != nil || !stay.Packages.Equal(upgraded.Add(policy.Packages)) || !stay.History.Equal(upgraded.Add(policy.History)) {
		t.Errorf("it says packages until %s, history until %s, %v", stay.Packages, stay.History, err)
	}
	if left, err := db.RemoveOldEvents(t.Context(), policy.History, 1); err != nil || left {
		t.Errorf("events went: %v", err)
	}
	db.Clock.Advance(30 * day)
	removes(store.RemovePackages)
	db.Clock.Advance(30 * day)
	removes(store.RemoveAll)
	if left, err := db.RemoveOldEvents(t.Context(), policy.History, 1); err != nil || !left {
		t.Errorf("no event went: %v", err)
	}
}
