package store

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buildbtw/migrations"
)

// TestOlderReleasesSurviveTheirNewStates: migration 34 changes the definitions of tables that
// have rows, to which other rows refer.
func TestOlderReleasesSurviveTheirNewStates(t *testing.T) {
	t.Parallel()
	const version = 34
	path := filepath.Join(t.TempDir(), "test.sqlite")
	raw, err := sql.Open("sqlite", "file:"+path+"?_pragma=foreign_keys(1)")
	if err != nil {
		t.Fatal(err)
	}
	list, err := loadMigrations(migrations.Files)
	if err != nil {
		t.Fatal(err)
	}
	run := func(statement string, args ...any) {
		t.Helper()
		if _, err := raw.ExecContext(t.Context(), statement, args...); err != nil {
			t.Fatalf("%.80s: %v", statement, err)
		}
	}
	run(`CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TIMESTAMP NOT NULL)`)
	for _, m := range list[:version-1] {
		run(m.sql)
		run(`INSERT INTO schema_migrations VALUES (?, ?, ?)`, m.version, m.name, time.Now())
	}
	now := time.Now().UTC()
	run(`INSERT INTO targets (id, name, kind, path, after, configured) VALUES (7, 'stable', 'served', '', '', TRUE)`)
	run(`PRAGMA foreign_keys = OFF`) // its iteration is of no matter here
	run(`INSERT INTO releases (id, iteration_id, target_id, state, digest, base, generation, units, packages, proven, at_most, created_by, created_at) VALUES (9, 1, 7, 'signing', 'd', 'b', 1, 1, 1, TRUE, 1, 'ann', ?)`, now)
	run(`INSERT INTO release_units VALUES (9, 'lib', TRUE, '1-1', '["lib"]', '', 1)`)
	run(`INSERT INTO signing_files VALUES (9, 'lib-1-1-any.pkg.tar.zst', 'f', 1, x'00')`)
	run(`INSERT INTO generations (target_id, number, parent, state, release_id, undoes, created_by, created_at) VALUES (7, 1, 0, 'complete', 0, 0, 'ann', ?)`, now)
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}

	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	var counts []string
	err = s.listText(t.Context(), &counts, `SELECT (SELECT state FROM releases WHERE id = 9) || (SELECT kind FROM targets WHERE id = 7) || (SELECT count(*) FROM release_units) || (SELECT count(*) FROM signing_files) || (SELECT count(*) FROM generations)`)
	if err != nil || len(counts) != 1 || counts[0] != "signingserved111" {
		t.Errorf("%q, %v", counts, err)
	}
	var sound []string
	if err := s.listText(t.Context(), &sound, `PRAGMA integrity_check`); err != nil || strings.Join(sound, " ") != "ok" {
		t.Errorf("%q, %v", sound, err)
	}
	write := func(statement string) error {
		_, err := s.write.ExecContext(t.Context(), statement)
		return err
	}
	for statement, ok := range map[string]bool{
		`UPDATE releases SET state = 'waiting' WHERE id = 9`:   true,
		`UPDATE releases SET state = 'somewhere' WHERE id = 9`: false,
		`UPDATE targets SET kind = 'pkgctl' WHERE id = 7`:      true,
		`UPDATE targets SET kind = 'post' WHERE id = 7`:        false,
	} {
		if err := write(statement); (err == nil) != ok {
			t.Errorf("%s: %v", statement, err)
		}
	}
	waiting, err := s.ReleaseFiles(t.Context(), 9)
	if err != nil || len(waiting) != 0 {
		t.Errorf("%v, %v", waiting, err)
	}
}
