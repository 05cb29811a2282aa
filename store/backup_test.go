package store_test

import (
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

func TestBackupOfNothingSaysSo(t *testing.T) {
	t.Parallel()
	err := store.Backup(t.Context(), filepath.Join(t.TempDir(), "none.sqlite"), filepath.Join(t.TempDir(), "copy.sqlite"))
	if buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("got %v", err)
	}
}
