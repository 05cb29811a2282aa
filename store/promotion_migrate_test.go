package store

import (
	"database/sql"
	"path/filepath"
	"testing"

	"buildbtw/migrations"
)

// TestReleasesOfBeforeKeepTheirIterations applies migration 33 to a database that has a release.
func TestReleasesOfBeforeKeepTheirIterations(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "old.db")+"?_pragma=foreign_keys(1)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	exec := func(text string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	list, err := loadMigrations(migrations.Files)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list[:32] {
		exec(m.sql)
	}
	exec(`INSERT INTO buildspaces (id, name, status, scope, cycles, priority, created_by, created_at) VALUES (3, 'work', 'active', 'all', 'once', 'normal', 'anna', '2026-01-01')`)
	exec(`INSERT INTO iterations (id, buildspace_id, number, state, reason, created_at) VALUES (7, 3, 1, 'ready', 'created', '2026-01-01')`)
	exec(`INSERT INTO targets (id, name, kind, path, after, configured) VALUES (1, 'stable', 'served', '', '', TRUE)`)
	exec(`INSERT INTO releases (id, iteration_id, target_id, state, digest, base, generation, units, packages, proven, at_most, created_by, created_at)
		VALUES (9, 7, 1, 'released', 'd', 'b', 1, 1, 1, TRUE, 1, 'anna', '2026-01-01')`)
	exec(`INSERT INTO release_units (release_id, pkgbase, goes, version, pkgnames, reason, build_id) VALUES (9, 'lib', TRUE, '1-1', '["lib"]', '', 0)`)
	exec(list[32].sql)
	var iteration, units int
	row := db.QueryRowContext(t.Context(), `SELECT iteration_id, (SELECT count(*) FROM release_units WHERE release_id = r.id) FROM releases AS r WHERE id = 9 AND from_id IS NULL`)
	if err := row.Scan(&iteration, &units); err != nil || iteration != 7 || units != 1 {
		t.Errorf("release 9 is of iteration %d and has %d pkgbases (%v)", iteration, units, err)
	}
	if _, err := db.ExecContext(t.Context(), `UPDATE releases SET iteration_id = NULL WHERE id = 9`); err == nil {
		t.Error("a release comes from nowhere")
	}
	exec(`DELETE FROM iterations WHERE id = 7`)
	if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM releases`).Scan(&units); err != nil || units != 0 {
		t.Errorf("%d releases outlive their iteration (%v)", units, err)
	}
}
