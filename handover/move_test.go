package handover_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/handover"
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
	return f.settle(handover.Wish{Buildspace: "work", Target: "testing", Digest: set.Digest})
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
	tested, testingBytes := f.has("testing")
	if !maps.Equal(tested, map[string]string{"lib": "1-1"}) {
		t.Fatalf("testing has %v", tested)
	}
	_, stableBytes := f.has("stable")

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
	row, err = f.Withdraw(t.Context(), "bob", row.ID, false)
	f.must(err)
	if _, now := f.has("testing"); row.State != buildbtw.ReleaseWithdrawn || now != testingBytes {
		t.Error("testing did not get back what it had")
	}
	if _, now := f.has("stable"); now != stableBytes {
		t.Error("stable is not what it was")
	}

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

// TestAMoveIsNoTurnOfABuildspace: it belongs to none, and those who are told of others still are.
func TestAMoveIsNoTurnOfABuildspace(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "NAME outsider VERSION 1-1")
	f.restart(twoTargets()...)
	f.test()
	f.beginMove()
	f.must(f.Advance(t.Context()))
	_, err := f.Store.FindTurns(t.Context(), time.Hour)
	f.must(err)
	turns, err := f.Store.UntoldTurns(t.Context(), time.Now().Add(1000*time.Hour))
	f.must(err)
	released := 0
	for _, turn := range turns {
		if turn.Kind == buildbtw.TurnReleased && turn.Buildspace == "work" {
			released++
		}
	}
	if released != 1 {
		t.Errorf("the release to testing is one turn: %+v", turns)
	}
}
