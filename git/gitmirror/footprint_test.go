package gitmirror_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Sources that look as they did are not read again, and every way in which a branch or
// a directory changes is seen.
func TestEveryChangeOfASourceAtRestIsSeen(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, git, plain string){
		"commit":      func(t *testing.T, git, _ string) { commitFile(t, git, "x", "y") },
		"tag":         func(t *testing.T, git, _ string) { gitIn(t, git, "tag", "v1") },
		"deep branch": func(t *testing.T, git, _ string) { gitIn(t, git, "branch", "a/b/c") },
		"deleted":     func(t *testing.T, git, _ string) { gitIn(t, git, "branch", "-D", "feature/old") },
		"update-ref":  func(t *testing.T, git, _ string) { gitIn(t, git, "update-ref", "refs/heads/feature/old", "HEAD~1") },
		"in place": func(t *testing.T, git, _ string) {
			write(t, filepath.Join(git, ".git/refs/heads/feature/old"), gitIn(t, git, "rev-parse", "HEAD~1")+"\n")
		},
		"packed": func(t *testing.T, git, _ string) {
			gitIn(t, git, "pack-refs", "--all")
			gitIn(t, git, "branch", "-D", "feature/old")
		},
		"file":      func(t *testing.T, _, plain string) { write(t, filepath.Join(plain, "new"), "x") },
		"deep file": func(t *testing.T, _, plain string) { write(t, filepath.Join(plain, "patches", "a"), "other") },
		"file gone": func(t *testing.T, _, plain string) { must(t, os.Remove(filepath.Join(plain, "patches", "a"))) },
		"mode":      func(t *testing.T, _, plain string) { must(t, os.Chmod(filepath.Join(plain, "patches", "a"), 0o755)) },
		"a new .git": func(t *testing.T, _, plain string) {
			gitIn(t, plain, "init", "--quiet")
			commitFile(t, plain, ".SRCINFO", "git")
		},
		"another place": func(t *testing.T, git, _ string) { must(t, os.RemoveAll(git)); newSource(t, git, "other") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, m := t.TempDir(), openMirror(t)
			git, plain := filepath.Join(dir, "git"), filepath.Join(dir, "plain")
			newSource(t, git, "1")
			commitFile(t, git, "x", "1")
			gitIn(t, git, "branch", "feature/old")
			plainSource(t, plain)
			write(t, filepath.Join(plain, ".SRCINFO"), "1")
			write(t, filepath.Join(plain, "patches", "a"), "1")
			m.SetClock(func() time.Time { return time.Now().Add(time.Hour) }) // all is at rest
			for range 3 {
				mustSync(t, m, dir)
			}
			if n := m.Footprints(); n != 2 {
				t.Errorf("%d sources are known to be at rest", n)
			}
			before := fmt.Sprint(tipsOf(t, m))
			change(t, git, plain)
			if r := mustSync(t, m, dir); len(r.Changed) != 1 || fmt.Sprint(tipsOf(t, m)) == before {
				t.Errorf("not seen: %+v", r)
			}
		})
	}
}

// What was written a moment ago may be written again without a trace, and what leads
// elsewhere may change there: both are always read.
func TestWhatIsAlwaysRead(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	dir, m := filepath.Join(home, "packages"), openMirror(t)
	must(t, os.Mkdir(dir, 0o755))
	m.SetLinks([]string{home})
	newSource(t, filepath.Join(home, "real"), "1")
	must(t, os.Symlink(filepath.Join(home, "real"), filepath.Join(dir, "link")))
	newSource(t, filepath.Join(dir, "fresh"), "1")
	for range 3 {
		mustSync(t, m, dir)
	}
	if n := m.Footprints(); n != 0 {
		t.Errorf("%d are at rest", n)
	}
	m.SetClock(func() time.Time { return time.Now().Add(time.Hour) })
	mustSync(t, m, dir)
	if n := m.Footprints(); n != 1 {
		t.Errorf("%d are at rest", n)
	}
	if err := os.RemoveAll(filepath.Join(dir, "fresh")); err != nil {
		t.Fatal(err)
	}
	if r := mustSync(t, m, dir); len(r.Removed) != 1 || m.Footprints() != 0 {
		t.Errorf("%+v, %d are at rest", r, m.Footprints())
	}
}
