// Package invariants checks what must always be true of a database: queries
// that must give no row, and the history of every build against the table of
// transitions. Tests and the simulation run it after what they do.
package invariants

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"buildbtw"
	_ "buildbtw/store" // registers the driver
)

// rules are queries that must give no row; each gives a text that names
// what breaks it.
func rules() []rule { return slices.Concat(buildRules(), comparisonRules(), reuseRules()) }

func buildRules() []rule {
	return []rule{
		{"a build has one attempt under way at most", `
SELECT build_id FROM attempts WHERE state <> 'finished' GROUP BY build_id HAVING count(*) > 1`},
		{"a scheduled build has a pipeline that has not ended", `
SELECT b.pkgbase FROM builds AS b WHERE b.status = 'scheduled'
AND NOT EXISTS (SELECT 1 FROM pipelines AS p WHERE p.build_id = b.id AND p.state <> 'ended'
    AND p.id = (SELECT max(l.id) FROM pipelines AS l WHERE l.build_id = b.id))`},
		{"a building build has an attempt that is not to stop", `
SELECT b.pkgbase FROM builds AS b WHERE b.status = 'building'
AND NOT EXISTS (SELECT 1 FROM attempts AS a WHERE a.build_id = b.id AND a.state <> 'finished' AND NOT a.stop)`},
		{"an attempt that is not to stop belongs to a building build", `
SELECT b.pkgbase || ' is ' || b.status FROM attempts AS a JOIN builds AS b ON b.id = a.build_id
WHERE a.state <> 'finished' AND NOT a.stop AND b.status <> 'building'`},
		{"a build starts only when all that it waits for is built or unchanged", `
SELECT b.pkgbase || ' is ' || b.status || ', ' || d.pkgbase || ' is ' || d.status
FROM builds AS b JOIN iterations AS i ON i.id = b.iteration_id
JOIN graph_edges AS e ON e.graph_id = i.graph_id AND e.to_place = b.id - i.first_build JOIN builds AS d ON d.id = i.first_build + e.from_place
WHERE b.status NOT IN ('blocked', 'skipped') AND d.status <> 'built' AND d.skip_reason <> 'unchanged'`},
		{"a twin is built only when its work is done", `
SELECT b.pkgbase || ' is ' || b.status FROM builds AS b JOIN builds AS d ON d.id = b.twin_of
WHERE b.status NOT IN ('blocked', 'skipped') AND (b.status <> 'built' OR d.status <> 'built')`},
		{"waiting is the number of dependencies that are neither built nor unchanged", `
SELECT pkgbase || ' waits for ' || waiting || ', really ' || really FROM (
    SELECT b.pkgbase, b.waiting,
        (SELECT count(*) FROM iterations AS i JOIN graph_edges AS e ON e.graph_id = i.graph_id AND e.to_place = b.id - i.first_build
            JOIN builds AS d ON d.id = i.first_build + e.from_place WHERE i.id = b.iteration_id AND d.status <> 'built' AND d.skip_reason <> 'unchanged')
        + (SELECT count(*) FROM builds AS d WHERE d.id = b.twin_of AND d.status <> 'built' AND d.skip_reason <> 'unchanged') AS really
    FROM builds AS b) WHERE waiting <> really`},
		{"a blocked build waits for something", `
SELECT pkgbase FROM builds WHERE status = 'blocked' AND waiting = 0`},
		{"the published packages of a built build are those of one attempt", `
SELECT b.pkgbase FROM builds AS b WHERE b.status = 'built' AND b.twin_of = 0 AND b.baseline_id = 0 AND b.repeat_of = 0
AND (SELECT count(DISTINCT attempt_id) FROM packages AS p WHERE p.build_id = b.id AND p.published) <> 1`},
		{"only a built build, or one that is being built again by force, has published packages", `
SELECT b.pkgbase || ' is ' || b.status FROM builds AS b JOIN packages AS p ON p.build_id = b.id
WHERE p.published AND b.status <> 'built' AND NOT b.forced`},
		{"a package in a repository is of one pkgbase", `
SELECT p.pkgname || ' for ' || b.architecture || ' is of ' || group_concat(DISTINCT b.pkgbase)
FROM packages AS p JOIN builds AS w ON w.id = p.build_id JOIN builds AS b ON b.id = w.id OR b.twin_of = w.id AND b.twin_of <> 0
WHERE p.published AND p.architecture IN ('any', b.architecture)
GROUP BY b.iteration_id, b.architecture, p.pkgname HAVING count(DISTINCT b.pkgbase) > 1`},
		{"no build publishes what another pkgbase owns", `
SELECT b.pkgbase || ' publishes ' || p.pkgname || ' of ' || o.value
FROM builds AS b JOIN json_each(b.not_owned) AS o JOIN packages AS p ON p.build_id = b.id AND p.pkgname = o.key WHERE p.published`},
		{"a buildspace has one ready iteration at most", `
SELECT buildspace_id FROM iterations WHERE state = 'ready'
AND buildspace_id NOT IN (SELECT id FROM buildspaces WHERE hidden) GROUP BY buildspace_id HAVING count(*) > 1`},
		{"an iteration that is over has no work left but what is being published or linked, and what others wait for", `
SELECT b.pkgbase || ' is ' || b.status FROM builds AS b JOIN iterations AS i ON i.id = b.iteration_id
WHERE i.state <> 'ready' AND b.status NOT IN ('built', 'failed', 'skipped')
AND b.held <> 'linking'
AND NOT EXISTS (SELECT 1 FROM attempts AS a WHERE a.build_id = b.id AND a.state = 'publishing')
AND NOT EXISTS (SELECT 1 FROM builds AS w WHERE w.input_key = b.input_key AND w.input_key <> '' AND w.held = 'running')`},
		{"the numbers of builds by status are those of the builds", `
SELECT 'iteration ' || c.iteration_id || ' is said to have ' || c.builds || ' ' || c.status || ', really ' || c.really FROM (
    SELECT *, (SELECT count(*) FROM builds AS b WHERE b.iteration_id = n.iteration_id AND b.status = n.status) AS really FROM build_counts AS n) AS c
WHERE c.builds <> c.really AND c.iteration_id NOT IN (SELECT id FROM iterations WHERE deleted_at IS NOT NULL)`},
		{"the builds of every iteration are counted", `
SELECT DISTINCT iteration_id FROM builds WHERE iteration_id NOT IN (SELECT iteration_id FROM build_counts)`},
		{"an event about a build names its iteration and buildspace", `
SELECT e.id FROM (` + events + `) AS e JOIN builds AS b ON b.id = e.build_id JOIN iterations AS i ON i.id = b.iteration_id
WHERE i.deleted_at IS NULL AND (e.iteration_id IS NOT i.id OR e.buildspace_id IS NOT i.buildspace_id)`},
		{"an event has as many builds as it says, and no other has its ids", `
SELECT e.id FROM events AS e WHERE e.iteration_id NOT IN (SELECT id FROM iterations WHERE deleted_at IS NOT NULL) AND e.builds <> CASE e.build_ranges WHEN '' THEN 1 ELSE (
    SELECT count(*) FROM json_each(e.build_ranges) AS r CROSS JOIN builds AS b ON b.id BETWEEN r.value ->> 0 AND r.value ->> 1) END
OR EXISTS (SELECT 1 FROM events AS o WHERE o.id < e.id AND o.id > e.id - e.builds)`},
	}
}

