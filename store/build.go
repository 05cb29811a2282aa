package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"

	"buildbtw"
)

// BuildRef names a build where another one mentions it.
type BuildRef struct {
	ID           int64           `bun:"id"`
	Pkgbase      string          `bun:"pkgbase"`
	Architecture string          `bun:"architecture"`
	Stage        int             `bun:"stage"`
	Status       buildbtw.Status `bun:"status"`
	SkipReason   buildbtw.Cause  `bun:"skip_reason"`
}

// BuildRow is a build with where it belongs and what it waits for in the end.
type BuildRow struct {
	buildbtw.Build
	Buildspace string     `bun:"buildspace"`
	Iteration  int        `bun:"iteration"`
	RootCauses []BuildRef `bun:"-"` // of a blocked build; nearest first, at most MaxRootCauses
}

// The pieces of every query for BuildRow and BuildRef: b, i and s are the build,
// its iteration and its buildspace.
const (
	buildRowColumns = `b.*, s.name AS buildspace, i.number AS iteration`
	buildRowJoins   = `JOIN iterations AS i ON i.id = b.iteration_id JOIN buildspaces AS s ON s.id = i.buildspace_id`
	buildRefColumns = `b.id, b.pkgbase, b.architecture, b.stage, b.status, b.skip_reason`
)

// BuildFilter selects builds; empty fields select all.
type BuildFilter struct {
	Buildspace   string
	Iteration    int // 0: the latest one of Buildspace, or all when no buildspace is named
	Architecture string
	Status       string // one or more, separated by commas
	Pkgbase      string // exactly
	Query        string // part of the pkgbase
	Cursor       string // where the page before ended
	Limit        int    // 50 when 0, at most 500
}

// loadBuildRow loads one build; NotFound when there is none.
func loadBuildRow(ctx context.Context, q sqlx.QueryerContext, id int64) (BuildRow, error) {
	var row BuildRow
	err := sqlx.GetContext(ctx, q, &row, `SELECT `+buildRowColumns+` FROM builds AS b `+buildRowJoins+` WHERE b.id = ?`, id)
	return row, notFound(err, "there is no build %d", id)
}

func (t *tx) buildRow(ctx context.Context, id int64) (BuildRow, error) {
	return loadBuildRow(ctx, t.lists, id)
}

// Build gives one build.
func (s *Store) Build(ctx context.Context, id int64) (BuildRow, error) {
	rows := []BuildRow{}
	err := s.view(ctx, func(q *sqlx.Tx) error {
		err := q.SelectContext(ctx, &rows, `SELECT `+buildRowColumns+` FROM builds AS b `+buildRowJoins+` WHERE b.id = ?`, id)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return buildbtw.NotFound("there is no build %d", id)
		}
		return s.addRootCauses(ctx, q, rows)
	})
	if err != nil {
		return BuildRow{}, fmt.Errorf("load build %d: %w", id, err)
	}
	return rows[0], nil
}

// Builds lists builds: within one iteration in the plan's order, over several
// the newest first.
func (s *Store) Builds(ctx context.Context, f BuildFilter) (rows []BuildRow, next string, err error) {
	limit, err := pageLimit(f.Limit)
	if err != nil {
		return nil, "", err
	}
	rows = []BuildRow{}
	err = s.view(ctx, func(q *sqlx.Tx) error {
		query, args, err := f.query(ctx, q)
		if err != nil {
			return err
		}
		if err := q.SelectContext(ctx, &rows, query+" LIMIT ?", append(args, limit+1)...); err != nil {
			return err
		}
		rows, next = cutPage(rows, limit, func(r BuildRow) int64 { return r.ID })
		return s.addRootCauses(ctx, q, rows)
	})
	if err != nil {
		return nil, "", fmt.Errorf("list builds: %w", err)
	}
	return rows, next, nil
}

func (f BuildFilter) query(ctx context.Context, q *sqlx.Tx) (string, []any, error) {
	var w where
	after, order := "b.id < ?", " ORDER BY b.id DESC"
	if f.Buildspace != "" {
		id, err := iterationID(ctx, q, f.Buildspace, f.Iteration)
		if err != nil {
			return "", nil, err
		}
		w.add("b.iteration_id = ?", id)
		after, order = "b.id > ?", " ORDER BY b.id"
	}
	cursor, err := parseCursor(f.Cursor)
	if err != nil {
		return "", nil, err
	}
	if cursor != 0 {
		w.add(after, cursor)
	}
	if err := f.conditions(&w); err != nil {
		return "", nil, err
	}
	return `SELECT ` + buildRowColumns + ` FROM builds AS b ` + buildRowJoins + w.sql() + order, w.args, nil
}

func (f BuildFilter) conditions(w *where) error {
	if f.Architecture != "" {
		w.add("b.architecture = ?", f.Architecture)
	}
	if f.Pkgbase != "" {
		w.add("b.pkgbase = ?", f.Pkgbase)
	}
	if f.Query != "" {
		w.add(`b.pkgbase LIKE ? ESCAPE '\'`, contains(f.Query))
	}
	if f.Status == "" {
		return nil
	}
	statuses := strings.Split(f.Status, ",")
	for _, st := range statuses {
		if !slices.Contains(buildbtw.Statuses(), buildbtw.Status(st)) {
			return buildbtw.Invalid("unknown status %.40q; choose from blocked, pending, scheduled, building, built, failed, skipped", st)
		}
	}
	w.add("b.status IN (SELECT value FROM json_each(?))", textList(statuses))
	return nil
}

// Attempts lists the executions of a build, newest first.
func (s *Store) Attempts(ctx context.Context, buildID int64) ([]buildbtw.Attempt, error) {
	rows := []buildbtw.Attempt{}
	err := s.lists.SelectContext(ctx, &rows, `SELECT * FROM attempts WHERE build_id = ? ORDER BY number DESC`, buildID)
	if err != nil {
		return nil, fmt.Errorf("list attempts of build %d: %w", buildID, err)
	}
	return rows, nil
}

// BuildPackages lists what a build has in the repository, by file name; for a
// twin, what the build that does its work has there.
func (s *Store) BuildPackages(ctx context.Context, buildID int64) ([]buildbtw.Package, error) {
	rows := []buildbtw.Package{}
	err := s.lists.SelectContext(ctx, &rows, `SELECT p.* FROM builds AS b
JOIN packages AS p ON p.build_id = CASE b.twin_of WHEN 0 THEN b.id ELSE b.twin_of END
WHERE b.id = ? AND p.published ORDER BY p.filename`, buildID)
	if err != nil {
		return nil, fmt.Errorf("list packages of build %d: %w", buildID, err)
	}
	return rows, nil
}
