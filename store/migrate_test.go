package store

import (
	"database/sql"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/internal/flock"
	"buildbtw/migrations"
)

var update = flag.Bool("update", false, "write migrations/schema.sql anew")

// TestSchemaIsWhatTheMigrationsMake compares the checked-in dump with a fresh
// database; go test ./store -run Schema -update writes it.
func TestSchemaIsWhatTheMigrationsMake(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
	check("graph_edges", &[]graphEdge{})
	check("graph_cuts", &[]graphCut{})
	check("attempts", &[]buildbtw.Attempt{})
	check("packages", &[]buildbtw.Package{})
	check("workers", &[]buildbtw.Worker{})
	check("source_groups", &[]buildbtw.SourceGroup{})
	check("mirrored_projects", &[]buildbtw.MirroredProject{})
	check("events", &[]storedEvent{})
	check("targets", &[]buildbtw.Target{})
	check("turn_states", &[]buildbtw.TurnState{})
	check("turns", &[]buildbtw.Turn{})
	check("channels", &[]buildbtw.Channel{})
	check("deliveries", &[]buildbtw.Delivery{})
	check("releases", &[]buildbtw.Release{})
	check("release_units", &[]buildbtw.ReleaseUnit{})
	check("generations", &[]buildbtw.Generation{})
	check("waivers", &[]buildbtw.Waiver{})
	check("check_results", &[]CheckResult{})
	check("checked_builds", &[]CheckedBuild{})
	check("signatures", &[]buildbtw.Signature{})
	check("signing_files", &[]buildbtw.SigningFile{})
	check("release_files", &[]buildbtw.ReleaseFile{})
	check("objects", &[]MovedObject{})
}

func TestNewerDatabaseIsRefused(t *testing.T) {
	t.Parallel()
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
	if l, err := flock.Take(path + ".lock"); err != nil {
		t.Errorf("the lock was not given back: %v", err)
	} else if err := l.Release(); err != nil {
		t.Error(err)
	}
}

