package store

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"buildbtw"
	"buildbtw/buildgraph"
)

// BuildspaceRow is a buildspace with what lists and pages show of it.
type BuildspaceRow struct {
	buildbtw.Buildspace
	Changesets []buildbtw.Changeset `bun:"-"` // by source
	Latest     *IterationRow        `bun:"-"` // nil before the first
}

// BuildspaceFilter selects buildspaces; empty fields select all.
type BuildspaceFilter struct {
	Status string // active or stopped
	Source string // has a changeset of this source
	Query  string // part of the name
	Cursor string // where the page before ended
	Limit  int    // 50 when 0, at most 500
}

// ActiveBuildspace is all that deciding about a new iteration takes.
type ActiveBuildspace struct {
	buildbtw.Buildspace
	Changesets []buildbtw.Changeset          // as they are wanted, by source
	Latest     *buildbtw.Iteration           // nil before the first
	Planned    []buildgraph.PlannedChangeset // of the latest iteration, with the commits they stood at
}

// Buildspace gives one buildspace by name.
func (s *Store) Buildspace(ctx context.Context, name string) (BuildspaceRow, error) {
	rows := []BuildspaceRow{}
	err := s.view(ctx, func(q *sqlx.Tx) error {
		if err := q.SelectContext(ctx, &rows, `SELECT * FROM buildspaces WHERE name = ?`, name); err != nil {
			return err
		}
		if len(rows) == 0 {
			return noBuildspace(name)
		}
		return completeBuildspaces(ctx, q, rows)
	})
	if err != nil {
		return BuildspaceRow{}, fmt.Errorf("load buildspace %s: %w", name, err)
	}
	return rows[0], nil
}

func noBuildspace(name string) error { return buildbtw.NotFound("there is no buildspace %q", name) }

// Buildspaces lists buildspaces, newest first.
func (s *Store) Buildspaces(ctx context.Context, f BuildspaceFilter) (rows []BuildspaceRow, next string, err error) {
	limit, err := pageLimit(f.Limit)
	if err != nil {
		return nil, "", err
	}
	w, err := f.conditions()
	if err != nil {
		return nil, "", err
	}
	rows = []BuildspaceRow{}
	err = s.view(ctx, func(q *sqlx.Tx) error {
		err := q.SelectContext(ctx, &rows, `SELECT * FROM buildspaces AS s`+w.sql()+` ORDER BY s.id DESC LIMIT ?`, append(w.args, limit+1)...)
		if err != nil {
			return err
		}
		rows, next = cutPage(rows, limit, func(r BuildspaceRow) int64 { return r.ID })
		return completeBuildspaces(ctx, q, rows)
	})
	if err != nil {
		return nil, "", fmt.Errorf("list buildspaces: %w", err)
	}
	return rows, next, nil
}

func (f BuildspaceFilter) conditions() (w where, err error) {
	switch buildbtw.BuildspaceStatus(f.Status) {
	case "":
	case buildbtw.BuildspaceActive, buildbtw.BuildspaceStopped:
		w.add("s.status = ?", f.Status)
	default:
		return w, buildbtw.Invalid("unknown status %.40q; choose active or stopped", f.Status)
	}
	cursor, err := parseCursor(f.Cursor)
	if err != nil {
		return w, err
	}
	if cursor != 0 {
		w.add("s.id < ?", cursor)
	}
	if f.Source != "" {
		w.add("s.id IN (SELECT c.buildspace_id FROM changesets AS c WHERE c.source = ?)", f.Source)
	}
	if f.Query != "" {
		w.add(`s.name LIKE ? ESCAPE '\'`, contains(f.Query))
	}
	return w, nil
}

// completeBuildspaces adds the changesets and the latest iterations: two
// queries, however many rows there are.
func completeBuildspaces(ctx context.Context, q *sqlx.Tx, rows []BuildspaceRow) error {
	ids := make([]int64, len(rows))
	place := map[int64]int{}
	for i, r := range rows {
		ids[i], place[r.ID] = r.ID, i
	}
	changesets, err := changesetsOf(ctx, q, ids)
	if err != nil {
		return err
	}
	var latest []IterationRow
	err = q.SelectContext(ctx, &latest, `SELECT i.*, s.name AS buildspace FROM iterations AS i JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE i.id IN (SELECT max(id) FROM iterations WHERE buildspace_id IN (SELECT value FROM json_each(?)) GROUP BY buildspace_id)`, idList(ids))
	if err != nil {
		return err
	}
	if err := addCounts(ctx, q, latest); err != nil {
		return err
	}
	for i := range rows {
		rows[i].Changesets = changesets[rows[i].ID]
	}
	for i, it := range latest {
		rows[place[it.BuildspaceID]].Latest = &latest[i]
	}
	return nil
}

func changesetsOf(ctx context.Context, q *sqlx.Tx, buildspaces []int64) (map[int64][]buildbtw.Changeset, error) {
	var rows []changesetRow
	err := q.SelectContext(ctx, &rows, `SELECT * FROM changesets WHERE buildspace_id IN (SELECT value FROM json_each(?)) ORDER BY buildspace_id, source`, idList(buildspaces))
	by := map[int64][]buildbtw.Changeset{}
	for _, r := range rows {
		by[r.BuildspaceID] = append(by[r.BuildspaceID], r.Changeset)
	}
	return by, err
}

// ActiveBuildspaces gives all that deciding about new iterations takes, oldest
// buildspace first.
func (s *Store) ActiveBuildspaces(ctx context.Context) ([]ActiveBuildspace, error) {
	var out []ActiveBuildspace
	err := s.view(ctx, func(q *sqlx.Tx) error {
		rows := []BuildspaceRow{}
		if err := q.SelectContext(ctx, &rows, `SELECT * FROM buildspaces WHERE status = 'active' ORDER BY id`); err != nil {
			return err
		}
		ids := make([]int64, len(rows))
		for i, r := range rows {
			ids[i] = r.ID
		}
		changesets, err := changesetsOf(ctx, q, ids)
		if err != nil {
			return err
		}
		for _, r := range rows {
			out = append(out, ActiveBuildspace{Buildspace: r.Buildspace, Changesets: changesets[r.ID]})
		}
		return addLatest(ctx, q, out)
	})
	if err != nil {
		return nil, fmt.Errorf("list active buildspaces: %w", err)
	}
	return out, nil
}

// addLatest adds the newest iteration of each buildspace with its changesets.
func addLatest(ctx context.Context, q *sqlx.Tx, spaces []ActiveBuildspace) error {
	const newest = `(SELECT max(id) FROM iterations GROUP BY buildspace_id)`
	var iterations []buildbtw.Iteration
	if err := q.SelectContext(ctx, &iterations, `SELECT * FROM iterations WHERE id IN `+newest); err != nil {
		return err
	}
	var planned []iterationChangeset
	if err := q.SelectContext(ctx, &planned, `SELECT * FROM iteration_changesets WHERE iteration_id IN `+newest+` ORDER BY iteration_id, source`); err != nil {
		return err
	}
	latest := map[int64]*buildbtw.Iteration{}
	for i, it := range iterations {
		latest[it.BuildspaceID] = &iterations[i]
	}
	commits := map[int64][]buildgraph.PlannedChangeset{}
	for _, c := range planned {
		commits[c.IterationID] = append(commits[c.IterationID], c.planned())
	}
	for i := range spaces {
		if it := latest[spaces[i].ID]; it != nil {
			spaces[i].Latest, spaces[i].Planned = it, commits[it.ID]
		}
	}
	return nil
}
