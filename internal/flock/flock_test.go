package flock_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"testing"

	"buildbtw/internal/flock"
)

func TestALockIsTakenOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	lock, err := flock.Take(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := flock.Take(path); !errors.Is(err, flock.ErrLocked) {
		t.Errorf("%v, want ErrLocked", err)
	}
	for range 2 { // again changes nothing
		if err := lock.Release(); err != nil {
			t.Error(err)
		}
	}
	again, err := flock.Take(path)
	if err != nil {
		t.Fatalf("a released lock: %v", err)
	}
	if err := again.Release(); err != nil {
		t.Error(err)
	}
}

func TestAMissingDirectoryIsNoLock(t *testing.T) {
	t.Parallel()
	if _, err := flock.Take(filepath.Join(t.TempDir(), "none", "lock")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want that it does not exist", err)
	}
}
