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
	path, raw, run := olderDatabase(t, 34)
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

// olderDatabase returns a database as it was before a migration, and what executes a statement in it.
func olderDatabase(t *testing.T, version int) (path string, raw *sql.DB, run func(statement string, args ...any)) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "test.sqlite")
	raw, err := sql.Open("sqlite", "file:"+path+"?_pragma=foreign_keys(1)")
	if err != nil {
		t.Fatal(err)
	}
	list, err := loadMigrations(migrations.Files)
	if err != nil {
		t.Fatal(err)
	}
	run = func(statement string, args ...any) {
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
	return path, raw, run
}

// TestOlderEventsOfReleasesGetTheirKind: migration 36 changes what can be recognised for certain.
func TestOlderEventsOfReleasesGetTheirKind(t *testing.T) {
	t.Parallel()
	path, raw, run := olderDatabase(t, 36)
	now := time.Now().UTC()
	run(`PRAGMA foreign_keys = OFF`)
	run(`INSERT INTO targets (id, name, kind, path, after, configured) VALUES (7, 'stable', 'served', '', '', TRUE)`)
	run(`INSERT INTO releases (id, iteration_id, target_id, state, digest, base, generation, units, packages, proven, at_most, created_by, created_at) VALUES (12, 1, 7, 'released', 'd', 'b', 1, 1, 1, TRUE, 1, 'ann', ?)`, now)
	for _, e := range []struct{ kind, cause, message string }{
		{"iteration", "handed-over", "Release 12: released 1 package to stable."},
		{"iteration", "", "Release 12 to stable: waits for signatures."},
		{"iteration", "", "Release 12 to stable failed: the disk is full"},
		{"iteration", "", "Release 13 to stable: of which nothing is known."},
		{"iteration", "", "Iteration 2 was created. Release 12 to stable: said somebody."},
		{"buildspace", "", "Release 12 to stable: said somebody."},
	} {
		run(`INSERT INTO events (at, actor, kind, cause, message) VALUES (?, 'ann', ?, ?, ?)`, now, e.kind, e.cause, e.message)
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	var kinds []string
	if err := s.listText(t.Context(), &kinds, `SELECT kind FROM events WHERE actor = 'ann' ORDER BY id`); err != nil || strings.Join(kinds, " ") != "release release release iteration iteration buildspace" {
		t.Errorf("%q, %v", kinds, err)
	}
	var sound []string
	if err := s.listText(t.Context(), &sound, `PRAGMA integrity_check`); err != nil || strings.Join(sound, " ") != "ok" {
		t.Errorf("%q, %v", sound, err)
	}
	for kind, ok := range map[string]bool{"release": true, "party": false} {
		if _, err := s.write.ExecContext(t.Context(), `UPDATE events SET kind = ? WHERE id = 1`, kind); (err == nil) != ok {
			t.Errorf("kind %s: %v", kind, err)
		}
	}
}