func TestInterruptedMigrationGoesOn(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
	s := openTemp(t)
	questions := map[string]struct {
		args  args
		index []string
	}{
		"best_pending": {args{"now": "2026", "architectures": `["x86_64"]`, "most_running": 9, "aging_days": 0.1}, []string{
			"builds_pending (iteration_id=? AND architecture=?)", "COVERING INDEX builds_status (iteration_id=? AND status=?)", "iterations_ready",
		}},
		"attempt_of_slot":          {args{"worker": "w", "slot": 0}, []string{"attempts_one_per_slot (worker=? AND slot=?)"}},
		"expired_leases":           {args{"now": "2026"}, []string{"attempts_deadline (deadline<?)"}},
		"next_due":                 {args{"now": "2026"}, []string{"builds_paused (not_before>?)"}},
		"next_wake":                {args{"now": "2026"}, []string{"attempts_deadline", "builds_paused (not_before>?)"}},
		"publishing_attempts":      {nil, []string{"attempts_publishing"}},
		"latest_of_worker":         {args{"worker": "w", "trusted": "2026", "first_seen": "2026", "limit": 9}, []string{"attempts_worker (worker=? AND finished_at>?)"}},
		"held_builds":              {args{"hold": "decide", "limit": 9}, []string{"builds_held (held=?)"}},
		"any_to_link":              {nil, []string{"COVERING INDEX builds_held (held=?)"}},
		"same_input":               {args{"builds": "[1]"}, []string{"builds_key (input_key=?)"}},
		"hold":                     {args{"builds": "[1]"}, []string{"builds_key (input_key=?)", "p USING INTEGER PRIMARY KEY (rowid=?)"}},
		"unwanted_runs":            {nil, []string{"builds_running", "builds_key (input_key=?)"}},
		"freed":                    {args{"satisfied": "[1]"}, []string{"e USING PRIMARY KEY (graph_id=? AND from_place=?)", "builds_twin (twin_of=?)"}},
		"count_down":               {args{"satisfied": "[1]"}, []string{"e USING PRIMARY KEY (graph_id=? AND from_place=?)", "builds_twin (twin_of=?)"}},
		"recount_waiting":          {args{"builds": "[1]"}, []string{"graph_edges_to (graph_id=? AND to_place=?)"}},
		"dependents_of_build":      {args{"build": 1}, []string{"e USING PRIMARY KEY (graph_id=? AND from_place=?)", "builds_twin (twin_of=?)"}},
		"dependency_outputs":       {args{"builds": "[1]", "depends": 1}, []string{"graph_edges_to (graph_id=? AND to_place=?)", "d USING INTEGER PRIMARY KEY (rowid=?)"}},
		"count_dependencies":       {args{"build": 1, "stuck": "[]"}, []string{"graph_edges_to (graph_id=? AND to_place=?)"}},
		"count_dependents":         {args{"build": 1, "stuck": "[]"}, []string{"e USING PRIMARY KEY (graph_id=? AND from_place=?)"}},
		"open_pipelines":           {nil, []string{"pipelines_open"}},
		"latest_pipeline_of_build": {args{"build": 1}, []string{"pipelines_build (build_id=?)"}},
		"newest_results":           {args{"keys": "[]"}, []string{"builds_key (input_key=?)"}},
		"moves_since":              {args{"event": 1, "iteration": 1, "limit": 1}, []string{"events_iteration (iteration_id=? AND rowid>?)"}},
		"causes_changed":           {args{"known": "[]"}, []string{"events_iteration (iteration_id=? AND rowid>?)"}},
		"count_verdicts":           {args{"iterations": "[1]"}, []string{"builds_status (iteration_id=? AND status=?)", "builds_verdict (iteration_id=? AND verdict=?)"}},
		"newest_builds":            {args{"pkgbases": "[]"}, []string{"builds_pkgbase (pkgbase=?)"}},
		"package_sizes":            {args{"pkgbases": "[]", "architecture": "x86_64"}, []string{"builds_pkgbase (pkgbase=?)"}},
		"links_known":              {args{"pkgbases": "[]", "architecture": "x86_64"}, []string{"builds_pkgbase (pkgbase=?)", "f USING PRIMARY KEY (sha256=?)"}},
		"builds_of_status":         {args{"iteration": 1, "status": "failed", "limit": 1, "skip": 0}, []string{"COVERING INDEX builds_status (iteration_id=? AND status=?)"}},
	}
	for name, q := range questions {
		plan := explain(t, s, name, q.args)
		for _, want := range q.index {
			if !strings.Contains(plan, want) {
				t.Errorf("%s: the plan does not use %s:\n%s", name, want, plan)
			}
		}
	}
}

func explain(t *testing.T, s *Store, statement string, a args) string {
	t.Helper()
	rows, err := s.db().QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+s.statements.texts[statement], a.list()...)
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

