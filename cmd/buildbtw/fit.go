package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"buildbtw"
	"buildbtw/backup"
	"buildbtw/handlers"
	"buildbtw/internal/atomicfile"
)

const (
	// reserveSize is set aside in the data directory, and freed by a start on a
	// full disk: SQLite needs some room even to read.
	reserveSize = 1 << 20
	reserveName = "reserve"

	// leastFree is how much space counts as none: what is written next fails.
	leastFree = 1 << 20

	// watchPeriod is how often it is looked whether the database is in its place.
	watchPeriod = 2 * time.Second
)

// free returns the bytes that may be written below a directory; not ok when that
// is not known.
func free(dir string) (bytes uint64, ok bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil || s.Blocks == 0 {
		return 0, false
	}
	return s.Bavail * uint64(s.Bsize), true
}

// disks returns the room of the file systems of the data directory: parts of it may be mounts
// of their own.
func (s *server) disks() []handlers.Disk {
	var disks []handlers.Disk
	for _, dir := range []string{".", "sources.git", "repos", "staging", "targets", "logs", "base", "workers"} {
		var fs syscall.Statfs_t
		if err := syscall.Statfs(filepath.Join(s.flags.dataDir, dir), &fs); err != nil {
			continue // it is not there, or nothing is known of it
		}
		disks = append(disks, handlers.Disk{Directory: dir, Free: fs.Bavail * uint64(fs.Bsize), Size: fs.Blocks * uint64(fs.Bsize)})
	}
	return disks
}

// fit returns Unavailable, with words, while the server cannot keep anything new.
func (s *server) fit() error {
	if err := s.store.InPlace(); err != nil {
		return err
	}
	if n, ok := free(s.flags.dataDir); ok && n < leastFree+s.owed() {
		return buildbtw.Unavailable("the disk of the data directory is full: %d KiB are free; free some space there", n>>10)
	}
	return nil
}

// owed returns the bytes of the reserve that a start on a full disk has freed: they are for
// reading, and make the disk no less full.
func (s *server) owed() uint64 {
	if _, err := os.Stat(filepath.Join(s.flags.dataDir, reserveName)); errors.Is(err, os.ErrNotExist) {
		return reserveSize
	}
	return 0
}

// watch ends with an error when the database is not in its place any more: the
// server must not go on as if it kept what it is told.
func (s *server) watch(ctx context.Context) error {
	tick := time.NewTicker(watchPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := s.store.InPlace(); err != nil {
			return fmt.Errorf("%s: %w", databasePath(s.flags.dataDir), err)
		}
	}
}

// checkDataDir makes the data directory and tries to write in it, so that the
// reason is clear when that cannot be done. A full disk is no reason not to
// start: what is there can be read, and people see what to delete.
func checkDataDir(dir string, log logger) error {
	if err := backup.Unfinished(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("make the data directory: %w; choose another one with --data-dir", err)
	}
	reserve := filepath.Join(dir, reserveName)
	if n, ok := free(dir); ok && n < leastFree {
		log.Warn("the disk of the data directory is full: the server starts, but nothing new can be kept until there is space", "data", dir, "free-bytes", n)
		return ignoreMissing(os.Remove(reserve))
	}
	err := atomicfile.Write(reserve, 0o600, func(w io.Writer) error {
		_, err := w.Write(make([]byte, reserveSize))
		return err
	})
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		log.Warn("the disk of the data directory is nearly full", "data", dir, "error", err)
		return nil
	case err != nil:
		return fmt.Errorf("the data directory %s is not writable: %w; choose another one with --data-dir", dir, err)
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
