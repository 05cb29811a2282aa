package chaos

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"
)

// observer reads the database from beside, whatever happens to the server.
type observer struct{ db *sql.DB }

func newObserver(t *testing.T, path string) observer {
	t.Helper()
	db, err := openReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // it only read
	return observer{db}
}

func openReadOnly(path string) (*sql.DB, error) {
	return sql.Open("sqlite", "file:"+path+"?_pragma=query_only(1)&_pragma=busy_timeout(5000)")
}

// built counts the builds that are built. The error names one that will never
// be: nothing in a run of chaos is a package's own fault.
func (o observer) built(ctx context.Context) (n int, err error) {
	err = o.db.QueryRowContext(ctx, "SELECT count(*) FROM builds WHERE status = 'built'").Scan(&n)
	return n, err
}

// lost names the builds that will never be built.
func (o observer) lost(ctx context.Context) ([]string, error) {
	return o.texts(ctx, `SELECT b.pkgbase || ' is ' || b.status || ': ' || (SELECT group_concat(a.number || ' ' || a.worker || ' ' || a.outcome || ' ' || a.message, '; ') FROM attempts AS a WHERE a.build_id = b.id)
FROM builds AS b WHERE b.status IN ('failed', 'skipped')`)
}

// aside names the workers that the server gives nothing any more.
func (o observer) aside(ctx context.Context) ([]string, error) {
	return o.texts(ctx, "SELECT name FROM workers WHERE set_aside <> ''")
}

// unfinished describes what is left.
func (o observer) unfinished(ctx context.Context) ([]string, error) {
	return o.texts(ctx, `SELECT b.pkgbase || ' is ' || b.status || ', waits for ' || b.waiting || ', not before ' || coalesce(b.not_before, 'now') || ', held ' || b.held
FROM builds AS b WHERE b.status NOT IN ('built', 'blocked') LIMIT 20`)
}

func (o observer) texts(ctx context.Context, query string) (list []string, err error) {
	rows, err := o.db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s sql.NullString
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		list = append(list, s.String)
	}
	return list, rows.Err()
}

// executed counts how often a worker began a build, from their logs.
func (s *site) executed() (n int, err error) {
	for _, m := range s.machines {
		text, err := os.ReadFile(s.workerLog(m))
		if err != nil {
			return 0, fmt.Errorf("read the log of %s: %w", m.name, err)
		}
		n += strings.Count(string(text), `msg="build begins"`)
	}
	return n, nil
}
