package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/jmoiron/sqlx/reflectx"

	"buildbtw/internal/lru"
)

// sqlFiles are the hand-written statements, a file a noun. A line "-- name: x"
// begins each; the comment below it gives its reason.
//
//go:embed sql/*.sql
var sqlFiles embed.FS

// args are the values of a statement's named parameters, such as :build.
type args map[string]any

func (a args) list() []any {
	list := make([]any, 0, len(a))
	for name, value := range a {
		list = append(list, sql.Named(name, value))
	}
	return list
}

// statements are the hand-written statements of one pool of connections. It
// prepares each once: SQLite takes longer to parse most of them than to run them.
type statements struct {
	texts map[string]string // by name
	pool  *sqlx.DB
	took  func(time.Duration) // is told how long a statement took that is not in a transaction

	mu       sync.Mutex
	prepared map[string]*sqlx.Stmt // by text
}

// boundLimit finds a limit that is a parameter. SQLite plans such a statement for the
// value of the limit, and so compiles it again each time that it is run, which takes
// longer than most statements do (0.05 of 0.06 ms for one that finds nothing). It does
// not look into an expression.
var boundLimit = regexp.MustCompile(`\b(LIMIT|OFFSET) (:\w+)`)

// loadStatements reads sqlFiles: the statements by name.
func loadStatements() (map[string]string, error) {
	texts := map[string]string{}
	files, err := sqlFiles.ReadDir("sql")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		content, err := sqlFiles.ReadFile("sql/" + f.Name())
		if err != nil {
			return nil, err
		}
		for _, part := range strings.Split("\n"+string(content), "\n-- name: ")[1:] {
			name, text, _ := strings.Cut(part, "\n")
			for strings.HasPrefix(text, "--") {
				_, text, _ = strings.Cut(text, "\n")
			}
			if _, twice := texts[name]; twice {
				return nil, fmt.Errorf("%s: statement %s is there twice", f.Name(), name)
			}
			text = strings.TrimSuffix(strings.TrimSpace(text), ";")
			texts[name] = boundLimit.ReplaceAllString(text, "$1 CAST($2 AS INTEGER)")
		}
	}
	return texts, nil
}

func newStatements(pool *sql.DB, texts map[string]string) *statements {
	db := sqlx.NewDb(pool, "sqlite3")
	db.Mapper = reflectx.NewMapperTagFunc("bun", strings.ToLower, nil) // columns to fields, as bun names them
	return &statements{texts: texts, pool: db, took: func(time.Duration) {}, prepared: map[string]*sqlx.Stmt{}}
}

func (s *statements) find(text string) *sqlx.Stmt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.prepared[text]
}

// prepare must not be called in a transaction of the pool: it takes a
// connection, and the writer has one.
func (s *statements) prepare(ctx context.Context, text string) (*sqlx.Stmt, error) {
	stmt, err := s.pool.PreparexContext(ctx, text)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.prepared[text]; other != nil {
		return other, stmt.Close() //nolint:sqlclosecheck // the other one stays
	}
	s.prepared[text] = stmt
	return stmt, nil
}

// queries runs hand-written statements on a pool of connections or, when tx is
// set, in a snapshot or a writing transaction of it.
type queries struct {
	statements *statements
	tx         *sqlx.Tx
	unprepared *[]string // texts that tx ran without a prepared statement
}

// in returns queries that run in a transaction. When that has ended, keep
// prepares the statements that it did not find prepared.
func (s *statements) in(tx *sqlx.Tx) (q queries, keep func(context.Context)) {
	q = queries{s, tx, new([]string)}
	return q, func(ctx context.Context) {
		for _, text := range *q.unprepared {
			_, _ = s.prepare(context.WithoutCancel(ctx), text) //nolint:sqlclosecheck // the next transaction tries again
		}
	}
}

// prepared returns the statement ready to run; nil when the transaction has to
// run its text.
func (q queries) prepared(ctx context.Context, text string) (*sqlx.Stmt, error) {
	stmt := q.statements.find(text)
	switch {
	case stmt == nil && q.tx == nil:
		return q.statements.prepare(ctx, text)
	case stmt == nil:
		*q.unprepared = append(*q.unprepared, text)
		return nil, nil
	case q.tx != nil:
		return q.tx.StmtxContext(ctx, stmt), nil
	}
	return stmt, nil
}

// timed tells how long a statement outside of a transaction took that began at a time.
func (q queries) timed(began time.Time) {
	if q.tx == nil {
		q.statements.took(time.Since(began))
	}
}

func (q queries) text(name string) (string, error) {
	text, found := q.statements.texts[name]
	if !found {
		return "", fmt.Errorf("there is no statement %q in store/sql", name)
	}
	return text, nil
}

// list reads the rows of a statement of store/sql into a slice.
func (q queries) list(ctx context.Context, dst any, name string, a args) error {
	text, err := q.text(name)
	if err != nil {
		return err
	}
	return q.run(ctx, dst, text, a)
}

// run is list for a statement that is composed in Go.
func (q queries) run(ctx context.Context, dst any, text string, a args) error {
	defer q.timed(time.Now())
	stmt, err := q.prepared(ctx, text) //nolint:sqlclosecheck // lives as long as the pool
	switch {
	case err != nil:
		return forPeople(err)
	case stmt == nil:
		return forPeople(q.tx.SelectContext(ctx, dst, text, a.list()...))
	}
	return forPeople(stmt.SelectContext(ctx, dst, a.list()...))
}

