package handover_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/handover"
	"buildbtw/scheduler/schedulertest"
	"buildbtw/store"
)

// twoTargets are stable and, before it, testing.
func twoTargets() []buildbtw.Target {
	return []buildbtw.Target{{Name: "stable", Kind: buildbtw.TargetServed}, {Name: "testing", Kind: buildbtw.TargetServed, After: "stable"}}
}

// has returns the versions that a target shows by pkgname, and the bytes of its database.
func (f *fixture) has(target string) (versions map[string]string, bytes string) {
	f.t.Helper()
	path := filepath.Join(f.dir, "targets", target, "current", "os", "x86_64", target+".db.tar.zst")
	versions = map[string]string{}
	for name, d := range readDatabase(f.t, path) {
		versions[name] = d.one("VERSION")
	}
	text, err := os.ReadFile(path)
	f.must(err)
	return versions, string(text)
}

// test releases all that can go from an iteration to testing.
func (f *fixture) test() store.ReleaseRow {
	f.t.Helper()
	set, err := f.Catalog.Release(f.t.Context(), "work", 0, "testing")
	f.must(err)
	before := f.state()
	row := f.settle(handover.Wish{Buildspace: "work", Target: "testing", Digest: set.Digest})
	f.checkAfter(row, before)
	return row
}

// beginMove creates the release of all that can go from testing to stable.
func (f *fixture) beginMove() store.ReleaseRow {
	f.t.Helper()
	set, err := f.Catalog.ReleaseFrom(f.t.Context(), "testing", "stable")
	f.must(err)
	row, err := f.Create(f.t.Context(), "alice", handover.Wish{From: "testing", Target: "stable", Digest: set.Digest, Shown: handover.Lines(set)})
	f.must(err)
	return row
}

func (f *fixture) settle(w handover.Wish) store.ReleaseRow {
	f.t.Helper()
	row, err := f.Create(f.t.Context(), "alice", w)
	f.must(err)
	f.must(f.Advance(f.t.Context()))
	row = f.row(row.ID)
	if row.State != buildbtw.ReleaseReleased {
		f.t.Fatalf("release %d is %s: %s", row.ID, row.State, row.Message)
	}
	return row
}

func TestATargetGivesWhatIsSafeToTheOneBehindIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "NAME outsider VERSION 1-1 DEPENDS app=0.9-1")
	f.restart(twoTargets()...)
	_, err := f.Store.AddWaivers(t.Context(), "alice", "work", []buildbtw.Waiver{{Kind: buildbtw.WaiverHold, Name: "app", Reason: "not yet"}})
	f.must(err)
	f.must(f.Advance(t.Context()))
	if _, err := f.Catalog.ReleaseFrom(t.Context(), "stable", "stable"); buildbtw.KindOf(err) != buildbtw.KindInvalid {
		t.Errorf("from stable to itself: %v", err)
	}
	f.test()
	held, err := f.Store.Waivers(t.Context(), "work")
	f.must(err)
	f.must(f.Store.RemoveWaiver(t.Context(), "alice", "work", held[0].ID))
	tested, _ := f.has("testing")
	if !maps.Equal(tested, map[string]string{"lib": "1-1"}) {
		t.Fatalf("testing has %v", tested)
	}

	row := f.beginMove()
	if row.FromTarget != "testing" || row.Buildspace != "" || row.Source() != "testing" || row.Units != 1 {
		t.Errorf("created as %+v", row)
	}
	before := f.state()
	f.must(f.Advance(t.Context()))
	if row = f.row(row.ID); row.State != buildbtw.ReleaseReleased {
		t.Fatalf("%+v", row)
	}
	f.checkAfter(row, before)
	if tested, _ := f.has("testing"); len(tested) != 0 {
		t.Errorf("testing still has %v", tested)
	}
	if _, err := f.Create(t.Context(), "alice", handover.Wish{From: "testing", Target: "stable"}); buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(err.Error(), "nothing of testing") {
		t.Errorf("nothing is left: %v", err)
	}
	f.withdraw(row.ID, before)

	// It goes again, and comes back although testing has changed meanwhile.
	row = f.beginMove()
	f.must(f.Advance(t.Context()))
	_, err = f.Store.AddWaivers(t.Context(), "alice", "work", []buildbtw.Waiver{{Kind: buildbtw.WaiverBreak, Name: "outsider", Reason: "it is old"}})
	f.must(err)
	f.test()
	if tested, _ := f.has("testing"); !maps.Equal(tested, map[string]string{"app": "1-1"}) {
		t.Fatalf("testing has %v", tested)
	}
	_, err = f.Withdraw(t.Context(), "bob", row.ID, false)
	f.must(err)
	f.must(f.Advance(t.Context()))
	if tested, _ := f.has("testing"); !maps.Equal(tested, map[string]string{"app": "1-1", "lib": "1-1"}) {
		t.Errorf("testing has %v", tested)
	}

	// What breaks a package of the base goes because of the word that was given for it there.
	set, err := f.Catalog.ReleaseFrom(t.Context(), "testing", "stable")
	f.must(err)
	if !slices.Equal(set.Goes, []string{"app", "lib"}) || len(set.Waivers) != 1 || set.IDs["app"] == 0 {
		t.Errorf("with the waiver %v can go, and %+v is held", set.Goes, set.Held)
	}
	f.must(f.Store.RemoveWaiver(t.Context(), "alice", "work", set.Waivers[0].ID))
	set, err = f.Catalog.ReleaseFrom(t.Context(), "testing", "stable")
	f.must(err)
	if !slices.Equal(set.Goes, []string{"lib"}) || len(set.Held) != 1 || !strings.Contains(set.Held[0].Reason(), "outsider 1-1 in the repositories needs app=0.9-1") {
		t.Errorf("without it %v can go, and %+v is held", set.Goes, set.Held)
	}
}

