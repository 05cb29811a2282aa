package handover_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/handover"
	"buildbtw/store"
)

func TestReleasesFollowEachOtherAndAreWithdrawn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.must(f.Advance(t.Context()))
	empty := f.state()
	if len(empty.target) != 0 || empty.bytes == "" {
		t.Fatalf("a new target has %v, or no database", empty.target)
	}
	first := f.release()
	one := f.state()
	f.iterate("lib", "2")
	second := f.release()
	two := f.state()
	if first.Units != 2 || first.Packages != 2 || two.target["lib"].one("VERSION") != "2-1" || two.bytes == one.bytes {
		t.Errorf("released %+v, then %v", first, two.target)
	}
	if _, err := f.Withdraw(t.Context(), "bob", first.ID, false); buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(err.Error(), fmt.Sprintf("release %d came", second.ID)) {
		t.Errorf("what came later is still there: %v", err)
	}
	for _, c := range []struct {
		id   int64
		want state
	}{{second.ID, one}, {first.ID, empty}} {
		f.withdraw(c.id, c.want)
		if _, err := f.Withdraw(t.Context(), "bob", c.id, false); buildbtw.KindOf(err) != buildbtw.KindConflict {
			t.Errorf("withdrawn twice: %v", err)
		}
	}
	if again := f.release(); again.Units != 2 {
		t.Errorf("released again: %+v", again)
	}
}

func TestWhatIsReleasedAlreadyIsNoObstacle(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "NAME outsider VERSION 1-1 DEPENDS app=0.9-1")
	row := f.release()
	if row.Units != 1 {
		t.Fatalf("lib alone can go: %+v", row)
	}
	units, err := f.Store.ReleaseUnits(t.Context(), row.ID)
	f.must(err)
	if units[0].Pkgbase != "app" || units[0].Goes || !strings.Contains(units[0].Reason, "outsider 1-1 in the repositories needs app=0.9-1") {
		t.Errorf("app is held for %+v", units[0])
	}
	f.writeBase("NAME lib VERSION 0.9-1", "NAME app VERSION 0.9-1 DEPENDS lib", "NAME outsider VERSION 1-2 DEPENDS app")
	f.restart()
	set, err := f.Catalog.Release(t.Context(), "work", 0, "stable")
	f.must(err)
	if !slices.Equal(set.Goes, []string{"app"}) || !slices.Equal(set.Present, []string{"lib"}) {
		t.Errorf("then %v can go, and %v is there", set.Goes, set.Present)
	}
	f.release()
	if _, err := f.Create(t.Context(), "alice", handover.Wish{Buildspace: "work"}); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("nothing is left: %v", err)
	}
}

func TestAnotherSetThanTheConfirmedOneIsNeverHandedOver(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	row := f.begin()
	before := f.state()
	f.writeBase("NAME lib VERSION 0.9-1", "NAME app VERSION 0.9-1 DEPENDS lib", "NAME outsider VERSION 1-1 DEPENDS app=0.9-1")
	f.must(f.Advance(t.Context()))
	row = f.row(row.ID)
	if row.State != buildbtw.ReleaseChecked || row.Units != 1 || !strings.Contains(row.Message, "app is held: outsider 1-1") {
		t.Fatalf("the base moved: %+v", row)
	}
	if now := f.state(); len(now.target) != len(before.target) {
		t.Errorf("the target has %v", now.target)
	}
	if _, err := f.Confirm(t.Context(), "alice", row.ID, "of before"); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("the old set was confirmed: %v", err)
	}
	_, err := f.Confirm(t.Context(), "alice", row.ID, row.Digest)
	f.must(err)
	f.must(f.Advance(t.Context()))
	if row = f.row(row.ID); row.State != buildbtw.ReleaseReleased {
		t.Errorf("confirmed again: %+v", row)
	}
	_, err = f.Create(t.Context(), "alice", handover.Wish{Buildspace: "work", Digest: "of before", Shown: []string{"app 1-1", "lib 1-1", "gone 1-1"}})
	for _, words := range []string{"app is held", "lib has been released already", "gone 1-1 cannot go any more"} {
		if buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(err.Error(), words) {
			t.Errorf("the difference is told as %v, without %q", err, words)
		}
	}
}

