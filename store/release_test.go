package store_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// releasing gives a store with a target and an iteration, and the release that they make.
func releasing(t *testing.T) (db *storetest.DB, target store.TargetRow, r buildbtw.Release) {
	t.Helper()
	db = storetest.New(t)
	it := db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("lib"))
	targets, err := db.SetTargets(t.Context(), []buildbtw.Target{{Name: "stable", Kind: buildbtw.TargetServed}, {Name: "testing", Kind: buildbtw.TargetServed, After: "stable"}})
	if err != nil || len(targets) != 2 {
		t.Fatal(targets, err)
	}
	return db, targets[0], buildbtw.Release{IterationID: it.ID, TargetID: targets[0].ID, Digest: "one", Units: 1, Packages: 2}
}

func create(t *testing.T, db *storetest.DB, r buildbtw.Release, confirmed bool) store.ReleaseRow {
	t.Helper()
	units := []buildbtw.ReleaseUnit{{Pkgbase: "lib", Goes: true, Version: "2-1", Pkgnames: buildbtw.Names{"lib", "lib-docs"}}, {Pkgbase: "app", Reason: "its build failed"}}
	row, err := db.CreateRelease(t.Context(), "alice", r, units, confirmed)
	if err != nil {
		t.Fatal(err)
	}
	return row
}

func TestAReleaseIsHandedOverOnlyAsConfirmed(t *testing.T) {
	t.Parallel()
	db, target, r := releasing(t)
	row := create(t, db, r, false)
	if row.State != buildbtw.ReleaseChecked || row.Target != "stable" || row.Buildspace != "space" || row.Iteration != 1 || row.Owner != "alice" {
		t.Fatalf("created as %+v", row)
	}
	units, err := db.ReleaseUnits(t.Context(), row.ID)
	want := []buildbtw.ReleaseUnit{
		{ReleaseID: row.ID, Pkgbase: "app", Pkgnames: buildbtw.Names{}, Reason: "its build failed"},
		{ReleaseID: row.ID, Pkgbase: "lib", Goes: true, Version: "2-1", Pkgnames: buildbtw.Names{"lib", "lib-docs"}},
	}
	if d := cmp.Diff(want, units); d != "" || err != nil {
		t.Errorf("units (-want +got, %v):\n%s", err, d)
	}
	if _, err := db.BeginGeneration(t.Context(), buildbtw.Generation{TargetID: target.ID, ReleaseID: row.ID}); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("a generation of what nobody confirmed: %v", err)
	}
	if _, err := db.ConfirmRelease(t.Context(), "bob", row.ID, "another"); buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(err.Error(), "another one") {
		t.Errorf("another set was confirmed: %v", err)
	}
	row, err = db.ConfirmRelease(t.Context(), "bob", row.ID, "one")
	if err != nil || row.State != buildbtw.ReleaseHandingOver || row.ConfirmedBy != "bob" || row.ConfirmedAt == nil {
		t.Fatal(row, err)
	}
	if _, err := db.CreateRelease(t.Context(), "alice", r, nil, true); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("the same was created twice: %v", err)
	}
	row.Digest, row.Message = "two", "app can go, too"
	if err := db.RecheckRelease(t.Context(), row.Release, units[:1]); err != nil {
		t.Fatal(err)
	}
	again, err := db.Release(t.Context(), row.ID)
	if err != nil || again.State != buildbtw.ReleaseChecked || again.Digest != "two" || again.ConfirmedBy != "" || again.Message != "app can go, too" {
		t.Errorf("%+v, %v", again, err)
	}
	if err := db.RecheckRelease(t.Context(), row.Release, nil); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("rechecked while it waits: %v", err)
	}
}

func TestGenerationsFollowEachOther(t *testing.T) {
	t.Parallel()
	db, target, r := releasing(t)
	row := create(t, db, r, true)
	g := buildbtw.Generation{TargetID: target.ID, ReleaseID: row.ID, CreatedBy: "alice"}
	first, err := db.BeginGeneration(t.Context(), g)
	if err != nil || first.Number != 1 || first.State != buildbtw.GenerationWriting {
		t.Fatal(first, err)
	}
	if again, err := db.BeginGeneration(t.Context(), g); err != nil || again.ID != first.ID {
		t.Errorf("begun twice: %+v, %v", again, err)
	}
	if _, err := db.BeginGeneration(t.Context(), buildbtw.Generation{TargetID: target.ID}); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("two at a time: %v", err)
	}
	first.Digest, first.Packages = "files", 2
	for range 2 {
		if err := db.CompleteGeneration(t.Context(), first); err != nil {
			t.Fatal(err)
		}
	}
	row, err = db.Release(t.Context(), row.ID)
	if err != nil || row.State != buildbtw.ReleaseReleased || row.FinishedAt == nil {
		t.Errorf("%+v, %v", row, err)
	}
	if err := db.EndRelease(t.Context(), "alice", row.ID, buildbtw.ReleaseWithdrawn, ""); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("withdrawn without a generation: %v", err)
	}
	undo, err := db.BeginGeneration(t.Context(), buildbtw.Generation{TargetID: target.ID, Undoes: row.ID, CreatedBy: "bob"})
	if err != nil || undo.Number != 2 {
		t.Fatal(undo, err)
	}
	if err := db.CompleteGeneration(t.Context(), undo); err != nil {
		t.Fatal(err)
	}
	shown, err := db.Target(t.Context(), "stable")
	if err != nil || shown.Generation != 2 || shown.Since == nil {
		t.Errorf("%+v, %v", shown, err)
	}
	if err := db.DropGeneration(t.Context(), undo.ID); err != nil {
		t.Fatal(err)
	}
	if err := db.DropGeneration(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	all, err := db.Generations(t.Context(), target.ID, 10)
	if err != nil || len(all) != 2 || all[0].State != buildbtw.GenerationComplete || all[1].State != buildbtw.GenerationGone {
		t.Errorf("%+v, %v", all, err)
	}
	events, err := db.Events(t.Context(), store.EventFilter{Buildspace: "space", Newest: true, Limit: 3})
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, e := range events {
		words = append(words, e.Actor+": "+e.Message)
	}
	want := []string{"bob: Release 1 to stable: withdrawn.", "alice: Release 1: released 2 packages to stable.", "alice: Release 1 to stable: confirmed."}
	if d := cmp.Diff(want, words); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
}

