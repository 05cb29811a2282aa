package store

import (
	"context"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"buildbtw"
	"buildbtw/migrations"
)

type migration struct {
	version int
	name    string
	sql     string
}

// migrate runs what the database has not seen yet, each file in its own
// transaction, so that an interrupted start goes on where it stopped.
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
	for _, m := range list {
		if m.version <= version {
			continue
		}
		if err := s.apply(ctx, m); err != nil {
			return fmt.Errorf("migration %s: %w", m.name, err)
		}
	}
	return nil
}

func (s *Store) schemaVersion(ctx context.Context) (version int, err error) {
	const table = `CREATE TABLE IF NOT EXISTS schema_migrations (
    version    INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    applied_at TIMESTAMP NOT NULL
)`
	if _, err := s.write.DB.ExecContext(ctx, table); err != nil {
		return 0, err
	}
	err = s.write.DB.QueryRowContext(ctx, `SELECT coalesce(max(version), 0) FROM schema_migrations`).Scan(&version)
	return version, err
}

func (s *Store) apply(ctx context.Context, m migration) error {
	return s.inTx(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.Tx.Tx.ExecContext(ctx, m.sql); err != nil {
			return err
		}
		_, err := t.Tx.Tx.ExecContext(ctx, `INSERT INTO schema_migrations (version, name, applied_at) VALUES (?, ?, ?)`, m.version, m.name, t.now)
		return err
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