func TestTwoReleasesAtOnceGoOneAfterTheOther(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Push(t, "alone", "pkgbase = alone\n\tpkgver = 1\n\tpkgrel = 1\n\tarch = x86_64\n\npkgname = alone\n")
	f.SpaceWith(t, "other", func(s *buildbtw.Settings) { s.Scope = buildbtw.ScopeAll }, "alone", "lib")
	f.Settle(t)
	f.work()
	var rows []store.ReleaseRow
	for _, name := range []string{"work", "other"} {
		set, err := f.Catalog.Release(t.Context(), name, 0, "")
		f.must(err)
		row, err := f.Create(t.Context(), "alice", handover.Wish{Buildspace: name, Digest: set.Digest})
		f.must(err)
		rows = append(rows, row)
		if _, err := f.Create(t.Context(), "alice", handover.Wish{Buildspace: name, Digest: set.Digest}); buildbtw.KindOf(err) != buildbtw.KindConflict {
			t.Errorf("pressed twice: %v", err)
		}
	}
	ended := make(chan error, 2)
	for range 2 {
		go func() { ended <- f.Advance(t.Context()) }()
	}
	f.must(<-ended)
	f.must(<-ended)
	first, second := f.row(rows[0].ID), f.row(rows[1].ID)
	if first.State != buildbtw.ReleaseReleased || second.State != buildbtw.ReleaseChecked || second.Units != 1 || !strings.Contains(second.Message, "lib has been released already") {
		t.Errorf("first %+v\nsecond %+v", first, second)
	}
	if now := f.state(); now.target["alone"] != nil || len(now.target) != 2 {
		t.Errorf("the target has %v", now.target)
	}
}

func TestAFullDiskFailsTheReleaseAndShowsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.release()
	before := f.state()
	f.iterate("lib", "2")
	row := f.begin()
	f.step = func(op, _ string) error {
		if op == "database" {
			return syscall.ENOSPC
		}
		return nil
	}
	f.must(f.Advance(t.Context()))
	row = f.row(row.ID)
	if row.State != buildbtw.ReleaseFailed || !strings.Contains(row.Message, "disk is full") || f.state().bytes != before.bytes {
		t.Errorf("%+v", row)
	}
	f.step = nil
	f.release()
	if _, err := f.Withdraw(t.Context(), "bob", row.ID, true); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("a failed one was withdrawn: %v", err)
	}
}

// TestACrashAtAnyStepIsRolledForward ends the program before each change of the disk.
func TestACrashAtAnyStepIsRolledForward(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.release()
	for _, what := range []string{"release", "withdraw"} {
		for steps := 1; ; steps++ {
			var row store.ReleaseRow
			if what == "release" {
				f.iterate("lib", fmt.Sprint(steps+1))
				row = f.begin()
			} else {
				f.iterate("lib", fmt.Sprint(steps+1000))
				row = f.release()
			}
			before := f.state()
			left := steps
			f.step = func(string, string) error {
				if left--; left == 0 {
					panic("crash")
				}
				return nil
			}
			crashed := f.run(what, row.ID)
			f.step = nil
			f.restart()
			f.seenWhole(before, f.state(), steps)
			f.must(f.Advance(t.Context()))
			row = f.row(row.ID)
			if what == "release" {
				f.checkAfter(row, before)
			}
			if want := map[string]buildbtw.ReleaseState{"release": buildbtw.ReleaseReleased, "withdraw": buildbtw.ReleaseWithdrawn}[what]; row.State != want && crashed {
				t.Fatalf("%s, after a crash at step %d: %s (%s)", what, steps, row.State, row.Message)
			}
			if _, writing, err := f.Store.WritingGeneration(t.Context(), row.TargetID); writing || err != nil {
				t.Errorf("%s, after a crash at step %d a generation is still being written (%v)", what, steps, err)
			}
			if !crashed {
				if steps < 10 {
					t.Errorf("%s has only %d steps", what, steps)
				}
				break
			}
		}
	}
}

// run does it and reports whether the program crashed meanwhile.
func (f *fixture) run(what string, id int64) (crashed bool) {
	f.t.Helper()
	defer func() {
		if recover() != nil {
			crashed = true
		}
	}()
	var err error
	if what == "release" {
		err = f.Advance(f.t.Context())
	} else {
		_, err = f.Withdraw(f.t.Context(), "bob", id, true)
	}
	if err != nil && !strings.Contains(err.Error(), "panic: crash") {
		f.t.Fatal(err)
	}
	return err != nil
}