func TestAnotherSetThanTheConfirmedOneDoesNotMove(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.restart(twoTargets()...)
	f.must(f.Advance(t.Context()))
	f.test()
	row := f.beginMove()
	f.writeBase("NAME lib VERSION 0.9-1", "NAME app VERSION 0.9-1 DEPENDS lib", "NAME outsider VERSION 1-1 DEPENDS app=0.9-1")
	f.must(f.Advance(t.Context()))
	row = f.row(row.ID)
	if row.State != buildbtw.ReleaseChecked || row.Units != 1 || !strings.Contains(row.Message, "app is held: outsider 1-1") {
		t.Fatalf("the base moved: %+v", row)
	}
	if stable, _ := f.has("stable"); len(stable) != 0 {
		t.Errorf("stable has %v", stable)
	}
}

// TestACrashWhilePackagesMoveIsRolledForward ends the program before each change of the disk
// while packages move to stable, and while they come back.
func TestACrashWhilePackagesMoveIsRolledForward(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.restart(twoTargets()...)
	f.must(f.Advance(t.Context()))
	f.test()
	all := map[string]string{"app": "1-1", "lib": "1-1"}
	where := func() (stable, testing int) {
		s, _ := f.has("stable")
		u, _ := f.has("testing")
		for name, version := range all {
			if s[name] != version && u[name] != version {
				t.Fatalf("nobody has %s any more: stable %v, testing %v", name, s, u)
			}
		}
		return len(s), len(u)
	}
	for steps := 1; ; steps += 2 {
		row := f.beginMove()
		crashed := false
		for _, what := range []string{"release", "withdraw"} {
			left := steps
			f.step = func(string, string) error {
				if left--; left == 0 {
					panic("crash")
				}
				return nil
			}
			crashed = f.run(what, row.ID) || crashed
			f.step = nil
			where()
			f.restart(twoTargets()...)
			f.must(f.Advance(t.Context()))
			f.must(f.Advance(t.Context()))
			want, wantThere := 2, 0
			if what == "withdraw" {
				want, wantThere = 0, 2
				if f.row(row.ID).State == buildbtw.ReleaseReleased { // the crash came before anything was noted
					_, err := f.Withdraw(t.Context(), "bob", row.ID, false)
					f.must(err)
				}
			}
			if s, u := where(); s != want || u != wantThere {
				t.Fatalf("%s, after a crash at step %d: stable has %d packages, testing %d; %+v", what, steps, s, u, f.row(row.ID))
			}
		}
		if !crashed {
			return
		}
	}
}

