package store_test

import (
	"slices"
	"strconv"
	"testing"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

func TestACommitSaysWhatItChanged(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	one, two := db.NewBuildspace(t, "one"), db.NewBuildspace(t, "two")
	db.Iterate(t, one, storetest.Plan("lib", "app: lib"))
	sub := db.Watch()
	defer sub.Cancel()
	take := func() store.Change {
		t.Helper()
		change, _ := sub.Take()
		return change
	}

	c := db.Claim(t, "w1")
	if change := take(); change.Everything || !slices.Equal(change.Builds, []int64{c.Build.ID}) {
		t.Errorf("a claim changes %+v, want build %d", change, c.Build.ID)
	}
	db.Finish(t, c)
	change := take()
	rows, _, err := db.Builds(t.Context(), store.BuildFilter{Buildspace: "one", Pkgbase: "app"})
	if err != nil || change.Everything || !slices.Contains(change.Builds, c.Build.ID) || !slices.Contains(change.Builds, rows[0].ID) {
		t.Errorf("%v: the end of a build changes %+v, want it and app, which is pending now", err, change)
	}
	wantNames(t, db, change, "one")

	if _, err := db.StopBuildspace(t.Context(), "anna", "two"); err != nil {
		t.Fatal(err)
	}
	change = take()
	if change.Everything || !slices.Contains(change.Buildspaces, two.ID) || len(change.Builds) != 0 {
		t.Errorf("to stop a buildspace changes %+v, want %d", change, two.ID)
	}
	wantNames(t, db, change, "two")

	builds, err := db.BuildsOfAttempts(t.Context(), []int64{c.Attempt.ID, 999})
	if err != nil || !slices.Equal(builds, []int64{c.Build.ID}) {
		t.Errorf("%v: attempt %d belongs to %v", err, c.Attempt.ID, builds)
	}
}

func wantNames(t *testing.T, db *storetest.DB, change store.Change, want ...string) {
	t.Helper()
	names, err := db.ChangedBuildspaces(t.Context(), change)
	if err != nil || !slices.Equal(names, want) {
		t.Errorf("%v: %+v is about %q, want %q", err, change, names, want)
	}
}

// Thousands of builds are not listed one by one.
func TestALargeChangeIsBounded(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	var plan []string
	for i := range 400 {
		plan = append(plan, "p"+strconv.Itoa(i))
	}
	db.Iterate(t, db.NewBuildspace(t, "many"), storetest.Plan(plan...))
	sub := db.Watch()
	defer sub.Cancel()
	if _, err := db.CancelBuilds(t.Context(), "anna", "many"); err != nil {
		t.Fatal(err)
	}
	if change, ok := sub.Take(); !ok || !change.Everything || len(change.Builds)+len(change.Buildspaces) > 0 {
		t.Errorf("400 builds end: %+v", change)
	}
	if s := db.Statuses(t, "many")["p7"]; s != buildbtw.StatusSkipped {
		t.Errorf("p7 is %s", s)
	}
}
