package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"buildbtw"
	"buildbtw/internal/atomicfile"
	"buildbtw/migrations"
)

type migration struct {
	version int
	name    string
	sql     string
}

// migrate runs what the database has not seen yet, in one transaction: when one migration
// fails, or the start is cut off, the database is as it was. A copy of it is made first.
func (s *Store) migrate(ctx context.Context) error {
	list, err := loadMigrations(migrations.Files)
	if err != nil {
		return err
	}
	version, err := s.schemaVersion(ctx)
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if newest := list[len(list)-1].version; version > newest {
		return buildbtw.Conflict("the data was written by a newer buildbtw (schema %d, this one knows %d); install that version again", version, newest)
	}
	next := list[version:] // the numbers have no gaps
	if len(next) == 0 {
		return nil
	}
	newest := next[len(next)-1].version
	if version == 0 {
		return s.apply(ctx, next...)
	}
	began := time.Now()
	copied, err := s.copyBeforeMigration(ctx, version)
	if err != nil {
		return err
	}
	s.opts.Log.InfoContext(ctx, "the database is brought up to date", "from", version, "to", newest, "copy", copied)
	if err := s.apply(ctx, next...); err != nil {
		return fmt.Errorf("the database stays at schema %d, as it was; install the version of before, or report this: %w", version, err)
	}
	s.opts.Log.InfoContext(ctx, "the database is up to date", "from", version, "to", newest, "took", time.Since(began).Round(time.Millisecond), "copy", copied)
	return nil
}

// NewestSchema returns the schema that this program brings databases to.
func NewestSchema() (int, error) {
	list, err := loadMigrations(migrations.Files)
	if err != nil {
		return 0, err
	}
	return list[len(list)-1].version, nil
}

// MigrationCopies is the directory beside a database with its copies from before migrations.
const MigrationCopies = "before-migration"

// maxMigrationCopies is how many copies are kept, each of another schema: a server that is killed
// in a migration again and again copies the same database each time.
const maxMigrationCopies = 3

// migrationRoom is how many bytes must be free for a migration beside those of the copy.
const migrationRoom = 16 << 20

// copyBeforeMigration copies the database and returns where the copy is. The oldest copies
// are removed. The error is Unavailable when there is no room.
func (s *Store) copyBeforeMigration(ctx context.Context, version int) (string, error) {
	dir := filepath.Join(filepath.Dir(s.path), MigrationCopies)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the directory of copies: %w", err)
	}
	if err := roomForCopy(s.path, dir); err != nil {
		return "", err
	}
	unfinished := filepath.Join(dir, "unfinished") // of a start that was cut off
	if err := removeIncomplete(unfinished); err != nil {
		return "", fmt.Errorf("copy the database before it is changed: %w", err)
	}
	if err := Backup(ctx, s.path, unfinished); err != nil {
		return "", fmt.Errorf("copy the database before it is changed: %w", err)
	}
	f, err := os.Open(unfinished)
	if err != nil {
		return "", err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return "", fmt.Errorf("copy the database before it is changed: %w", err)
	}
	path := filepath.Join(dir, fmt.Sprintf("%s-schema-%04d.sqlite", s.now().Format("20060102T150405"), version))
	if err := os.Rename(unfinished, path); err != nil {
		return "", err
	}
	copies, err := filepath.Glob(filepath.Join(dir, "*-schema-*.sqlite")) // sorted, by time
	if err != nil {
		return "", err
	}
	kept := map[string]bool{} // by schema
	for _, old := range slices.Backward(copies) {
		_, schema, _ := strings.Cut(filepath.Base(old), "-schema-")
		if !kept[schema] && len(kept) < maxMigrationCopies {
			kept[schema] = true
			continue
		}
		if err := os.Remove(old); err != nil {
			return "", fmt.Errorf("remove an old copy of the database: %w", err)
		}
	}
	return path, atomicfile.SyncDir(dir)
}

// roomForCopy returns Unavailable when a copy of a database does not fit into a directory.
func roomForCopy(path, dir string) error {
	var size uint64
	for _, name := range []string{path, path + "-wal"} {
		if info, err := os.Stat(name); err == nil {
			size += uint64(info.Size())
		}
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil || disk.Blocks == 0 {
		return nil //nolint:nilerr // not known: the copy itself fails
	}
	if free := disk.Bavail * uint64(disk.Bsize); free < size+migrationRoom {
		return buildbtw.Unavailable("this version changes the database and makes a copy of it before, which needs %d MiB on the disk of %s, where %d MiB are free; free some space and start again. Nothing was changed",
			(size+migrationRoom)>>20+1, dir, free>>20)
	}
	return nil
}

// schemaTable has a row for each migration that a database has seen.
const schemaTable = `CREATE TABLE IF NOT EXISTS schema_migrations (
    version    INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    applied_at TIMESTAMP NOT NULL
)`

func (s *Store) schemaVersion(ctx context.Context) (version int, err error) {
	if _, err := s.write.DB.ExecContext(ctx, schemaTable); err != nil {
		return 0, err
	}
	err = s.write.DB.QueryRowContext(ctx, `SELECT coalesce(max(version), 0) FROM schema_migrations`).Scan(&version)
	return version, err
}

// apply runs migrations in one transaction.
func (s *Store) apply(ctx context.Context, list ...migration) error {
	return s.inTx(ctx, func(ctx context.Context, t *tx) error {
		for _, m := range list {
			if _, err := t.Tx.Tx.ExecContext(ctx, m.sql); err != nil {
				return fmt.Errorf("migration %s: %w", m.name, err)
			}
			_, err := t.Tx.Tx.ExecContext(ctx, `INSERT INTO schema_migrations (version, name, applied_at) VALUES (?, ?, ?)`, m.version, m.name, t.now)
			if err != nil {
				return fmt.Errorf("migration %s: %w", m.name, err)
			}
		}
		return nil
	})
}

// loadMigrations reads files named NNNN_what.sql, in order. The numbers begin
// with 1 and have no gaps: one missing would be a file lost in a merge.
func loadMigrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "*.sql") // sorted
	if err != nil {
		return nil, err
	}
	list := make([]migration, 0, len(names))
	for i, name := range names {
		number, _, _ := strings.Cut(name, "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != i+1 {
			return nil, fmt.Errorf("migration %s: expected number %04d", name, i+1)
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		list = append(list, migration{version, name, string(text)})
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no migrations")
	}
	return list, nil
}
