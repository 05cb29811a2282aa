package storetest

import (
	"database/sql"
	"fmt"
	"testing"

	"buildbtw"
)

// invariants are queries that must give no row; each gives a text that names
// what breaks it.
func invariants() []invariant {
	return []invariant{
		{"a build has one attempt under way at most", `
SELECT build_id FROM attempts WHERE state <> 'finished' GROUP BY build_id HAVING count(*) > 1`},
		{"a building build has an attempt that is not to stop", `
SELECT b.pkgbase FROM builds AS b WHERE b.status = 'building'
AND NOT EXISTS (SELECT 1 FROM attempts AS a WHERE a.build_id = b.id AND a.state <> 'finished' AND NOT a.stop)`},
		{"an attempt that is not to stop belongs to a building build", `
SELECT b.pkgbase || ' is ' || b.status FROM attempts AS a JOIN builds AS b ON b.id = a.build_id
WHERE a.state <> 'finished' AND NOT a.stop AND b.status <> 'building'`},
		{"a build starts only when all that it waits for is built", `
SELECT b.pkgbase || ' is ' || b.status || ', ' || d.pkgbase || ' is ' || d.status
FROM builds AS b JOIN edges AS e ON e.to_build = b.id JOIN builds AS d ON d.id = e.from_build
WHERE b.status NOT IN ('blocked', 'skipped') AND d.status <> 'built'`},
		{"a twin is built only when its work is done", `
SELECT b.pkgbase || ' is ' || b.status FROM builds AS b JOIN builds AS d ON d.id = b.twin_of
WHERE b.status NOT IN ('blocked', 'skipped') AND (b.status <> 'built' OR d.status <> 'built')`},
		{"waiting is the number of dependencies that are not built", `
SELECT pkgbase || ' waits for ' || waiting || ', really ' || really FROM (
    SELECT b.pkgbase, b.waiting,
        (SELECT count(*) FROM edges AS e JOIN builds AS d ON d.id = e.from_build WHERE e.to_build = b.id AND d.status <> 'built')
        + (SELECT count(*) FROM builds AS d WHERE d.id = b.twin_of AND d.status <> 'built') AS really
    FROM builds AS b) WHERE waiting <> really`},
		{"a blocked build waits for something", `
SELECT pkgbase FROM builds WHERE status = 'blocked' AND waiting = 0`},
		{"the published packages of a built build are those of one attempt", `
SELECT b.pkgbase FROM builds AS b WHERE b.status = 'built' AND b.twin_of = 0
AND (SELECT count(DISTINCT attempt_id) FROM packages AS p WHERE p.build_id = b.id AND p.published) <> 1`},
		{"only a built build has published packages", `
SELECT b.pkgbase || ' is ' || b.status FROM builds AS b JOIN packages AS p ON p.build_id = b.id WHERE p.published AND b.status <> 'built'`},
		{"a buildspace has one ready iteration at most", `
SELECT buildspace_id FROM iterations WHERE state = 'ready' GROUP BY buildspace_id HAVING count(*) > 1`},
		{"an iteration that is over has no work left but what is being published", `
SELECT b.pkgbase || ' is ' || b.status FROM builds AS b JOIN iterations AS i ON i.id = b.iteration_id
WHERE i.state <> 'ready' AND b.status NOT IN ('built', 'failed', 'skipped')
AND NOT EXISTS (SELECT 1 FROM attempts AS a WHERE a.build_id = b.id AND a.state = 'publishing')`},
		{"an event about a build names its iteration and buildspace", `
SELECT e.id FROM events AS e JOIN builds AS b ON b.id = e.build_id JOIN iterations AS i ON i.id = b.iteration_id
WHERE e.iteration_id IS NOT i.id OR e.buildspace_id IS NOT i.buildspace_id`},
	}
}

type invariant struct{ rule, query string }

// Check fails the test for every invariant that the database breaks.
func (d *DB) Check(t testing.TB) {
	t.Helper()
	for _, violation := range d.Violations(t) {
		t.Error(violation)
	}
}

// Violations says what breaks the invariants, one line each.
func (d *DB) Violations(t testing.TB) []string {
	t.Helper()
	if d.checker == nil {
		d.checker = newChecker(t, d.Path)
	}
	var found []string
	for i, inv := range invariants() {
		for _, what := range texts(t, d.checker.rules[i]) {
			found = append(found, fmt.Sprintf("broken: %s: %s", inv.rule, what))
		}
	}
	return append(found, replay(t, d.checker.history)...)
}

// checker has its own connection to the database, with everything prepared:
// most of a check is otherwise the reading of SQL.
type checker struct {
	rules   []*sql.Stmt // as invariants
	history *sql.Stmt   // every build's events
}

func newChecker(t testing.TB, path string) *checker {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=query_only(1)&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatalf("open for checking: %v", err)
	}
	t.Cleanup(func() { _ = db.Close() }) // it only read
	prepare := func(query string) *sql.Stmt {
		s, err := db.PrepareContext(t.Context(), query)
		if err != nil {
			t.Fatalf("check: %v\n%s", err, query)
		}
		return s
	}
	c := &checker{history: prepare(`SELECT b.id, b.pkgbase, b.status, e.from_status, e.to_status, e.cause
FROM builds AS b LEFT JOIN events AS e ON e.build_id = b.id AND e.kind = 'build' ORDER BY b.id, e.id`)}
	for _, inv := range invariants() {
		c.rules = append(c.rules, prepare(inv.query))
	}
	return c
}

func texts(t testing.TB, rule *sql.Stmt) []string {
	t.Helper()
	rows, err := rule.QueryContext(t.Context())
	if err != nil {
		t.Fatalf("check: %v", err)
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// replay goes through the events of all builds: each must begin where the one
// before ended, take a way that the transition table has, and the last must
// lead to what the build is now.
func replay(t testing.TB, history *sql.Stmt) []string {
	t.Helper()
	rows, err := history.QueryContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var found []string
	at, want, names := map[int64]buildbtw.Status{}, map[int64]buildbtw.Status{}, map[int64]string{}
	for rows.Next() {
		var id int64
		var name string
		var status, from, to buildbtw.Status
		var cause buildbtw.Cause
		if err := rows.Scan(&id, &name, &status, orEmpty(&from), orEmpty(&to), orEmpty(&cause)); err != nil {
			t.Fatal(err)
		}
		if from != at[id] || !from.CanBecome(to, cause) {
			found = append(found, fmt.Sprintf("broken: events of %s: %q to %q (%s) while it was %q", name, from, to, cause, at[id]))
		}
		at[id], want[id], names[id] = to, status, name
	}
	for id, status := range want {
		if at[id] != status {
			found = append(found, fmt.Sprintf("broken: %s is %s, its events lead to %q", names[id], status, at[id]))
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

// orEmpty scans NULL as the empty text.
func orEmpty[T ~string](dst *T) sql.Scanner { return textScanner[T]{dst} }

type textScanner[T ~string] struct{ dst *T }

func (s textScanner[T]) Scan(src any) error {
	var v sql.NullString
	err := v.Scan(src)
	*s.dst = T(v.String)
	return err
}
