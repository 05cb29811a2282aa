package store

import (
	"context"
	"database/sql"

	"github.com/jmoiron/sqlx"
)

// queries runs hand-written SQL on a pool of connections, in a snapshot, or in
// a writing transaction.
type queries struct{ db sqlx.ExtContext }

// listText reads rows into a slice.
func (q queries) listText(ctx context.Context, dst any, text string, args ...any) error {
	return sqlx.SelectContext(ctx, q.db, dst, text, args...)
}

// getText reads one row; sql.ErrNoRows when there is none.
func (q queries) getText(ctx context.Context, dst any, text string, args ...any) error {
	return sqlx.GetContext(ctx, q.db, dst, text, args...)
}

// execText carries out a statement that returns no rows.
func (q queries) execText(ctx context.Context, text string, args ...any) (sql.Result, error) {
	return q.db.ExecContext(ctx, text, args...)
}

// Reader is the reading half of the store. Each of its methods sees the
// database as it is at one moment; those of the Reader that Snapshot passes on
// all see the same moment.
type Reader struct {
	queries
	pool *sqlx.DB // connections that can only read; nil in a snapshot
	*shared
}

// shared are what readers keep in memory of the database.
type shared struct {
	graphs    recent[adjacency]
	standings recent[standing]
}

// Snapshot runs fn with a Reader all of whose answers are of one moment,
// whatever is committed meanwhile. A page that needs several answers asks for
// them in one snapshot. In a snapshot, Snapshot stays in it.
func (q *Reader) Snapshot(ctx context.Context, fn func(*Reader) error) error {
	if q.pool == nil {
		return fn(q)
	}
	tx, err := q.pool.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // it only read
	return fn(&Reader{queries: queries{tx}, shared: q.shared})
}
