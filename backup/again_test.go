package backup_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"buildbtw"
	"buildbtw/backup"
)

// TestARepeatedRestoreKeepsNoSecondCopy repeats a restore that was cut off, once before what was
// there is aside and once after: what the restore has made goes, and what was there before is
// kept.
func TestARepeatedRestoreKeepsNoSecondCopy(t *testing.T) {
	t.Parallel()
	db, dir := data(t)
	place, o := t.TempDir(), backup.Options{Now: clock()}
	if _, err := backup.Write(t.Context(), dir, place, o); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	o.Replace = true
	write(t, filepath.Join(dir, "logs/0/2-cd.log"), "what was there")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cut := o
	cut.Progress = func(backup.Progress) { cancel() } // as a signal, or a full disk, after the first file
	if _, err := backup.Restore(ctx, place, dir, cut); !errors.Is(err, context.Canceled) || buildbtw.KindOf(backup.Unfinished(dir)) != buildbtw.KindConflict {
		t.Fatalf("the restore was not cut off: %v", err)
	}
	asides := func() []string {
		list, err := filepath.Glob(filepath.Join(dir, "before-restore-*"))
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	if got := asides(); len(got) != 1 {
		t.Fatalf("aside after the first: %v", got)
	}
	write(t, filepath.Join(dir, "logs/0/3-ef.log"), "half a file of the restore")
	s, err := backup.Restore(t.Context(), place, dir, o)
	if err != nil || s.Aside != "" {
		t.Fatalf("repeated: %+v, %v", s, err)
	}
	got := asides()
	if len(got) != 1 {
		t.Fatalf("aside after the second: %v", got)
	}
	if text, err := os.ReadFile(filepath.Join(got[0], "logs/0/2-cd.log")); err != nil || string(text) != "what was there" {
		t.Errorf("what was there before: %q, %v", text, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "logs/0/3-ef.log")); err == nil {
		t.Error("what the restore that was cut off has made is still there")
	}
	if err := backup.Unfinished(dir); err != nil {
		t.Error(err)
	}

	// Cut off before all was aside: what is left of it is kept, too.
	write(t, filepath.Join(dir, "restore-unfinished"), "a backup is being restored into this directory\n")
	write(t, filepath.Join(dir, "logs/0/4-01.log"), "not moved yet")
	if s, err = backup.Restore(t.Context(), place, dir, o); err != nil || s.Aside == "" {
		t.Fatalf("repeated after a move that was cut off: %+v, %v", s, err)
	}
	if text, err := os.ReadFile(filepath.Join(s.Aside, "logs/0/4-01.log")); err != nil || string(text) != "not moved yet" {
		t.Errorf("it is not aside: %q, %v", text, err)
	}
}
