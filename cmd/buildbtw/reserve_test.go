package main

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/store"
)

// TestTheFreedReserveIsNoRoom starts on a full disk, which frees the reserve, and wants the
// server not ready by what that has freed; with room it is ready.
func TestTheFreedReserveIsNoRoom(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	mountSmall(t, dir, "64m")
	log := slog.New(slog.DiscardHandler)
	if err := checkDataDir(dir, log); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), databasePath(dir), store.Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &server{flags: serveFlags{dataDir: dir}, log: log, store: db}
	if err := s.fit(); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(dir, "ballast")
	fill(t, ballast, leastFree/2)
	if err := checkDataDir(dir, log); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, reserveName)); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the reserve was not freed: %v", err)
	}
	if n, ok := free(dir); !ok || n < leastFree {
		t.Fatalf("%d bytes are free, which does not try anything", n)
	}
	if err := s.fit(); buildbtw.KindOf(err) != buildbtw.KindUnavailable || !strings.Contains(err.Error(), "is full") {
		t.Errorf("with the reserve freed the server says %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := s.fit(); err != nil {
		t.Errorf("with room: %v", err)
	}
}