// TestUsersOfTestingCountForStable: they have its packages before those of stable, so that another
// version is hidden from them, and what theirs need must stay.
func TestUsersOfTestingCountForStable(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.restart(twoTargets()...)
	f.must(f.Advance(t.Context()))
	f.Push(t, "app", schedulertest.Srcinfo("app", "2", "lib<2"))
	f.iterate("lib", "1.1")
	_, err := f.Store.AddWaivers(t.Context(), "alice", "work", []buildbtw.Waiver{{Kind: buildbtw.WaiverHold, Name: "lib", Reason: "not yet"}})
	f.must(err)
	f.test()
	if tested, _ := f.has("testing"); !maps.Equal(tested, map[string]string{"app": "2-1"}) {
		t.Fatalf("testing has %v", tested)
	}
	waivers, err := f.Store.Waivers(t.Context(), "work")
	f.must(err)
	f.must(f.Store.RemoveWaiver(t.Context(), "alice", "work", waivers[0].ID))
	set, err := f.Catalog.Release(t.Context(), "work", 0, "stable")
	f.must(err)
	if !slices.Equal(set.Goes, []string{"app", "lib"}) {
		t.Errorf("what testing has in the same version goes, too: %v go, and %+v is held", set.Goes, set.Held)
	}
	f.iterate("lib", "2")
	set, err = f.Catalog.Release(t.Context(), "work", 0, "stable")
	f.must(err)
	reasons := map[string]string{}
	for _, h := range set.Held {
		reasons[h.Pkgbase] = h.Reason()
	}
	if want := map[string]string{
		"app": "app 2-2 would be hidden: testing has 2-1, and comes first (testing, x86_64)",
		"lib": "app 2-1 of testing needs lib<2, which would be gone; release what replaces it to testing first",
	}; len(set.Goes) != 0 || !maps.Equal(reasons, want) {
		t.Errorf("%v go; %v", set.Goes, reasons)
	}
	if _, err := f.Create(t.Context(), "alice", handover.Wish{Buildspace: "work", Target: "stable"}); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("released all the same: %v", err)
	}
	f.restart(twoTargets()[:1]...) // without testing lib breaks nobody
	f.must(f.Advance(t.Context()))
	set, err = f.Catalog.Release(t.Context(), "work", 0, "stable")
	f.must(err)
	if !slices.Equal(set.Goes, []string{"lib"}) {
		t.Errorf("for users of stable alone: %v go, and %+v is held", set.Goes, set.Held)
	}
}

// TestPackagesMoveToADirectory has a target elsewhere take them.
func TestPackagesMoveToADirectory(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	targets := twoTargets()
	targets[0].Kind, targets[0].Path = buildbtw.TargetDirectory, t.TempDir()
	f.restart(targets...)
	f.must(f.Advance(t.Context()))
	f.test()
	there := func() map[string]string {
		t.Helper()
		versions := map[string]string{}
		for name, d := range readDatabase(t, filepath.Join(targets[0].Path, "os", "x86_64", "stable.db.tar.zst")) {
			_, err := os.Stat(filepath.Join(targets[0].Path, "os", "x86_64", d.one("FILENAME")))
			f.must(err)
			versions[name] = d.one("VERSION")
		}
		return versions
	}
	all := map[string]string{"app": "1-1", "lib": "1-1"}
	row := f.beginMove()
	before := f.state()
	f.must(f.Advance(t.Context()))
	f.checkAfter(row, before)
	if tested, _ := f.has("testing"); len(tested) != 0 || !maps.Equal(there(), all) {
		t.Errorf("moved: testing has %v, the directory %v", tested, there())
	}
	f.withdraw(row.ID, before)
	if tested, _ := f.has("testing"); !maps.Equal(tested, all) || len(there()) != 0 {
		t.Errorf("withdrawn: testing has %v, the directory %v", tested, there())
	}
}
