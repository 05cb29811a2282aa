package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"buildbtw"
)

// What people read when the database cannot be used, and what to do.
const (
	diskFull = "the server's disk is full, so nothing was kept of this; free some space on the disk of the data directory, then try again"
	damaged  = "the database is damaged; stop the server, put a backup in the place of buildbtw.sqlite (without its -wal and -shm), and start it again; " +
		"without a backup move it away: an empty server can build everything again"
)

// forPeople gives faults of the disk below the database words. They are
// Unavailable: what was tried may succeed later, and nothing of it was kept.
func forPeople(err error) error {
	var fault *sqlite.Error
	if !errors.As(err, &fault) {
		return err
	}
	var words string
	switch fault.Code() & 0xff { // the primary result code, https://sqlite.org/rescode.html
	case sqlite3.SQLITE_FULL:
		words = diskFull
	case sqlite3.SQLITE_IOERR:
		words = "the server's disk failed to read or write the database, so nothing was kept of this; look at the server's log and at the disk"
		if fault.Code() == sqlite3.SQLITE_IOERR_SHMSIZE {
			words = diskFull
		}
	case sqlite3.SQLITE_READONLY:
		words = "the database cannot be written, so nothing was kept of this; the disk may have become read-only: look at the server's log and at the disk"
	case sqlite3.SQLITE_CANTOPEN:
		words = "the database cannot be opened; look whether the data directory is there and may be written"
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		words = damaged
	default:
		return err
	}
	return &buildbtw.Error{Kind: buildbtw.KindUnavailable, Message: words, Err: err}
}

// checkTime bounds the look for damage at the start. A gigabyte takes longer; then
// the damage is found when it is read.
const checkTime = 5 * time.Second

// check looks for damage in the database.
func (s *Store) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	var result string
	err := s.write.DB.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&result)
	switch {
	case ctx.Err() != nil || errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	case result != "ok":
		return &buildbtw.Error{Kind: buildbtw.KindUnavailable, Message: damaged, Err: fmt.Errorf("quick_check: %s", result)}
	}
	return nil
}

// InPlace returns an error when the database is not at its path any more: it was
// removed or replaced while it is in use. What is written then is lost at the end
// of the process, so nothing is written any more.
func (s *Store) InPlace() error {
	now, err := os.Stat(s.path)
	if err == nil && os.SameFile(now, s.file) {
		return nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil // nothing is known of it; the next write fails by itself if it is gone
	}
	return buildbtw.Unavailable("the database was removed or replaced while the server runs: nothing can be kept any more; stop the server, put the database or a backup in its place, and start it again")
}
