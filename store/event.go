package store

import (
	"context"
	"fmt"

	"buildbtw"
)

// EventRow is an event with the names of what it is about.
type EventRow struct {
	buildbtw.Event
	Buildspace   string `bun:"buildspace"`
	Iteration    int    `bun:"iteration"`
	Pkgbase      string `bun:"pkgbase"`
	Architecture string `bun:"architecture"`
}

// EventFilter selects events; empty fields select all.
type EventFilter struct {
	Buildspace string
	BuildID    int64
	Since      int64            // only events with a greater ID
	Before     int64            // only events with a smaller ID
	Limit      int              // 50 when 0, at most 500
	Newest     bool             // newest first; else oldest first
	Only       []buildbtw.Cause // nothing but these; all when empty
	Without    []buildbtw.Cause // leaves these out: what follows by itself from other events
}

// record writes an event that is not about a build's status; move does those.
func (t *tx) record(ctx context.Context, e buildbtw.Event) error {
	e.At = t.now
	switch {
	case e.BuildID != 0:
		t.note(Change{Builds: []int64{e.BuildID}})
	case e.BuildspaceID != 0:
		t.note(Change{Buildspaces: []int64{e.BuildspaceID}})
	default:
		t.note(Change{Everything: true})
	}
	return t.insert(ctx, &e)
}

// Events lists the history.
func (q *Reader) Events(ctx context.Context, f EventFilter) ([]EventRow, error) {
	limit, err := pageLimit(f.Limit)
	if err != nil {
		return nil, err
	}
	var w where
	if f.Buildspace != "" {
		w.add("e.buildspace_id = (SELECT id FROM buildspaces WHERE name = ?)", f.Buildspace)
	}
	if f.BuildID != 0 {
		w.add("e.build_id = ?", f.BuildID)
	}
	if f.Since != 0 {
		w.add("e.id > ?", f.Since)
	}
	if f.Before != 0 {
		w.add("e.id < ?", f.Before)
	}
	if len(f.Only) > 0 {
		w.add("e.cause IN (SELECT value FROM json_each(?))", textList(f.Only))
	}
	if len(f.Without) > 0 {
		w.add("e.cause NOT IN (SELECT value FROM json_each(?))", textList(f.Without))
	}
	order := " ORDER BY e.id"
	if f.Newest {
		order += " DESC"
	}
	const from = `SELECT e.id, e.at, e.actor, coalesce(e.buildspace_id, 0) AS buildspace_id, coalesce(e.iteration_id, 0) AS iteration_id,
  coalesce(e.build_id, 0) AS build_id, e.kind, e.from_status, e.to_status, e.cause, e.message,
  coalesce(s.name, '') AS buildspace, coalesce(i.number, 0) AS iteration,
  coalesce(b.pkgbase, '') AS pkgbase, coalesce(b.architecture, '') AS architecture
FROM events AS e LEFT JOIN buildspaces AS s ON s.id = e.buildspace_id
LEFT JOIN iterations AS i ON i.id = e.iteration_id LEFT JOIN builds AS b ON b.id = e.build_id`
	rows := []EventRow{}
	err = q.listText(ctx, &rows, from+w.sql()+order+" LIMIT ?", append(w.args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("list events: %w", err)
	}
	return rows, nil
}
