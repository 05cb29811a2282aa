package store

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/migrations"
)

var update = flag.Bool("update", false, "write migrations/schema.sql anew")

// TestSchemaIsWhatTheMigrationsMake compares the checked-in dump with a fresh
// database; go test ./store -run Schema -update writes it.
func TestSchemaIsWhatTheMigrationsMake(t *testing.T) {
	const path = "../migrations/schema.sql"
	got := dump(t, openTemp(t))
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s differs; run go test ./store -run Schema -update:\n%s", path, d)
	}
}

func dump(t *testing.T, s *Store) string {
	t.Helper()
	var statements []string
	err := s.listText(t.Context(), &statements, `SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY rowid`)
	if err != nil {
		t.Fatal(err)
	}
	return "-- What the migrations result in. Made by: go test ./store -run Schema -update\n\n" + strings.Join(statements, ";\n\n") + ";\n"
}

// TestEveryColumnHasAField writes and reads each table through its struct: a
// column without a field makes sqlx fail, a field without a column bun.
func TestEveryColumnHasAField(t *testing.T) {
	s := openTemp(t)
	check := func(table string, rows any) {
		t.Helper()
		if err := s.listText(t.Context(), rows, "SELECT * FROM "+table+" LIMIT 0"); err != nil {
			t.Errorf("sqlx: %s: %v", table, err)
		}
		if err := s.write.NewSelect().Model(rows).Limit(1).Scan(t.Context()); err != nil {
			t.Errorf("bun: %s: %v", table, err)
		}
	}
	check("buildspaces", &[]buildbtw.Buildspace{})
	check("changesets", &[]changesetRow{})
	check("iterations", &[]buildbtw.Iteration{})
	check("iteration_changesets", &[]iterationChangeset{})
	check("builds", &[]buildbtw.Build{})
	check("edges", &[]buildbtw.Edge{})
	check("cuts", &[]buildbtw.Cut{})
	check("attempts", &[]buildbtw.Attempt{})
	check("packages", &[]buildbtw.Package{})
	check("workers", &[]buildbtw.Worker{})
	check("source_groups", &[]buildbtw.SourceGroup{})
	check("mirrored_projects", &[]buildbtw.MirroredProject{})
	check("events", &[]buildbtw.Event{})
}

func TestNewerDatabaseIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.sqlite")
	s, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.write.ExecContext(t.Context(), `INSERT INTO schema_migrations VALUES (999, '0999_later.sql', '2030-01-01')`); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), path, Options{})
	if buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(buildbtw.MessageOf(err), "newer") {
		t.Errorf("got %v, want a conflict that names the newer version", err)
	}
	if l, err := acquire(path + ".lock"); err != nil {
		t.Errorf("the lock was not given back: %v", err)
	} else if err := l.release(); err != nil {
		t.Error(err)
	}
}

func TestInterruptedMigrationGoesOn(t *testing.T) {
	s := openTemp(t)
	before, err := s.schemaVersion(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bad := migration{version: before + 1, name: "9999_bad.sql", sql: "CREATE TABLE half (a); CREATE TABLE half (a);"}
	if err := s.apply(t.Context(), bad); err == nil {
		t.Fatal("a migration that fails was applied")
	}
	version, err := s.schemaVersion(t.Context())
	if err != nil || version != before || strings.Contains(dump(t, s), "half") {
		t.Errorf("version %d (%v); half of the failed migration stayed", version, err)
	}
}

func TestMigrationsHaveNoGaps(t *testing.T) {
	if _, err := loadMigrations(migrations.Files); err != nil {
		t.Error(err)
	}
	file := &fstest.MapFile{Data: []byte("SELECT 1")}
	for _, fs := range []fstest.MapFS{{}, {"0002_b.sql": file}, {"0001_a.sql": file, "0003_c.sql": file}, {"first.sql": file}} {
		if list, err := loadMigrations(fs); err == nil {
			t.Errorf("%v was taken: %v", fs, list)
		}
	}
}

// TestQueueQuestionsUseTheirIndexes holds the plans of the queries that must
// stay fast with ten thousand builds.
func TestQueueQuestionsUseTheirIndexes(t *testing.T) {
	s := openTemp(t)
	questions := map[string]struct {
		query string
		args  []any
		index []string
	}{
		"best pending":       {bestPending(), []any{"2026", `["x86_64"]`, 9, "2026", 0.1}, []string{"builds_pending (iteration_id=? AND architecture=?)", "COVERING INDEX builds_status (iteration_id=? AND status=?)", "iterations_ready"}},
		"count by status":    {`SELECT status, count(*) FROM builds WHERE iteration_id = 1 GROUP BY status`, nil, []string{"COVERING INDEX builds_status"}},
		"expired leases":     {`SELECT * FROM attempts WHERE state = 'running' AND deadline <= '2026'`, nil, []string{"attempts_deadline (deadline<?)"}},
		"attempt of slot":    {`SELECT * FROM attempts WHERE worker = 'w' AND slot = 0 AND state = 'running'`, nil, []string{"attempts_one_per_slot (worker=? AND slot=?)"}},
		"events of build":    {`SELECT * FROM events WHERE build_id = 1 ORDER BY id`, nil, []string{"events_build (build_id=?)"}},
		"dependencies":       {`SELECT * FROM edges WHERE to_build = 1`, nil, []string{"edges_to (to_build=?)"}},
		"twins":              {`SELECT id FROM builds WHERE twin_of <> 0 AND twin_of = 1`, nil, []string{"builds_twin (twin_of=?)"}},
		"latest of a worker": {`SELECT * FROM attempts WHERE worker = 'w' AND state = 'finished' ORDER BY finished_at DESC`, nil, []string{"attempts_worker (worker=?)"}},
		"what is undecided":  {heldBuilds(buildbtw.HoldDecide), []any{9}, []string{"builds_held (held=?)"}},
		"what is to link":    {anyToLink, nil, []string{"COVERING INDEX builds_held (held=?)"}},
		"what is publishing": {`SELECT * FROM attempts WHERE state = 'publishing'`, nil, []string{"attempts_publishing"}},
	}
	for name, q := range questions {
		plan := explain(t, s, q.query, q.args)
		for _, want := range q.index {
			if !strings.Contains(plan, want) {
				t.Errorf("%s: the plan does not use %s:\n%s", name, want, plan)
			}
		}
	}
}

func explain(t *testing.T, s *Store, query string, args []any) string {
	t.Helper()
	rows, err := s.db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		plan.WriteString(detail + "\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan.String()
}