// events has a row for each build that an event is about.
const events = `
SELECT id, buildspace_id, iteration_id, build_id, from_status, to_status, cause FROM events WHERE kind = 'build' AND build_ranges = ''
UNION ALL
SELECT e.id, e.buildspace_id, e.iteration_id, b.id, e.from_status, e.to_status, e.cause
FROM events AS e CROSS JOIN json_each(e.build_ranges) AS r CROSS JOIN builds AS b ON b.id BETWEEN r.value ->> 0 AND r.value ->> 1
WHERE e.build_ranges <> ''`

type rule struct{ meaning, query string }

// Checker looks at a database over a connection of its own, with everything
// prepared: most of a check is otherwise the reading of SQL.
type Checker struct {
	db      *sql.DB
	rules   []*sql.Stmt // as rules
	history *sql.Stmt   // every build's events
}

// New opens the database file at path for checking. The caller closes the
// checker.
func New(ctx context.Context, path string) (*Checker, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=query_only(1)&_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, fmt.Errorf("open for checking: %w", err)
	}
	db.SetMaxOpenConns(1) // Violations begins a transaction on it by hand
	c := &Checker{db: db}
	if err := c.prepare(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return c, nil
}

// Close gives the connection back.
func (c *Checker) Close() error { return c.db.Close() }

