package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/pacman/alpm"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// builtWith has lib built in an iteration of its own, with what was installed for it.
func builtWith(t *testing.T, db *storetest.DB, b store.BuildspaceRow, commit, version string) (store.IterationRow, *store.Claimed) {
	t.Helper()
	plan := storetest.Plan("lib")
	plan.Architectures["x86_64"].Builds[0].Commit = strings.Repeat(commit, 40)
	it := db.Iterate(t, b, plan)
	c := db.Claim(t, "w1")
	if c == nil {
		t.Fatal("nothing is to be built")
	}
	must(t, db.NoteInstalled(t.Context(), c.Attempt.Lease, []alpm.Installed{{Name: "gcc", Version: version}, {Name: "make", Version: "4-1"}}))
	db.Finish(t, c)
	return it, c
}

func installedOf(t *testing.T, db *storetest.DB, c *store.Claimed) int64 {
	t.Helper()
	attempts, err := db.Attempts(t.Context(), c.Build.ID)
	if err != nil || len(attempts) == 0 {
		t.Fatal(attempts, err)
	}
	return attempts[0].InstalledID
}

// TestWhatWasInstalledIsForgottenOfOldBuildsWithoutPackages keeps it of builds with packages, of
// the last success, of pinned iterations, and of young ones.
func TestWhatWasInstalledIsForgottenOfOldBuildsWithoutPackages(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	ctx := t.Context()
	const age = 10 * 24 * time.Hour
	b := db.NewBuildspace(t, "space")
	old, oldBuild := builtWith(t, db, b, "a", "1-1")
	pinned, pinnedBuild := builtWith(t, db, b, "b", "2-1")
	_, withPackages := builtWith(t, db, b, "c", "3-1")
	_, last := builtWith(t, db, b, "d", "4-1")
	builtWith(t, db, db.NewBuildspace(t, "other"), "e", "5-1")
	must(t, db.RemoveIteration(ctx, "alice", "space", old.Number, store.RemovePackages))
	must(t, db.RemoveIteration(ctx, "alice", "space", pinned.Number, store.RemovePackages))
	must(t, db.Pin(ctx, "alice", "space", pinned.Number, true))
	wantForgotten := func(want ...int64) {
		t.Helper()
		ids, err := db.Forgettable(ctx, age, db.Clock.Now())
		if err != nil || fmt.Sprint(ids) != fmt.Sprint(want) {
			t.Errorf("forgettable: %v, %v; want %v", ids, err, want)
		}
	}
	wantForgotten()
	db.Clock.Advance(age + time.Hour)
	wantForgotten(oldBuild.Attempt.ID)
	policy := store.DefaultRetention()
	policy.Installed = age
	if due, err := db.DueShared(ctx, policy, db.Clock.Now()); err != nil || due != (store.DueShared{Installed: 1}) {
		t.Errorf("due: %+v, %v", due, err)
	}
	must(t, db.ForgetInstalled(ctx, []int64{oldBuild.Attempt.ID}))
	wantForgotten()
	if installedOf(t, db, oldBuild) != 0 || installedOf(t, db, pinnedBuild) == 0 || installedOf(t, db, withPackages) == 0 || installedOf(t, db, last) == 0 {
		t.Error("it is known of the wrong builds")
	}

	// Its set goes, and the package that only it had.
	unused, err := db.Unused(ctx)
	if err != nil || len(unused.Sets) != 1 {
		t.Fatalf("unused: %+v, %v", unused, err)
	}
	packages, _, err := db.UnusedInstalled(ctx)
	if err != nil || len(packages) != 0 {
		t.Fatalf("packages that no set has, before the set is gone: %v, %v", packages, err)
	}
	must(t, db.RemoveUnused(ctx, unused))
	packages, newest, err := db.UnusedInstalled(ctx)
	if err != nil || len(packages) != 1 {
		t.Fatalf("packages that no set has: %v, %v", packages, err)
	}
	_, again := builtWith(t, db, b, "f", "1-1") // the same package is installed again meanwhile
	must(t, db.RemoveUnusedInstalled(ctx, packages, newest))
	list, err := db.InstalledOf(ctx, installedOf(t, db, again))
	if err != nil || len(list) != 2 || list[0].Version != "1-1" {
		t.Errorf("what was installed meanwhile: %v, %v", list, err)
	}
	db.Check(t)
}

