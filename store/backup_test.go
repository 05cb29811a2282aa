package store_test

import (
	"os"
	"path/filepath"
	"testing"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

func TestBackupOfARunningServerHoldsEverything(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	space := db.NewBuildspace(t, "work")
	db.Iterate(t, space, storetest.Plan("lib", "app: lib"))
	target := filepath.Join(t.TempDir(), "copy.sqlite")
	if err := store.Backup(t.Context(), db.Path, target); err != nil {
		t.Fatal(err)
	}
	copied, err := store.Open(t.Context(), target, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close()
	builds, _, err := copied.Builds(t.Context(), store.BuildFilter{Buildspace: "work"})
	if err != nil || len(builds) != 2 {
		t.Errorf("the copy has %d builds: %v", len(builds), err)
	}
	if err := store.Backup(t.Context(), db.Path, target); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("a second backup to the same file: %v", err)
	}
}

// Leases and who did what are not for every user of the machine, whatever the directory is
// like and whoever made the files.
func TestDatabaseAndBackupAreNotForEverybody(t *testing.T) {
	t.Parallel()
	path, target := filepath.Join(t.TempDir(), "buildbtw.sqlite"), filepath.Join(t.TempDir(), "copy.sqlite")
	others := func(path string) os.FileMode {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm() & 0o007
	}
	for _, made := range []string{"new", "of a version before"} {
		db, err := store.Open(t.Context(), path, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{path, path + "-wal", path + "-shm"} {
			if mode := others(name); mode != 0 {
				t.Errorf("%s, %s: others may %o", made, filepath.Base(name), mode)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Backup(t.Context(), path, target); err != nil {
		t.Fatal(err)
	}
	if mode := others(target); mode != 0 {
		t.Errorf("backup: others may %o", mode)
	}
}

func TestBackupOfNothingSaysSo(t *testing.T) {
	t.Parallel()
	err := store.Backup(t.Context(), filepath.Join(t.TempDir(), "none.sqlite"), filepath.Join(t.TempDir(), "copy.sqlite"))
	if buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("got %v", err)
	}
}

// TestAttemptsOfARestoredOrNewDatabaseHaveNamesOfTheirOwn has the same ids given
// three times: their logs and uploads lie beside each other.
func TestAttemptsOfARestoredOrNewDatabaseHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	space := db.NewBuildspace(t, "work")
	db.Iterate(t, space, storetest.Plan("lib"))
	target := filepath.Join(t.TempDir(), "copy.sqlite")
	if err := store.Backup(t.Context(), db.Path, target); err != nil {
		t.Fatal(err)
	}
	restored, err := store.Open(t.Context(), target, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer restored.Close()
	fresh := storetest.New(t)
	fresh.Iterate(t, fresh.NewBuildspace(t, "work"), storetest.Plan("other"))
	names := map[string]int64{}
	for _, s := range []*store.Store{db.Store, restored, fresh.Store} {
		c, err := s.ClaimBuild(t.Context(), storetest.Ask("w"))
		if err != nil || c == nil || c.Resumed {
			t.Fatal(c, err)
		}
		again, err := s.ClaimBuild(t.Context(), storetest.Ask("w"))
		if err != nil || again == nil || !again.Resumed || again.Attempt.Name() != c.Attempt.Name() {
			t.Fatalf("claimed again: %+v, %v", again, err)
		}
		names[c.Attempt.Name().String()] = c.Attempt.ID
		if got, ok := buildbtw.ParseAttemptName(c.Attempt.Name().String()); !ok || got != c.Attempt.Name() {
			t.Errorf("%s is read as %+v", c.Attempt.Name(), got)
		}
	}
	if len(names) != 3 {
		t.Errorf("names: %v", names)
	}
	for name, id := range names {
		if id != 1 {
			t.Errorf("%s is attempt %d, so nothing was tested", name, id)
		}
	}
}
