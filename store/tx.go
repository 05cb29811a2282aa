package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/uptrace/bun"

	"buildbtw"
)

// tx is a writing transaction. There is one at a time, so what it reads stays
// true until it ends.
type tx struct {
	bun.Tx  // for single rows
	queries // for hand-written statements, in the same transaction
	opts    *Options
	now     time.Time // of everything in this transaction; UTC, whole microseconds

	// What was written that somebody may be waiting for. The few functions that
	// write builds, attempts, pipelines and events note it.
	changed   Change
	claimable bool // there may be more for a worker to claim, not only less
	seen      seen // for the observer
}

// note is for all changes but those after which workers find only less.
func (t *tx) note(c Change) {
	t.changed.add(c)
	t.claimable = true
}

// now is the time as the database keeps it.
func (s *Store) now() time.Time { return s.opts.Now().UTC().Truncate(time.Microsecond) }

// inTx runs fn in a writing transaction and wakes the subscribers if it changed
// something. Nothing of it stays when fn fails.
func (s *Store) inTx(ctx context.Context, fn func(context.Context, *tx) error) error {
	t := &tx{opts: &s.opts, now: s.now()}
	keep := func(context.Context) {}
	asked := time.Now()
	var began time.Time
	err := s.write.RunInTx(ctx, nil, func(ctx context.Context, btx bun.Tx) error {
		began = time.Now()
		t.Tx = btx
		t.queries, keep = s.writing.in(&sqlx.Tx{Tx: btx.Tx, Mapper: s.writing.pool.Mapper})
		if err := fn(ctx, t); err != nil {
			return err
		}
		return s.InPlace()
	})
	if !began.IsZero() {
		s.opts.Observer.Took(TimingWait, began.Sub(asked))
		s.opts.Observer.Took(TimingWrite, time.Since(began))
	}
	keep(ctx)
	if err != nil {
		return forPeople(err)
	}
	if s.opts.AfterCommit != nil {
		s.opts.AfterCommit()
	}
	t.seen.tell(s.opts.Observer)
	if t.changed.some() {
		s.changes.Publish(t.changed)
		if t.claimable {
			s.work.changed()
		}
	}
	return nil
}

// insert writes a new row; the database gives it its id.
func (t *tx) insert(ctx context.Context, row any) error {
	_, err := t.NewInsert().Model(row).Exec(ctx)
	return err
}

// idList is a set of row ids as SQL takes it: json_each(?). An IN list of
// thousands of placeholders would be over SQLite's limit.
func idList(ids []int64) string {
	b := make([]byte, 0, 8*len(ids)+2)
	b = append(b, '[')
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, id, 10)
	}
	return string(append(b, ']'))
}

// textList is idList for texts.
func textList[T ~string](list []T) string {
	b, err := json.Marshal(list)
	if err != nil {
		panic("store: a list of strings is always JSON: " + err.Error())
	}
	return string(b)
}

// Lists are cut into pages: a page ends with a cursor, the id of its last row.
const (
	defaultLimit = 50
	maxLimit     = 500
)

func pageLimit(limit int) (int, error) {
	switch {
	case limit == 0:
		return defaultLimit, nil
	case limit < 0 || limit > maxLimit:
		return 0, buildbtw.Invalid("a page of %d rows is not possible; ask for 1 to %d", limit, maxLimit)
	}
	return limit, nil
}

func parseCursor(cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	id, err := strconv.ParseInt(cursor, 10, 64)
	if err != nil || id <= 0 {
		return 0, buildbtw.Invalid("%.40q is no cursor; take it from the page before", cursor)
	}
	return id, nil
}

// cutPage takes the row away that was read only to see whether there are more.
func cutPage[T any](rows []T, limit int, id func(T) int64) (page []T, next string) {
	if len(rows) <= limit {
		return rows, ""
	}
	return rows[:limit], strconv.FormatInt(id(rows[limit-1]), 10)
}

// where collects conditions; all must hold.
type where struct {
	conditions []string
	args       []any
}

func (w *where) add(condition string, args ...any) {
	w.conditions = append(w.conditions, condition)
	w.args = append(w.args, args...)
}

func (w *where) sql() string {
	if len(w.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conditions, " AND ")
}

// contains is a LIKE pattern for texts that have part in them; its escape
// character is a backslash.
func contains(part string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(part) + "%"
}

// notFound gives the words for a row that is not there, and leaves other errors
// as they are.
func notFound(err error, format string, args ...any) error {
	if errors.Is(err, sql.ErrNoRows) {
		return buildbtw.NotFound(format, args...)
	}
	return err
}