// seenWhole checks that a target shows what it showed before, or what it is to show, and
// never a part.
func (f *fixture) seenWhole(before, now state, step int) {
	f.t.Helper()
	if len(now.target) != len(before.target) {
		f.t.Errorf("after a crash at step %d the target has %d packages instead of %d", step, len(now.target), len(before.target))
	}
	for _, d := range now.target {
		f.checkFile(f.targets[0], d)
	}
}

func TestWithdrawingSaysWhatItWouldBreak(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	row := f.release()
	// Somebody needs the new one by now.
	f.writeBase("NAME lib VERSION 0.9-1", "NAME app VERSION 0.9-1 DEPENDS lib", "NAME user VERSION 1-1 DEPENDS lib=1-1")
	f.restart()
	_, err := f.Withdraw(t.Context(), "bob", row.ID, false)
	if buildbtw.KindOf(err) != buildbtw.KindUnconfirmed || !strings.Contains(err.Error(), "user 1-1 needs lib=1-1") {
		t.Errorf("without a yes: %v", err)
	}
	if found, err := f.Check(t.Context(), "stable"); err != nil || len(found.Broken) != 0 {
		t.Errorf("%v, %v", found.Broken, err)
	}
	_, err = f.Withdraw(t.Context(), "bob", row.ID, true)
	f.must(err)
	if found, err := f.Check(t.Context(), "stable"); err != nil || len(found.Broken) != 1 || found.Broken[0].Dependency != "lib=1-1" {
		t.Errorf("%v, %v", found.Broken, err)
	}
}

func TestOldGenerationsGoAfterHours(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var rows []store.ReleaseRow
	for i := range 9 {
		f.iterate("lib", fmt.Sprint(i+2))
		rows = append(rows, f.release())
	}
	f.must(f.Prune(t.Context()))
	if kept, err := f.Generations.Kept("stable"); err != nil || len(kept) != 10 {
		t.Errorf("at once %v are kept (%v)", kept, err)
	}
	f.DB.Clock.Advance(7 * time.Hour)
	f.must(f.Prune(t.Context()))
	if kept, err := f.Generations.Kept("stable"); err != nil || !slices.Equal(kept, []int{5, 6, 7, 8, 9, 10}) {
		t.Errorf("after hours %v are kept (%v)", kept, err)
	}
	for i := 8; i >= 4; i-- {
		_, err := f.Withdraw(t.Context(), "bob", rows[i].ID, true)
		f.must(err)
	}
	if _, err := f.Withdraw(t.Context(), "bob", rows[3].ID, true); buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(err.Error(), "not kept any more") {
		t.Errorf("what it showed before is gone: %v", err)
	}
}

func TestAReleaseThatNobodyConfirmsIsGivenUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	row, err := f.Create(t.Context(), "alice", handover.Wish{Buildspace: "work"})
	f.must(err)
	f.must(f.Advance(t.Context()))
	if row = f.row(row.ID); row.State != buildbtw.ReleaseChecked {
		t.Errorf("%+v", row)
	}
	row, err = f.Withdraw(t.Context(), "alice", row.ID, false)
	f.must(err)
	if row.State != buildbtw.ReleaseWithdrawn || len(f.state().target) != 0 {
		t.Errorf("%+v", row)
	}
}

