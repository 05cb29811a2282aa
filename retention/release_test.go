package retention_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/catalog"
	"buildbtw/handover"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
)

// targets are a world's stable and, before it, testing.
type targets struct {
	*handover.Handover
	generations *pacmanrepo.Generations
}

func (w *world) targets(t *testing.T) *targets {
	t.Helper()
	generations, err := w.Repos.Generations(filepath.Join(filepath.Dir(w.Sources), "targets"), func(string, string) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	list := []buildbtw.Target{{Name: "stable", Kind: buildbtw.TargetServed}, {Name: "testing", Kind: buildbtw.TargetServed, After: "stable"}}
	h, err := handover.New(t.Context(), handover.Config{
		Store: w.DB.Store, Generations: generations, Architectures: []string{"x86_64"}, Targets: list, Log: slog.New(slog.DiscardHandler), Now: w.DB.Clock.Now,
		Catalog: catalog.New(catalog.Config{
			Mirror: w.Mirror, Store: w.DB.Store, Repos: w.Repos, Generations: generations, Targets: list, BaseRef: "main", Architectures: []string{"x86_64"},
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.keeper.Generations = generations
	return &targets{h, generations}
}

// release hands over all that can go, of the iteration or of a target.
func (f *targets) release(t *testing.T, w handover.Wish) store.ReleaseRow {
	t.Helper()
	var set catalog.Release
	var err error
	if w.From != "" {
		set, err = f.Catalog.ReleaseFrom(t.Context(), w.From, w.Target)
	} else {
		set, err = f.Catalog.Release(t.Context(), w.Buildspace, w.Iteration, w.Target)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.Digest = set.Digest
	row, err := f.Create(t.Context(), "anna", w)
	if err == nil {
		err = f.Advance(t.Context())
	}
	if err == nil {
		row, err = f.Store.Release(t.Context(), row.ID)
	}
	if err != nil || row.State != buildbtw.ReleaseReleased || row.Packages != 3 {
		t.Fatalf("%+v, %v", row, err)
	}
	return row
}

// check reads each package of each generation that a target can go back to, and returns how
// many there are.
func (f *targets) check(t *testing.T) (read int) {
	t.Helper()
	rows, err := f.Store.Targets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range rows {
		list, err := f.Store.Generations(t.Context(), target.ID, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range list {
			if g.State != buildbtw.GenerationComplete {
				continue
			}
			packages, err := f.generations.Packages(target.Name, g.Number, "x86_64")
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range packages {
				file, err := f.generations.OpenFile(target.Name, "x86_64", p.Filename)
				if err != nil {
					t.Errorf("generation %d of %s: %v", g.Number, target.Name, err)
					continue
				}
				h := sha256.New()
				if _, err := io.Copy(h, file); err != nil || hex.EncodeToString(h.Sum(nil)) != p.SHA256 {
					t.Errorf("%s of %s has other bytes, %v", p.Filename, target.Name, err)
				}
				if err := file.Close(); err != nil {
					t.Error(err)
				}
				read++
			}
		}
	}
	return read
}

// wantsPackages has everything removed that the policy lets go, and checks that the packages
// of an iteration stay, or go.
func (w *world) wantsPackages(t *testing.T, buildspace string, number int, stay bool) {
	t.Helper()
	err := w.keeper.Remove(t.Context(), "anna", buildspace, number, store.RemovePackages)
	if stay && (buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(buildbtw.MessageOf(err), "a release of it is open, or a target can go back to it")) {
		t.Errorf("the packages of %s #%d can be removed: %v", buildspace, number, err)
	}
	if !stay && err != nil {
		t.Errorf("the packages of %s #%d cannot be removed: %v", buildspace, number, err)
	}
	w.pass(t)
	w.check(t)
	all := w.iterations(t)
	i := slices.IndexFunc(all, func(it store.IterationRow) bool { return it.Buildspace == buildspace && it.Number == number })
	if i < 0 {
		t.Fatalf("%s #%d is gone, and with it what is known of a release", buildspace, number)
	}
	if (all[i].ArchivedAt == nil) != stay {
		t.Errorf("%s #%d was archived at %v", buildspace, number, all[i].ArchivedAt)
	}
}

// TestWhatTargetsHaveStays removes around a release, a move of it to another target, and the
// generations that both can go back to.
func TestWhatTargetsHaveStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.chain(t, "1")
	w.create(t, "demo", "a")
	w.work(t)
	w.create(t, "other", "b") // has the same files
	f := w.targets(t)
	f.release(t, handover.Wish{Buildspace: "demo", Iteration: 1, Target: "testing"})
	w.push(t, "a", "2")
	w.DB.Clock.Advance(1000 * day)
	w.wantsPackages(t, "demo", 1, true)

	moved := f.release(t, handover.Wish{From: "testing", Target: "stable"})
	testing, err := w.DB.Target(t.Context(), "testing")
	if err != nil {
		t.Fatal(err)
	}
	w.wantsPackages(t, "demo", 1, true)
	if n := f.check(t); n != 6 {
		t.Errorf("the targets have %d packages that can be gone back to, want those that left testing and those of stable", n)
	}
	if row, err := f.Withdraw(t.Context(), "anna", moved.ID, true); err != nil || row.State != buildbtw.ReleaseWithdrawn {
		t.Fatalf("%+v, %v", row, err)
	}
	moved = f.release(t, handover.Wish{From: "testing", Target: "stable"})

	// What left testing is not kept for good, and then only the move needs the iteration.
	list, err := w.DB.Generations(t.Context(), testing.ID, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range list[1:] {
		if g.State == buildbtw.GenerationComplete {
			if err := w.DB.DropGeneration(t.Context(), g.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.wantsPackages(t, "demo", 1, true)
	if row, err := f.Withdraw(t.Context(), "anna", moved.ID, true); err == nil {
		t.Errorf("what is not kept came back to testing: %+v", row)
	}
	if _, err := w.DB.StopBuildspace(t.Context(), "anna", "other"); err != nil {
		t.Fatal(err)
	}
	if err := w.keeper.Remove(t.Context(), "anna", "other", 0, store.RemoveAll); err != nil {
		t.Fatal(err)
	}
	w.pass(t)
	w.check(t)
	if n := f.check(t); n != 6 {
		t.Errorf("the targets have %d packages that can be gone back to, want those that stable had twice", n)
	}
	if err := f.Examine(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestWhatWaitsForARepositoryStays: a packager comes for its files at any time.
func TestWhatWaitsForARepositoryStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.chain(t, "1")
	w.create(t, "demo", "a")
	w.work(t)
	list, err := w.DB.SetTargets(t.Context(), []buildbtw.Target{{Name: "core", Kind: buildbtw.TargetPkgctl}})
	if err != nil {
		t.Fatal(err)
	}
	r := buildbtw.Release{IterationID: w.iterations(t)[0].ID, TargetID: list[0].ID, Digest: "d", Base: "b", Units: 1, Packages: 1}
	row, err := w.DB.CreateRelease(t.Context(), "anna", r, nil, true)
	if err == nil {
		err = w.DB.WaitForRepository(t.Context(), row.ID, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.push(t, "a", "2")
	w.DB.Clock.Advance(1000 * day)
	w.wantsPackages(t, "demo", 1, true)
	if err := w.DB.EndRelease(t.Context(), "anna", row.ID, buildbtw.ReleaseWithdrawn, "Given up."); err != nil {
		t.Fatal(err)
	}
	w.wantsPackages(t, "demo", 1, false)
}