func (c *Checker) prepare(ctx context.Context) (err error) {
	for _, r := range rules() {
		s, err := c.db.PrepareContext(ctx, r.query) //nolint:sqlclosecheck // lives as long as the connection, which Close ends
		if err != nil {
			return fmt.Errorf("prepare the check that %s: %w", r.meaning, err)
		}
		c.rules = append(c.rules, s)
	}
	c.history, err = c.db.PrepareContext(ctx, `SELECT b.id, b.pkgbase, b.status, e.from_status, e.to_status, e.cause
FROM builds AS b LEFT JOIN (`+events+`) AS e ON e.build_id = b.id ORDER BY b.id, e.id`)
	return err
}

// Violations says what breaks the invariants, one line each. It looks at one
// snapshot, whatever is written meanwhile. It must not be called by several
// goroutines at a time.
func (c *Checker) Violations(ctx context.Context) (found []string, err error) {
	if _, err := c.db.ExecContext(ctx, "BEGIN"); err != nil {
		return nil, fmt.Errorf("begin to check: %w", err)
	}
	found, err = c.violations(ctx)
	if _, end := c.db.ExecContext(context.WithoutCancel(ctx), "ROLLBACK"); end != nil {
		err = errors.Join(err, fmt.Errorf("end the check: %w", end))
	}
	return found, err
}

func (c *Checker) violations(ctx context.Context) ([]string, error) {
	var found []string
	for i, r := range rules() {
		list, err := texts(ctx, c.rules[i])
		if err != nil {
			return nil, fmt.Errorf("check that %s: %w", r.meaning, err)
		}
		for _, what := range list {
			found = append(found, fmt.Sprintf("broken: %s: %s", r.meaning, what))
		}
	}
	replayed, err := replay(ctx, c.history)
	if err != nil {
		return nil, fmt.Errorf("replay the history: %w", err)
	}
	return append(found, replayed...), nil
}

func texts(ctx context.Context, query *sql.Stmt) (list []string, err error) {
	rows, err := query.QueryContext(ctx)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, rows.Err()
}

// step is a row of a build's history, with what the build is now.
type step struct {
	build  int64
	name   string
	status buildbtw.Status
	from   buildbtw.Status
	to     buildbtw.Status
	cause  buildbtw.Cause
}

// replay goes through the events of all builds: each must begin where the one
// before ended, take a way that the transition table has, and the last must
// lead to what the build is now.
func replay(ctx context.Context, history *sql.Stmt) (found []string, err error) {
	rows, err := history.QueryContext(ctx)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var last step
	end := func() {
		if last.build != 0 && last.to != last.status {
			found = append(found, fmt.Sprintf("broken: %s is %s, its events lead to %q", last.name, last.status, last.to))
		}
	}
	for rows.Next() {
		var s step
		if err := rows.Scan(&s.build, &s.name, &s.status, orEmpty(&s.from), orEmpty(&s.to), orEmpty(&s.cause)); err != nil {
			return nil, err
		}
		at, why := buildbtw.StatusNew, buildbtw.Cause("")
		if s.build == last.build {
			at, why = last.to, last.cause
		} else {
			end()
		}
		if s.from != at || !s.from.CanBecome(s.to, s.cause) || s.cause == buildbtw.CauseResumed && !buildbtw.Resumable(why) {
			found = append(found, fmt.Sprintf("broken: events of %s: %q to %q (%s) while it was %q", s.name, s.from, s.to, s.cause, at))
		}
		last = s
	}
	end()
	return found, rows.Err()
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