// atSchema makes a database of a released schema, with rows in it.
func atSchema(t *testing.T, version int) string {
	t.Helper()
	list, err := loadMigrations(migrations.Files)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "buildbtw.sqlite")
	db, err := sql.Open("sqlite", dsn(path, "_pragma=journal_mode(WAL)"))
	if err != nil {
		t.Fatal(err)
	}
	statements := []string{schemaTable}
	for _, m := range list[:version] {
		statements = append(statements, m.sql, `INSERT INTO schema_migrations VALUES (`+strconv.Itoa(m.version)+`, '`+m.name+`', '2026-01-01')`)
		if m.version == 1 { // so that every later migration meets rows
			rows, err := os.ReadFile("testdata/schema-0001-rows.sql")
			if err != nil {
				t.Fatal(err)
			}
			statements = append(statements, string(rows))
		}
	}
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%v in %.300s", err, s)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestEverySchemaIsBroughtUpToDate upgrades a database of each schema so far: every row is
// there afterwards with its values, the schema is the one of a new database, and a copy of
// before lies beside it.
func TestEverySchemaIsBroughtUpToDate(t *testing.T) {
	t.Parallel()
	newest, err := NewestSchema()
	if err != nil {
		t.Fatal(err)
	}
	want := sortedStatements(dump(t, openTemp(t)))
	for version := 1; version <= newest; version++ {
		path := atSchema(t, version)
		s, err := Open(t.Context(), path, Options{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Errorf("from %d: %v", version, err)
			continue
		}
		if d := cmp.Diff(want, sortedStatements(dump(t, s))); d != "" {
			t.Errorf("from %d: another schema than a new database's:\n%s", version, d)
		}
		builds, _, err := s.Builds(t.Context(), BuildFilter{Buildspace: "work"})
		got := map[string]string{}
		for _, b := range builds {
			got[b.Pkgbase] = strings.Join([]string{string(b.Status), b.Commit, b.Version, strconv.Itoa(b.Waiting), strconv.Itoa(b.Attempts)}, " ")
		}
		if d := cmp.Diff(map[string]string{"lib": "built c1 1-1 0 1", "app": "failed c2 2-1 0 1", "leaf": "blocked c3 3-1 1 0"}, got); d != "" || err != nil {
			t.Errorf("from %d: builds, %v:\n%s", version, err, d)
		}
		it, err := s.Iteration(t.Context(), "work", 1)
		if err != nil || it.Counts[buildbtw.StatusBuilt] != 1 || it.Counts[buildbtw.StatusFailed] != 1 || it.Counts[buildbtw.StatusBlocked] != 1 {
			t.Errorf("from %d: counts %v, %v", version, it.Counts, err)
		}
		packages, err := s.RepositoryPackages(t.Context(), "work_1", "x86_64")
		if err != nil || len(packages) != 1 || packages[0].Filename != "lib-1-1-x86_64.pkg.tar.zst" || packages[0].Size != 123 {
			t.Errorf("from %d: packages %+v, %v", version, packages, err)
		}
		attempts, err := s.Attempts(t.Context(), 2)
		if err != nil || len(attempts) != 1 || attempts[0].Outcome != buildbtw.OutcomeFailed || attempts[0].Message != "check() failed" || attempts[0].Name().String() != "2" {
			t.Errorf("from %d: attempts %+v, %v", version, attempts, err)
		}
		if err := s.CheckIntegrity(t.Context()); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		wantCopies(t, path, version, newest)
	}
}

// wantCopies asserts that a migration has copied the database as it was, and that none was
// copied when there was nothing to do.
func wantCopies(t *testing.T, path string, version, newest int) {
	t.Helper()
	copies, err := filepath.Glob(filepath.Join(filepath.Dir(path), MigrationCopies, "*"))
	if err != nil || (len(copies) == 1) != (version < newest) {
		t.Errorf("from %d: copies %v, %v", version, copies, err)
		return
	}
	if version < newest {
		schema, err := CheckFile(t.Context(), copies[0])
		info, statErr := os.Stat(copies[0])
		if err != nil || schema != version || statErr != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the copy has schema %d, want %d; %v, %v", schema, version, err, statErr)
		}
	}
}

// sortedStatements lists the statements of a dump without their order: tables that a migration
// made again are elsewhere.
func sortedStatements(text string) []string {
	list := strings.Split(text, ";\n")
	slices.Sort(list)
	return list
}

// TestAFailedMigrationLeavesTheDatabaseAsItWas has a migration meet what it cannot work with,
// after another one that went well: nothing of either stays.
func TestAFailedMigrationLeavesTheDatabaseAsItWas(t *testing.T) {
	t.Parallel()
	const before = 28
	path := atSchema(t, before)
	db, err := sql.Open("sqlite", dsn(path, ""))
	if err != nil {
		t.Fatal(err)
	}
	// A column that 0030 adds has been added by hand.
	if _, err := db.ExecContext(t.Context(), `ALTER TABLE source_groups ADD COLUMN hook_at TIMESTAMP`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), path, Options{Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		t.Fatal("it was migrated", s.Close())
	}
	if !strings.Contains(err.Error(), "as it was") || !strings.Contains(err.Error(), "0030_gitlab.sql") {
		t.Errorf("it says %v", err)
	}
	if schema, err := CheckFile(t.Context(), path); err != nil || schema != before {
		t.Errorf("schema %d, %v; want %d", schema, err, before)
	}
}

func TestOldCopiesOfTheDatabaseGo(t *testing.T) {
	t.Parallel()
	path := atSchema(t, 1)
	dir := filepath.Join(filepath.Dir(path), MigrationCopies)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"20200101T000000-schema-0001.sqlite", "20210101T000000-schema-0002.sqlite", "20220101T000000-schema-0003.sqlite", "unfinished", "mine"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(t.Context(), path, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 4 || entries[0].Name()[:4] != "2021" || entries[3].Name() != "mine" {
		t.Errorf("left: %v, %v", entries, err)
	}
}