// readable is list for items of which none may hold up the others: those rows that
// can be read, and an error that names the others. Rows can be wrong that somebody has
// changed by hand, or that a damaged disk has.
func readable[T any](ctx context.Context, q queries, name string, a args) ([]T, error) {
	var items []T
	if q.list(ctx, &items, name, a) == nil {
		return items, nil
	}
	text, err := q.text(name)
	if err != nil {
		return nil, err
	}
	rows, err := q.db().QueryxContext(ctx, text, a.list()...)
	if err != nil {
		return nil, forPeople(err)
	}
	defer rows.Close()
	var unreadable []error
	for items = nil; rows.Next(); {
		var item T
		if err := rows.StructScan(&item); err != nil {
			row, _ := rows.SliceScan() // the first column tells which it is
			unreadable = append(unreadable, fmt.Errorf("the row of %v cannot be read (%s): %w", row[:min(len(row), 1)], name, err))
			continue
		}
		items = append(items, item)
	}
	return items, errors.Join(append(unreadable, forPeople(rows.Err()))...)
}

// get reads the one row of a statement of store/sql; sql.ErrNoRows when there
// is none.
func (q queries) get(ctx context.Context, dst any, name string, a args) error {
	defer q.timed(time.Now())
	text, err := q.text(name)
	if err != nil {
		return err
	}
	stmt, err := q.prepared(ctx, text) //nolint:sqlclosecheck // lives as long as the pool
	switch {
	case err != nil:
		return forPeople(err)
	case stmt == nil:
		return forPeople(q.tx.GetContext(ctx, dst, text, a.list()...))
	}
	return forPeople(stmt.GetContext(ctx, dst, a.list()...))
}

// exec runs a statement of store/sql that returns no rows, and tells how many it
// changed.
func (q queries) exec(ctx context.Context, name string, a args) (changed int64, err error) {
	text, err := q.text(name)
	if err != nil {
		return 0, err
	}
	stmt, err := q.prepared(ctx, text) //nolint:sqlclosecheck // lives as long as the pool
	var result sql.Result
	switch {
	case err != nil:
		return 0, err
	case stmt == nil:
		result, err = q.tx.ExecContext(ctx, text, a.list()...)
	default:
		result, err = stmt.ExecContext(ctx, a.list()...)
	}
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// rows is list for so many rows that they are read one by one. The caller closes
// them.
func (q queries) rows(ctx context.Context, name string, a args) (*sql.Rows, error) {
	text, err := q.text(name)
	if err != nil {
		return nil, err
	}
	return q.db().QueryContext(ctx, text, a.list()...)
}

// listText reads the rows of a list whose conditions are composed in Go.
func (q queries) listText(ctx context.Context, dst any, text string, values ...any) error {
	defer q.timed(time.Now())
	return forPeople(sqlx.SelectContext(ctx, q.db(), dst, text, values...))
}

// getText is listText for one row; sql.ErrNoRows when there is none.
func (q queries) getText(ctx context.Context, dst any, text string, values ...any) error {
	defer q.timed(time.Now())
	return forPeople(sqlx.GetContext(ctx, q.db(), dst, text, values...))
}

func (q queries) db() sqlx.ExtContext {
	if q.tx != nil {
		return q.tx
	}
	return q.statements.pool
}

// Reader is the reading half of the store. Each of its methods sees the
// database as it is at one moment; those of the Reader that Snapshot passes on
// all see the same moment.
type Reader struct {
	queries
	*shared
}

// shared is what readers keep in memory of the iterations that were asked for last.
type shared struct {
	graphs    *lru.Cache[int64, *iterationGraph] // by iteration
	blocked   *lru.Cache[int64, *blockedState]   // by iteration
	summaries *lru.Cache[int64, blockedSummary]  // by iteration
}

// keptGraphs and keptBlocked bound the memory, in bytes: a graph of 27,000 edges takes
// 0.25 MB, so that those of 200 active buildspaces are kept. Reading one takes 40 ms of
// processor time, and the home page needs one for each failure.
const (
	keptGraphs  = 64 << 20
	keptBlocked = 32 << 20
)

func newShared() *shared {
	return &shared{
		graphs:    lru.NewWeighted[int64](keptGraphs, (*iterationGraph).bytes),
		blocked:   lru.NewWeighted[int64](keptBlocked, (*blockedState).bytes),
		summaries: lru.New[int64, blockedSummary](keptSummaries),
	}
}

// Snapshot runs fn with a Reader all of whose answers are of one moment,
// whatever is committed meanwhile. A page that needs several answers asks for
// them in one snapshot. In a snapshot, Snapshot stays in it.
func (q *Reader) Snapshot(ctx context.Context, fn func(*Reader) error) error {
	if q.tx != nil {
		return fn(q)
	}
	tx, err := q.statements.pool.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	in, keep := q.statements.in(tx)
	defer keep(ctx)
	defer tx.Rollback() // it only read
	defer (queries{statements: q.statements}).timed(time.Now())
	return fn(&Reader{queries: in, shared: q.shared})
}