// TestASetThatIsInUseAgainStays notes a set again between the look and the removal.
func TestASetThatIsInUseAgainStays(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	ctx := t.Context()
	b := db.NewBuildspace(t, "space")
	_, first := builtWith(t, db, b, "a", "1-1")
	must(t, db.ForgetInstalled(ctx, []int64{first.Attempt.ID}))
	unused, err := db.Unused(ctx)
	if err != nil || len(unused.Sets) != 1 {
		t.Fatalf("unused: %+v, %v", unused, err)
	}
	_, second := builtWith(t, db, b, "b", "1-1")
	must(t, db.RemoveUnused(ctx, unused))
	if list, err := db.InstalledOf(ctx, installedOf(t, db, second)); err != nil || len(list) != 2 {
		t.Errorf("the set of a new build: %v, %v", list, err)
	}
}

// TestInterfacesGoWithTheLastBuildThatHasTheFile keeps those of files that a build has.
func TestInterfacesGoWithTheLastBuildThatHasTheFile(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	ctx := t.Context()
	_, c := builtWith(t, db, db.NewBuildspace(t, "space"), "a", "1-1")
	packages, err := db.BuildPackages(ctx, c.Build.ID)
	if err != nil || len(packages) != 1 {
		t.Fatal(packages, err)
	}
	nobodys := strings.Repeat("0", 64)
	must(t, db.SaveInterfaces(ctx, map[string]alpm.Interface{packages[0].SHA256: {}, nobodys: {}}))
	unused, err := db.Unused(ctx)
	if err != nil || len(unused.Interfaces) != 1 || unused.Interfaces[0] != nobodys {
		t.Fatalf("unused: %+v, %v", unused, err)
	}
	must(t, db.RemoveUnused(ctx, store.Unused{Interfaces: []string{nobodys, packages[0].SHA256}}))
	if known, err := db.InterfacesOfFiles(ctx, []string{nobodys, packages[0].SHA256}); err != nil || len(known) != 1 {
		t.Errorf("known: %v, %v", known, err)
	}
}

// TestBuildsOnTheBaseGoWhenNothingIsComparedWithThem removes one whose failed build has no
// packages kept beside it any more, and leaves one that a kept iteration is compared with.
func TestBuildsOnTheBaseGoWhenNothingIsComparedWithThem(t *testing.T) {
	t.Parallel()
	db := storetest.NewWith(t, func(o *store.Options) { o.CanCompare, o.Compare = true, true })
	ctx := t.Context()
	const age = 10 * 24 * time.Hour
	b := db.NewBuildspace(t, "space")
	db.Iterate(t, b, storetest.Plan("lib"))
	for range 2 {
		db.End(t, db.Claim(t, "w1"), buildbtw.OutcomeFailed)
		db.Clock.Advance(time.Minute)
	}
	wanted, err := db.BaselinesWanted(ctx)
	if err != nil || len(wanted) != 1 {
		t.Fatal(wanted, err)
	}
	must(t, db.StartBaseline(ctx, store.Baseline{Failed: wanted[0].ID, Commit: wanted[0].Commit, Version: wanted[0].Version, Key: "key"}))
	c := db.Claim(t, "w1")
	if c == nil || c.Build.BaselineID == 0 {
		t.Fatalf("got %+v, want the build on the base", c)
	}
	db.End(t, c, buildbtw.OutcomeFailed)
	remove := func() int {
		t.Helper()
		if left, err := db.RemoveBaselines(ctx, age, 100); left || err != nil {
			t.Fatal(left, err)
		}
		db.Check(t)
		list, err := db.DeletedIterations(ctx)
		must(t, err)
		return len(list)
	}
	if n := remove(); n != 0 {
		t.Fatalf("%d removed at once", n)
	}
	db.Clock.Advance(age + time.Hour)
	if n := remove(); n != 0 {
		t.Errorf("%d removed that a kept build is compared with", n)
	}
	db.Iterate(t, b, storetest.Plan("other"))
	must(t, db.RemoveIteration(ctx, "alice", "space", 1, store.RemovePackages))
	policy := store.DefaultRetention()
	policy.Baselines = age
	if due, err := db.DueShared(ctx, policy, db.Clock.Now()); err != nil || due.Baselines != 1 {
		t.Errorf("due: %+v, %v", due, err)
	}
	if n := remove(); n != 1 {
		t.Fatalf("%d removed, want 1", n)
	}
	for left := true; left; {
		list, err := db.DeletedIterations(ctx)
		must(t, err)
		if len(list) == 0 {
			break
		}
		left, err = db.RemoveSome(ctx, list[0], 250)
		must(t, err)
	}
	if _, err := db.Build(ctx, c.Build.ID); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("its rows are still there: %v", err)
	}
	if n, err := db.CountShared(ctx); err != nil || n.Baselines != 0 {
		t.Errorf("counted %+v, %v", n, err)
	}
	if row, err := db.Build(ctx, wanted[0].ID); err != nil || row.Verdict != buildbtw.VerdictBroken {
		t.Errorf("the verdict is %+v, %v", row.Verdict, err)
	}
	db.Check(t)
}