func TestAFailedReleaseChangesNothing(t *testing.T) {
	t.Parallel()
	db, target, r := releasing(t)
	row := create(t, db, r, true)
	if err := db.EndRelease(t.Context(), buildbtw.System, row.ID, buildbtw.ReleaseFailed, "the disk is full"); err != nil {
		t.Fatal(err)
	}
	row, err := db.Release(t.Context(), row.ID)
	if err != nil || row.State != buildbtw.ReleaseFailed || row.Message != "the disk is full" {
		t.Errorf("%+v, %v", row, err)
	}
	if shown, err := db.Target(t.Context(), "stable"); err != nil || shown.Generation != 0 {
		t.Errorf("%+v, %v", shown, err)
	}
	if waiting, err := db.HandingOver(t.Context()); err != nil || len(waiting) != 0 {
		t.Errorf("%v, %v", waiting, err)
	}
	left := create(t, db, r, false)
	next := create(t, db, r, false)
	list, err := db.Releases(t.Context(), store.ReleaseFilter{Target: target.ID})
	if err != nil || len(list) != 3 || list[0].ID != next.ID || list[1].State != buildbtw.ReleaseWithdrawn || list[1].ID != left.ID {
		t.Errorf("%+v, %v", list, err)
	}
	if err := db.EndRelease(t.Context(), "alice", next.ID, buildbtw.ReleaseWithdrawn, "Given up."); err != nil {
		t.Error(err)
	}
}

func TestTargetsOfBeforeAreKept(t *testing.T) {
	t.Parallel()
	db, target, _ := releasing(t)
	rows, err := db.SetTargets(t.Context(), []buildbtw.Target{{Name: "stable", Kind: buildbtw.TargetDirectory, Path: "/srv"}})
	if err != nil || len(rows) != 1 || rows[0].ID != target.ID || rows[0].Path != "/srv" {
		t.Errorf("%+v, %v", rows, err)
	}
	for _, name := range []string{"", "testing", "none"} {
		if _, err := db.Target(t.Context(), name); err == nil {
			t.Errorf("there is a target %q", name)
		}
	}
	if g, ok, err := db.WritingGeneration(t.Context(), target.ID); ok || err != nil {
		t.Errorf("%+v is being written (%v)", g, err)
	}
	if _, err := db.Generation(t.Context(), target.ID, 1); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("a generation that is not there: %v", err)
	}
}

// TestOneReleaseOfATargetWaitsForTheRepository: guards of the states, and what is kept of it.
func TestOneReleaseOfATargetWaitsForTheRepository(t *testing.T) {
	t.Parallel()
	db, target, r := releasing(t)
	files := []buildbtw.ReleaseFile{{Name: "lib-2-1-any.pkg.tar.zst", Pkgbase: "lib", Pkgname: "lib", Version: "2-1", Architecture: "any", Repository: "extra", SHA256: strings.Repeat("0", 64), Size: 7, BuildID: 3}}
	checked := create(t, db, r, false)
	if err := db.WaitForRepository(t.Context(), checked.ID, files); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("what nobody confirmed waits: %v", err)
	}
	row := create(t, db, r, true)
	if err := db.WaitForRepository(t.Context(), row.ID, files); err != nil {
		t.Fatal(err)
	}
	got, err := db.ReleaseFiles(t.Context(), row.ID)
	files[0].ReleaseID = row.ID
	if d := cmp.Diff(files, got); d != "" || err != nil {
		t.Errorf("files (-want +got, %v):\n%s", err, d)
	}
	if _, err := db.CreateRelease(t.Context(), "bob", r, nil, true); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("the same iteration twice: %v", err)
	}
	it := db.Iterate(t, db.NewBuildspace(t, "other"), storetest.Plan("app"))
	other := r
	other.IterationID = it.ID
	next := create(t, db, other, true)
	if err := db.WaitForRepository(t.Context(), next.ID, nil); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("two wait for one target: %v", err)
	}
	waiting, err := db.WaitingReleases(t.Context(), target.ID)
	if err != nil || len(waiting) != 1 || waiting[0].ID != row.ID {
		t.Errorf("%+v, %v", waiting, err)
	}
	if err := db.EndRelease(t.Context(), buildbtw.System, row.ID, buildbtw.ReleaseReleased, ""); err != nil {
		t.Error(err)
	}
	if err := db.EndRelease(t.Context(), buildbtw.System, row.ID, buildbtw.ReleaseWithdrawn, ""); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("a released one is given up: %v", err)
	}
	if err := db.WaitForRepository(t.Context(), next.ID, nil); err != nil {
		t.Errorf("the next one: %v", err)
	}
}
