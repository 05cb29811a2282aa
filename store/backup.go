package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"

	"buildbtw"
)

// Backup writes a consistent copy of the database at path to target, which must
// not exist. A server may be using the database meanwhile.
func Backup(ctx context.Context, path, target string) error {
	if _, err := os.Stat(path); err != nil {
		return buildbtw.NotFound("there is no database at %s; name the data directory with --data-dir", path)
	}
	if _, err := os.Stat(target); !errors.Is(err, os.ErrNotExist) {
		return buildbtw.Conflict("%s exists already; choose another file", target)
	}
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		return fmt.Errorf("open the database at %s: %w", path, err)
	}
	defer func() { _ = db.Close() }() // it only read
	// SQLite writes into a file that is empty, and would make one that all can read.
	file, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("copy the database: %w", err)
	}
	if err := file.Close(); err != nil {
		return errors.Join(fmt.Errorf("copy the database: %w", err), removeIncomplete(target))
	}
	if _, err := db.ExecContext(ctx, `VACUUM INTO ?`, target); err != nil {
		return errors.Join(fmt.Errorf("copy the database to %s: %w", target, err), removeIncomplete(target))
	}
	return nil
}

// removeIncomplete removes what a failed copy left, if it left anything.
func removeIncomplete(target string) error {
	if err := os.Remove(target); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
