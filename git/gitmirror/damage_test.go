package gitmirror_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw/git/gitmirror"
)

// emptyFiles empties files below a directory, as a power cut does.
func emptyFiles(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			err = os.Chmod(path, 0o644)
			if err == nil {
				err = os.Truncate(path, 0)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Whatever is damaged in the mirror, the next server starts, says what it has set
// aside, and has the same sources again.
func TestADamagedMirrorIsMadeAnew(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(*testing.T, string){
		"objects":      func(t *testing.T, mirror string) { emptyFiles(t, filepath.Join(mirror, "objects")) },
		"no objects":   func(t *testing.T, mirror string) { must(t, os.RemoveAll(filepath.Join(mirror, "objects"))) },
		"packed refs":  func(t *testing.T, mirror string) { write(t, filepath.Join(mirror, "packed-refs"), "\x00\x00garbage") },
		"config":       func(t *testing.T, mirror string) { write(t, filepath.Join(mirror, "config"), "\x00[") },
		"owners":       func(t *testing.T, mirror string) { write(t, filepath.Join(mirror, "buildbtw-owners.json"), "{") },
		"empty owners": func(t *testing.T, mirror string) { write(t, filepath.Join(mirror, "buildbtw-owners.json"), "") },
		"no owners":    func(t *testing.T, mirror string) { must(t, os.Remove(filepath.Join(mirror, "buildbtw-owners.json"))) },
		"our config":   func(t *testing.T, mirror string) { write(t, filepath.Join(mirror, "buildbtw.gitconfig"), "[") },
		"blobs only": func(t *testing.T, mirror string) { // found when the .SRCINFO is read, and not before
			for _, line := range strings.Split(gitIn(t, mirror, "cat-file", "--batch-all-objects", "--batch-check"), "\n") {
				if f := strings.Fields(line); f[1] == "blob" {
					path := filepath.Join(mirror, "objects", f[0][:2], f[0][2:])
					must(t, os.Chmod(path, 0o644))
					must(t, os.Truncate(path, 0))
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, m := t.TempDir(), openMirror(t)
			newSource(t, filepath.Join(dir, "a"), "text of a")
			newSource(t, filepath.Join(dir, "b"), "text of b")
			mustSync(t, m, dir)
			want := tipsOf(t, m)
			damage(t, m.Dir())
			must(t, os.RemoveAll(filepath.Join(dir, "b"))) // it vanishes meanwhile
			delete(want, "b main")

			m, err := gitmirror.Open(t.Context(), m.Dir())
			if err != nil {
				t.Fatal(err)
			}
			_, _ = m.ReadSrcinfos(t.Context(), []string{want["a main"]}) // as the catalog does
			if _, err := m.Heal(t.Context()); err != nil {
				t.Fatal(err)
			}
			mustSync(t, m, dir)
			if _, err := m.RemoveOrphans(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, tipsOf(t, m)); diff != "" {
				t.Errorf("tips (-want +got):\n%s", diff)
			}
			infos, err := m.ReadSrcinfos(t.Context(), []string{want["a main"]})
			if got := infos[want["a main"]]; err != nil || string(got.Text) != "text of a" {
				t.Errorf("%q, %v, %v", got.Text, got.Err, err)
			}
			aside := strings.Join(m.SetAside(), " ")
			if wanted := !strings.HasPrefix(name, "no owners") && name != "our config"; wanted != strings.Contains(aside, ".broken-") {
				t.Errorf("set aside: %q", aside)
			}
		})
	}
}

// A server that runs notices too, once.
func TestAMirrorThatIsDamagedInUseIsMadeAnewOnce(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), openMirror(t)
	now := time.Now()
	m.SetClock(func() time.Time { return now })
	commit := newSource(t, filepath.Join(dir, "a"), "text")
	mustSync(t, m, dir)
	for i, want := range []bool{true, false, true} {
		emptyFiles(t, filepath.Join(m.Dir(), "objects"))
		m.ForgetSrcinfos()
		if _, err := m.ReadSrcinfos(t.Context(), []string{commit}); err == nil {
			t.Error("damaged objects were read")
		}
		remade, err := m.Heal(t.Context())
		if remade != want || err != nil {
			t.Errorf("time %d: made anew %v, %v, want %v", i, remade, err, want)
		}
		if remade {
			mustSync(t, m, dir)
		}
		now = now.Add(40 * time.Minute)
	}
	if got := tipsOf(t, m)["a main"]; got != commit {
		t.Errorf("a is at %q", got)
	}
}

func TestFewDamagedMirrorsAreKept(t *testing.T) {
	t.Parallel()
	m := openMirror(t)
	for i := range 5 {
		write(t, filepath.Join(m.Dir(), "config"), "\x00[")
		write(t, filepath.Join(filepath.Dir(m.Dir()), "mine.broken-1"), "no part of the mirror")
		next, err := gitmirror.Open(t.Context(), m.Dir())
		if err != nil {
			t.Fatal(err)
		}
		if got := len(next.SetAside()); got != min(i+1, 2) {
			t.Errorf("after %d times %d are kept", i+1, got)
		}
	}
	left, err := filepath.Glob(filepath.Dir(m.Dir()) + "/*.broken-*")
	if err != nil || len(left) != 3 {
		t.Errorf("left: %v", left)
	}
}

// What cannot be made now does not keep a server from starting, and is made later.
func TestAMirrorThatCannotBeMadeIsMadeLater(t *testing.T) {
	t.Parallel()
	sources, data := t.TempDir(), filepath.Join(t.TempDir(), "data")
	commit := newSource(t, filepath.Join(sources, "a"), "1")
	write(t, data, "a file is in the way")
	m, err := gitmirror.Open(t.Context(), filepath.Join(data, "sources.git"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.SyncSome(t.Context(), sources); err == nil {
		t.Error("no error")
	}
	must(t, os.Remove(data))
	mustSync(t, m, sources)
	if got := tipsOf(t, m)["a main"]; got != commit {
		t.Errorf("a is at %q", got)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