func TestATargetInADirectoryElsewhere(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	elsewhere := t.TempDir()
	target := buildbtw.Target{Name: "stable", Kind: buildbtw.TargetDirectory, Path: elsewhere}
	f.restart(target)
	f.must(f.Advance(t.Context()))
	list := func() []string {
		t.Helper()
		var names []string
		for name, d := range readDatabase(t, filepath.Join(elsewhere, "os", "x86_64", "stable.db.tar.zst")) {
			if _, err := os.Stat(filepath.Join(elsewhere, "os", "x86_64", d.one("FILENAME"))); err != nil {
				t.Error(err)
			}
			names = append(names, name+" "+d.one("VERSION"))
		}
		slices.Sort(names)
		return names
	}
	if got := list(); len(got) != 0 {
		t.Errorf("at the beginning: %v", got)
	}
	row := f.release()
	f.iterate("lib", "2")
	next := f.begin()
	before := f.state()
	// The crash comes between the pointer and the databases of the directory.
	f.step = func(op, path string) error {
		if op == "database" && strings.HasPrefix(path, elsewhere) {
			panic("crash")
		}
		return nil
	}
	if err := f.Advance(t.Context()); err == nil || !slices.Equal(list(), []string{"app 1-1", "lib 1-1"}) {
		t.Errorf("before the databases: %v, %v", list(), err)
	}
	f.step = nil
	f.restart(target)
	f.must(f.Advance(t.Context()))
	if got := list(); !slices.Equal(got, []string{"app 1-2", "lib 2-1"}) {
		t.Errorf("rolled forward: %v", got)
	}
	f.checkAfter(f.row(next.ID), before)
	if next.ID != row.ID+1 {
		t.Fatalf("release %d came after release %d", next.ID, row.ID)
	}
	f.withdraw(next.ID, before)
	if got := list(); !slices.Equal(got, []string{"app 1-1", "lib 1-1"}) {
		t.Errorf("withdrawn: %v", got)
	}
	for range 8 {
		f.DB.Clock.Advance(7 * time.Hour)
		f.must(f.Prune(t.Context()))
	}
	if files, err := filepath.Glob(filepath.Join(elsewhere, "os", "x86_64", "lib-*")); err != nil || len(files) != 1 {
		t.Errorf("after hours there are %v", files)
	}

	// Somebody else's repository is not taken over.
	other := t.TempDir()
	f.must(os.MkdirAll(filepath.Join(other, "os", "x86_64"), 0o755))
	f.must(os.WriteFile(filepath.Join(other, "os", "x86_64", "mine.db.tar.gz"), nil, 0o644))
	f.restart(buildbtw.Target{Name: "mine", Kind: buildbtw.TargetDirectory, Path: other})
	if err := f.Advance(t.Context()); err == nil || !strings.Contains(err.Error(), "buildbtw did not make") {
		t.Errorf("a foreign repository: %v", err)
	}
}

func TestWhatTakesAwayTooMuchIsRefused(t *testing.T) {
	t.Parallel()
	var more []string
	for i := range 6 {
		more = append(more, fmt.Sprintf("NAME lib-%d VERSION 0.9-1 BASE lib", i))
	}
	f := newFixture(t, more...)
	if _, err := f.Create(t.Context(), "alice", handover.Wish{Buildspace: "work"}); buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(err.Error(), "6 of 8 packages for x86_64 would leave") {
		t.Errorf("six names leave: %v", err)
	}
	f.writeBase(append(more[1:], "NAME lib VERSION 0.9-1", "NAME app VERSION 0.9-1 DEPENDS lib")...)
	f.restart()
	f.release()
}

// A package that somebody drops leaves the target with the release; one of the base stays
// there, and is only broken.
func TestWhatIsDroppedLeaves(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "NAME other VERSION 1-1 DEPENDS lib")
	f.release()
	space, err := f.Store.Buildspace(t.Context(), "work")
	f.must(err)
	space.Settings.Exclude = buildbtw.Names{"app"}
	_, err = f.Store.EditBuildspace(t.Context(), "alice", "work", store.Edit{Settings: &space.Settings})
	f.must(err)
	f.iterate("lib", "2")
	_, err = f.Store.AddWaivers(t.Context(), "alice", "work", []buildbtw.Waiver{
		{Kind: buildbtw.WaiverDrop, Name: "app", Reason: "nobody uses it"}, {Kind: buildbtw.WaiverDrop, Name: "other", Reason: "likewise"},
	})
	f.must(err)
	set, err := f.Catalog.Release(t.Context(), "work", 0, "")
	f.must(err)
	if !slices.Equal(set.Goes, []string{"lib"}) || !slices.Equal(set.Dropped, []string{"app"}) {
		t.Fatalf("goes %v, dropped %v", set.Goes, set.Dropped)
	}
	row := f.begin()
	f.must(f.Advance(t.Context()))
	now := f.state()
	if f.row(row.ID).State != buildbtw.ReleaseReleased || now.target["app"] != nil || now.target["lib"].one("VERSION") != "2-1" {
		t.Errorf("release %s; the target has %v", f.row(row.ID).State, now.target)
	}
	if _, err := os.Stat(filepath.Join(f.dir, "targets", "stable", "current", "os", "x86_64", "app-1-1-x86_64.pkg.tar.zst")); err == nil {
		t.Error("the file is still there")
	}
}
