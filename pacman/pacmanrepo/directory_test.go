package pacmanrepo_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"buildbtw"
)

// names lists what a directory has, without what is hidden.
func namesIn(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "os", x86))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Name()[0] != '.' {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestADirectoryFollowsItsTarget(t *testing.T) {
	t.Parallel()
	r, dir, lib, app := published(t)
	g := generations(t, r, dir, nil)
	elsewhere := t.TempDir()
	if _, err := g.Directory("stable", filepath.Join(elsewhere, "none")); buildbtw.KindOf(err) != buildbtw.KindUnavailable {
		t.Errorf("a directory that is not there: %v", err)
	}
	d, err := g.Directory("stable", elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	if d.Foreign([]string{x86}) {
		t.Error("an empty directory has somebody's repository")
	}
	show(t, g, nextGeneration(1, 0, 0, lib))
	if err := d.PutFiles(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if d.Foreign([]string{x86}) || !slices.Equal(namesIn(t, elsewhere), []string{lib[0].Filename}) {
		t.Errorf("after the files there is %v", namesIn(t, elsewhere))
	}
	if err := d.Switch(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	// The same name with another content, and a package of somebody else.
	again := stage(t, r, 9, pkg{name: "lib", ext: "zst", salt: "again"})
	if err := r.Publish(t.Context(), publication(9, again, x86)); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(elsewhere, "os", x86, "other-1-1-any.pkg.tar.zst")
	if err := os.WriteFile(foreign, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	show(t, g, nextGeneration(2, 1, 1, again, app))
	if err := d.PutFiles(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(elsewhere, "os", x86, lib[0].Filename)
	if text, err := os.ReadFile(file); err != nil || digest(text) != lib[0].SHA256 {
		t.Errorf("before the switch %s is another one (%v)", lib[0].Filename, err)
	}
	if err := d.Switch(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(file); err != nil || digest(text) != again[0].SHA256 {
		t.Errorf("after the switch %s is the old one (%v)", lib[0].Filename, err)
	}
	if db := members(t, filepath.Join(elsewhere, "os", x86, "stable.db.tar.zst")); len(db) != 2 {
		t.Errorf("the database has %v", db)
	}
	show(t, g, nextGeneration(3, 0, 2, again))
	if err := d.Switch(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if err := d.Remove(2, []int{2, 3}); err != nil {
		t.Fatal(err)
	}
	want := []string{lib[0].Filename, "other-1-1-any.pkg.tar.zst", "stable.db", "stable.db.tar.zst", "stable.files", "stable.files.tar.zst"}
	if got := namesIn(t, elsewhere); !slices.Equal(got, want) {
		t.Errorf("left are %v, want %v", got, want)
	}
}

func TestACrashLeavesADirectoryUsable(t *testing.T) {
	t.Parallel()
	crash := errors.New("crash")
	for steps := 1; ; steps++ {
		r, dir, lib, app := published(t)
		g := generations(t, r, dir, nil)
		elsewhere := t.TempDir()
		d, err := g.Directory("stable", elsewhere)
		if err != nil {
			t.Fatal(err)
		}
		show(t, g, nextGeneration(1, 0, 0, lib))
		if err := d.Switch(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		show(t, g, nextGeneration(2, 1, 1, app))
		left := steps
		g = generations(t, r, dir, func(string, string) error {
			if left--; left == 0 {
				return crash
			}
			return nil
		})
		if d, err = g.Directory("stable", elsewhere); err != nil {
			t.Fatal(err)
		}
		crashed := d.Switch(t.Context(), 2)
		listedIn(t, elsewhere)
		if d, err = generations(t, r, dir, nil).Directory("stable", elsewhere); err != nil {
			t.Fatal(err)
		}
		if err := d.Switch(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		if n := listedIn(t, elsewhere); n != 2 {
			t.Errorf("rolled forward after %d steps it lists %d packages", steps, n)
		}
		if crashed == nil {
			if steps < 5 {
				t.Errorf("only %d steps were tried", steps)
			}
			return
		}
		if !errors.Is(crashed, crash) {
			t.Fatal(crashed)
		}
	}
}

// listedIn counts the packages that the directory's database lists; each must be there.
func listedIn(t *testing.T, elsewhere string) (n int) {
	t.Helper()
	for name, text := range members(t, filepath.Join(elsewhere, "os", x86, "stable.db.tar.zst")) {
		if !strings.HasSuffix(name, "/desc") {
			continue
		}
		n++
		_, after, _ := strings.Cut(text, "%FILENAME%\n")
		file, _, _ := strings.Cut(after, "\n")
		if _, err := os.Stat(filepath.Join(elsewhere, "os", x86, file)); err != nil {
			t.Errorf("a listed file is missing: %v", err)
		}
	}
	return n
}
