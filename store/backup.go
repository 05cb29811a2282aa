package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

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
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro&_pragma=busy_timeout(5000)")
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
		var fault *sqlite.Error
		if errors.As(err, &fault) && fault.Code()&0xff == sqlite3.SQLITE_FULL {
			words := fmt.Sprintf("there is no room for a copy of the database at %s; free some space there, or choose another disk", target)
			err = &buildbtw.Error{Kind: buildbtw.KindUnavailable, Message: words, Err: err}
		}
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

// CheckFile reads a whole database that nobody writes to, such as a copy, and returns its
// schema. The error is Invalid when it is damaged, or no database of buildbtw's.
func CheckFile(ctx context.Context, path string) (schema int, err error) {
	if _, err := os.Stat(path); err != nil {
		return 0, buildbtw.Invalid("there is no database at %s", path)
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro&immutable=1")
	if err != nil {
		return 0, fmt.Errorf("open the database at %s: %w", path, err)
	}
	defer func() { _ = db.Close() }() // it only read
	found, err := integrity(ctx, db)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if err == nil && len(found) > 0 {
		err = errors.New(found[0])
	}
	if err == nil {
		err = db.QueryRowContext(ctx, `SELECT max(version) FROM schema_migrations`).Scan(&schema)
	}
	if err != nil {
		return 0, buildbtw.Invalid("the database at %s is damaged, or is not buildbtw's: %w", path, err)
	}
	return schema, nil
}

// objectsSchema is the first schema that knows of object storage.
const objectsSchema = 37

// CountObjectsIn counts what the database in a file, of a schema, says that lies in object storage.
func CountObjectsIn(ctx context.Context, path string, schema int) (n ObjectCount, err error) {
	if schema < objectsSchema {
		return n, nil
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro&immutable=1")
	if err != nil {
		return n, fmt.Errorf("open the database at %s: %w", path, err)
	}
	defer func() { _ = db.Close() }() // it only read
	if err := db.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(bytes), 0), coalesce(sum(missing), 0) FROM objects`).Scan(&n.Files, &n.Bytes, &n.Missing); err != nil {
		return n, fmt.Errorf("count the objects of %s: %w", path, err)
	}
	return n, nil
}

// maxDamage bounds what is listed of a damaged database.
const maxDamage = 5

// integrity reads a whole database and lists what is damaged.
func integrity(ctx context.Context, db *sql.DB) ([]string, error) {
	rows, err := db.QueryContext(ctx, fmt.Sprintf(`PRAGMA integrity_check(%d)`, maxDamage))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return nil, err
		}
		if line != "ok" {
			found = append(found, line)
		}
	}
	return found, rows.Err()
}

// CheckIntegrity reads the whole database while it is used and returns Unavailable, in words,
// when it is damaged.
func (q *Reader) CheckIntegrity(ctx context.Context) error {
	found, err := integrity(ctx, q.statements.pool.DB)
	if err == nil && len(found) > 0 {
		err = &buildbtw.Error{Kind: buildbtw.KindUnavailable, Message: damaged, Err: fmt.Errorf("integrity_check: %s", strings.Join(found, "; "))}
	}
	if err != nil {
		return fmt.Errorf("check the database: %w", forPeople(err))
	}
	return nil
}
