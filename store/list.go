package store

import (
	"database/sql"
	"errors"
	"strconv"
	"strings"

	"buildbtw"
)

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
