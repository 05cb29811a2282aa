package pacmanrepo_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/pacman/pacmanrepo"
)

func generations(t *testing.T, r *pacmanrepo.Repos, dir string, before func(op, path string) error) *pacmanrepo.Generations {
	t.Helper()
	g, err := r.Generations(filepath.Join(filepath.Dir(dir), "targets"), before)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// nextGeneration is one with the packages of the first repository's builds.
func nextGeneration(number, from, shown int, files ...[]buildbtw.Package) pacmanrepo.NextGeneration {
	return pacmanrepo.NextGeneration{
		Target: "stable", Number: number, From: from, Shown: shown, Architectures: []string{x86}, Add: adoption(files...).Builds,
	}
}

func show(t *testing.T, g *pacmanrepo.Generations, n pacmanrepo.NextGeneration) pacmanrepo.GenerationSummary {
	t.Helper()
	s, err := g.Write(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Show("stable", n.Number); err != nil {
		t.Fatal(err)
	}
	return s
}

func contents(t *testing.T, g *pacmanrepo.Generations, file string) (text string, modified time.Time) {
	t.Helper()
	f, err := g.OpenFile("stable", x86, file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return string(all), info.ModTime()
}

func listed(t *testing.T, g *pacmanrepo.Generations, number int) []string {
	t.Helper()
	list, err := g.Packages("stable", number, x86)
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = p.Filename
	}
	return names
}

func TestAGenerationReplacesWhatHasThePkgbaseOrTheName(t *testing.T) {
	t.Parallel()
	r, dir := open(t, pacmanrepo.Options{})
	create(t, r, x86)
	g := generations(t, r, dir, nil)
	old := stage(t, r, 1, pkg{name: "lib", ext: "zst"}, pkg{name: "lib-docs", base: "lib", ext: "zst"})
	tool := stage(t, r, 2, pkg{name: "tool", ext: "zst"})
	for i, files := range [][]buildbtw.Package{old, tool} {
		if err := r.Publish(t.Context(), publication(int64(i+1), files, x86)); err != nil {
			t.Fatal(err)
		}
	}
	first := show(t, g, nextGeneration(1, 0, 0, old, tool))
	oldDB, before := contents(t, g, "stable.db")
	newer := stage(t, r, 3, pkg{name: "lib", ext: "zst", version: "2.0-1"})
	if err := r.Publish(t.Context(), publication(3, newer, x86)); err != nil {
		t.Fatal(err)
	}
	second := show(t, g, nextGeneration(2, 1, 1, newer))
	if d := cmp.Diff([]string{"lib-2.0-1-x86_64.pkg.tar.zst", "tool-1.0-1-x86_64.pkg.tar.zst"}, listed(t, g, 2)); d != "" {
		t.Errorf("listed (-want +got):\n%s", d)
	}
	if first.Packages != 3 || second.Packages != 2 || first.Digest == second.Digest {
		t.Errorf("summaries %+v and %+v", first, second)
	}
	newDB, after := contents(t, g, "stable.db")
	if after.Sub(before) < time.Second || newDB == oldDB {
		t.Errorf("the database of %v follows that of %v", after, before)
	}
	contents(t, g, "lib-docs-1.0-1-x86_64.pkg.tar.zst") // for who holds the older database
	if _, err := g.OpenFile("stable", x86, "../x"); buildbtw.KindOf(err) != buildbtw.KindInvalid {
		t.Errorf("a name that leads elsewhere: %v", err)
	}

	back := show(t, g, nextGeneration(3, 1, 2))
	if again, at := contents(t, g, "stable.db"); again != oldDB || at.Sub(after) < time.Second || back != first {
		t.Errorf("going back gives another database, or its time %v does not follow %v", at, after)
	}
	if err := g.Remove("stable", 3); err == nil {
		t.Error("the generation that is shown was removed")
	}
	for _, n := range []int{1, 2, 2} {
		if err := g.Remove("stable", n); err != nil {
			t.Error(err)
		}
	}
	if kept, err := g.Kept("stable"); err != nil || !slices.Equal(kept, []int{3}) {
		t.Errorf("kept %v, %v", kept, err)
	}
	if _, err := g.OpenFile("stable", x86, newer[0].Filename); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("a package of a removed generation: %v", err)
	}
}

func TestAGenerationIsSeenWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	crash := errors.New("crash")
	for steps := 1; ; steps++ {
		r, dir, lib, app := published(t)
		show(t, generations(t, r, dir, nil), nextGeneration(1, 0, 0, lib))
		left := steps
		g := generations(t, r, dir, func(string, string) error {
			if left--; left == 0 {
				return crash
			}
			return nil
		})
		_, err := g.Write(t.Context(), nextGeneration(2, 1, 1, app))
		if err == nil {
			err = g.Show("stable", 2)
		}
		if err != nil && !errors.Is(err, crash) {
			t.Fatal(err)
		}
		g = generations(t, r, dir, nil)
		shown, lookErr := g.Shown("stable")
		if lookErr != nil || shown != 1 && shown != 2 {
			t.Fatalf("after %d steps generation %d is shown (%v)", steps, shown, lookErr)
		}
		if n := len(listed(t, g, shown)); n != shown {
			t.Errorf("after %d steps generation %d has %d packages", steps, shown, n)
		}
		if shown == 1 {
			show(t, g, nextGeneration(2, 1, 1, app))
		}
		if got := listed(t, g, 2); len(got) != 2 {
			t.Errorf("rolled forward after %d steps: %v", steps, got)
		}
		if err == nil {
			if steps < 12 {
				t.Errorf("only %d steps were tried", steps)
			}
			return
		}
	}
}

func TestAGenerationNeedsItsPackages(t *testing.T) {
	t.Parallel()
	r, dir, lib, app := published(t)
	g := generations(t, r, dir, nil)
	if err := os.Remove(filepath.Join(dir, repository, "os", x86, app[0].Filename)); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Write(t.Context(), nextGeneration(1, 0, 0, lib, app)); buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(err.Error(), app[0].Filename) {
		t.Errorf("without a file: %v", err)
	}
	if err := g.Show("stable", 1); err == nil {
		t.Error("a generation that is not there is shown")
	}
	if n, err := g.Shown("stable"); n != 0 || err != nil {
		t.Errorf("generation %d is shown (%v)", n, err)
	}
	show(t, g, nextGeneration(1, 0, 0, lib))
	bad := nextGeneration(2, 1, 1)
	bad.Target = "../stable"
	if _, err := g.Write(t.Context(), bad); buildbtw.KindOf(err) != buildbtw.KindInvalid {
		t.Errorf("a target elsewhere: %v", err)
	}
	path := filepath.Join(filepath.Dir(dir), "targets", "stable", "1", "os", x86, "stable.db.tar.zst")
	if err := os.Truncate(path, 20); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Write(t.Context(), nextGeneration(2, 1, 1)); err == nil {
		t.Error("a damaged generation was taken for the next one")
	}
	if archs, err := g.Architectures("stable", 1); err != nil || !slices.Equal(archs, []string{x86}) {
		t.Errorf("architectures %v, %v", archs, err)
	}
}
