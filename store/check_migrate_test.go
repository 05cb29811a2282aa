package store

import (
	"database/sql"
	"path/filepath"
	"testing"

	"buildbtw/migrations"
)

// TestChecksOfBeforeStayUntilThereAreOthers applies migration 39 to a database that has results.
func TestChecksOfBeforeStayUntilThereAreOthers(t *testing.T) {
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
	for _, m := range list[:38] {
		exec(m.sql)
	}
	exec(`PRAGMA foreign_keys = OFF`)
	exec(`INSERT INTO check_results (build_id, kind, outcome, detail) VALUES (5, 'files', 'found', '["lib: usr/x"]')`)
	exec(list[38].sql)
	var view, outcome, detail string
	if err := db.QueryRowContext(t.Context(), `SELECT view, outcome, detail FROM check_results WHERE build_id = 5`).Scan(&view, &outcome, &detail); err != nil || view != "" || outcome != "found" || detail != `["lib: usr/x"]` {
		t.Errorf("%q %s %s, %v", view, outcome, detail, err)
	}
	exec(`INSERT INTO check_results (build_id, view, kind, outcome) VALUES (5, 'testing', 'files', 'ok')`)
	if _, err := db.ExecContext(t.Context(), `INSERT INTO check_results (build_id, view, kind, outcome) VALUES (5, 'testing', 'files', 'found')`); err == nil {
		t.Error("a build has two results of a check in one view")
	}
}
