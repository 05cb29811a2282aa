package handover_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
)

// generation returns what the target's pointer says and what the database says.
func (f *fixture) generation() (shown, known int) {
	f.t.Helper()
	shown, err := f.Generations.Shown("stable")
	f.must(err)
	t, err := f.Store.Target(f.t.Context(), "stable")
	f.must(err)
	return shown, t.Generation
}

// TestATargetFollowsAnOlderDatabase restores a database that does not know of the last
// release: what was released then is not taken for what is released next.
func TestATargetFollowsAnOlderDatabase(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.must(f.Advance(t.Context()))
	_, before := f.generation()
	older := filepath.Join(t.TempDir(), "older.sqlite")
	f.must(store.Backup(t.Context(), f.DB.Path, older))
	f.release()
	if shown, known := f.generation(); shown != known || known <= before {
		t.Fatalf("after the release generation %d is shown, the database says %d", shown, known)
	}
	f.must(errors.Join(f.DB.Close(), os.Remove(f.DB.Path), os.RemoveAll(f.DB.Path+"-wal"), os.RemoveAll(f.DB.Path+"-shm"), os.Rename(older, f.DB.Path)))
	f.DB.Reopen(t)
	f.Restart(t)
	f.restart()
	f.must(f.Advance(t.Context()))
	if shown, known := f.generation(); shown != before || known != before {
		t.Errorf("generation %d is shown, the database says %d; want %d", shown, known, before)
	}
	f.release()
}

func TestLostReleasedFilesAreNamedAndNotReleasedAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.must(f.Advance(t.Context()))
	f.release()
	f.must(f.Examine(t.Context()))
	found, err := filepath.Glob(filepath.Join(f.dir, "targets", "stable", "current", "os", "x86_64", "lib-*.pkg.tar.zst"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	f.must(os.Remove(found[0]))
	if err := f.Examine(t.Context()); err == nil || !strings.Contains(buildbtw.MessageOf(err), "x86_64/lib-1-1-x86_64.pkg.tar.zst") {
		t.Errorf("a lost file: %v", err)
	}
	shown, _ := f.generation()
	_, err = f.Generations.Write(t.Context(), pacmanrepo.NextGeneration{Target: "stable", Number: shown + 1, From: shown, Shown: shown, Architectures: []string{"x86_64"}})
	if buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(err.Error(), "is lost") {
		t.Errorf("a generation with a lost file: %v", err)
	}
	f.iterate("lib", "2")
	f.release() // has other files
	f.must(f.Examine(t.Context()))
	f.must(os.RemoveAll(filepath.Join(f.dir, "targets", "stable")))
	if err := f.Advance(t.Context()); err == nil || !strings.Contains(buildbtw.MessageOf(err), "back from a backup") {
		t.Errorf("a lost target: %v", err)
	}
}
