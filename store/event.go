package store

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/uptrace/bun"

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
	Kinds      []buildbtw.EventKind
	Actor      string // a user, a worker, or buildbtw.System
}

// MinorCauses returns the causes that are left out of the history and of feeds, unless
// somebody asks for every change: those that follow from others, and steps of a build
// before its end.
func MinorCauses() []buildbtw.Cause {
	return []buildbtw.Cause{
		buildbtw.CausePlanned, buildbtw.CauseReady, buildbtw.CauseLeased, buildbtw.CauseDispatched, buildbtw.CauseReturned, buildbtw.CauseReleased, buildbtw.CauseSuperseded,
	}
}

// ActivityKinds are the choices of what happened; the first is what people do and how builds
// end.
func ActivityKinds() []string {
	return []string{"matters", "failed", "built", "iterations", "releases", "buildspaces", "workers", "all"}
}

// OfKind returns the filter for a choice of ActivityKinds. The error is Invalid.
func (f EventFilter) OfKind(kind string) (EventFilter, error) {
	switch kind {
	case "matters":
		f.Without = MinorCauses()
	case "failed":
		f.Only = []buildbtw.Cause{buildbtw.CauseFailed, buildbtw.CauseInfrastructure, buildbtw.CauseLost}
	case "built":
		f.Only = []buildbtw.Cause{buildbtw.CauseFinished, buildbtw.CauseReused}
	case "iterations":
		f.Kinds = []buildbtw.EventKind{buildbtw.EventIteration}
	case "releases":
		f.Kinds = []buildbtw.EventKind{buildbtw.EventRelease}
	case "buildspaces":
		f.Kinds = []buildbtw.EventKind{buildbtw.EventBuildspace}
	case "workers":
		f.Kinds = []buildbtw.EventKind{buildbtw.EventWorker}
	case "all":
	default:
		return f, buildbtw.Invalid("%.40q is no kind of activity; there are %s", kind, strings.Join(ActivityKinds(), ", "))
	}
	return f, nil
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

// storedEvent is a row of events: one event, or as many as it has builds, which all
// changed alike. The ids of those end with the row's.
type storedEvent struct {
	bun.BaseModel `bun:"table:events"`
	buildbtw.Event
	Builds      int         `bun:"builds"`
	BuildRanges buildRanges `bun:"build_ranges"`
}

// buildRanges are ids of builds, ascending, as ranges: first and last.
type buildRanges [][2]int64

// rangesOf takes ascending ids.
func rangesOf(ids []int64) buildRanges {
	var ranges buildRanges
	for _, id := range ids {
		if n := len(ranges); n > 0 && ranges[n-1][1] == id-1 {
			ranges[n-1][1] = id
		} else {
			ranges = append(ranges, [2]int64{id, id})
		}
	}
	return ranges
}

func (r buildRanges) ids() []int64 {
	var ids []int64
	for _, span := range r {
		for id := span[0]; id <= span[1]; id++ {
			ids = append(ids, id)
		}
	}
	return ids
}

// Value implements driver.Valuer.
func (r buildRanges) Value() (driver.Value, error) {
	if len(r) == 0 {
		return "", nil
	}
	text, err := json.Marshal(r)
	return string(text), err
}

// Scan implements sql.Scanner.
func (r *buildRanges) Scan(src any) error {
	*r = nil
	if text, is := src.(string); is && text != "" {
		return json.Unmarshal([]byte(text), (*[][2]int64)(r))
	}
	return nil
}

// recordMany writes the events of builds of one iteration that all changed alike; e
// tells how. The ids are ascending.
func (t *tx) recordMany(ctx context.Context, builds []int64, e buildbtw.Event) error {
	row := storedEvent{Event: e, Builds: len(builds)}
	row.At, row.Kind = t.now, buildbtw.EventBuild
	if len(builds) == 1 {
		row.BuildID = builds[0]
		return t.insert(ctx, &row)
	}
	if err := t.get(ctx, &row.ID, "last_event_id", nil); err != nil {
		return err
	}
	row.ID += int64(len(builds))
	row.BuildRanges = rangesOf(builds)
	return t.insert(ctx, &row)
}

// Events lists the history.
func (q *Reader) Events(ctx context.Context, f EventFilter) ([]EventRow, error) {
	limit, err := pageLimit(f.Limit)
	if err != nil {
		return nil, err
	}
	rows := []EventRow{}
	err = q.Snapshot(ctx, func(q *Reader) error {
		stored, err := q.storedEvents(ctx, f, limit)
		if err != nil {
			return err
		}
		for _, s := range stored {
			if rows = append(rows, s.events(f)...); len(rows) >= limit {
				rows = rows[:limit]
				break
			}
		}
		return q.nameBuilds(ctx, rows)
	})
	if err != nil {
		return nil, fmt.Errorf("list events: %w", err)
	}
	return rows, nil
}

// eventSource is a row of events with the names of what it is about.
type eventSource struct {
	EventRow
	Builds      int         `bun:"builds"`
	BuildRanges buildRanges `bun:"build_ranges"`
}

// storedEvents finds the rows that have the first limit events. At most two have none:
// where Since or Before is within a row, a build's event may be on the other side.
func (q *Reader) storedEvents(ctx context.Context, f EventFilter, limit int) (rows []eventSource, err error) {
	var w where
	if f.Buildspace != "" {
		w.add("e.buildspace_id = (SELECT id FROM buildspaces WHERE name = ? AND NOT hidden)", f.Buildspace)
	}
	if f.Buildspace == "" && f.BuildID == 0 {
		w.add("(e.buildspace_id IS NULL OR e.buildspace_id NOT IN (SELECT id FROM buildspaces WHERE hidden))")
	}
	if f.BuildID != 0 {
		w.add(`e.id IN (
  SELECT id FROM events WHERE build_id = ?
  UNION ALL
  SELECT m.id FROM builds AS b CROSS JOIN events AS m ON m.iteration_id = b.iteration_id AND m.build_ranges <> ''
  WHERE b.id = ? AND EXISTS (SELECT 1 FROM json_each(m.build_ranges) AS r WHERE b.id BETWEEN r.value ->> 0 AND r.value ->> 1)
)`, f.BuildID, f.BuildID)
	}
	if f.Since != 0 {
		w.add("e.id > ?", f.Since)
	}
	if f.Before != 0 { // the last row may have some events before and some after
		w.add("e.id <= coalesce((SELECT min(l.id) FROM events AS l WHERE l.id >= ?), ?) AND e.id - e.builds + 1 < ?", f.Before, f.Before, f.Before)
	}
	if len(f.Only) > 0 {
		w.add("e.cause IN (SELECT value FROM json_each(?))", textList(f.Only))
	}
	if len(f.Without) > 0 {
		w.add("e.cause NOT IN (SELECT value FROM json_each(?))", textList(f.Without))
	}
	if len(f.Kinds) > 0 {
		w.add("e.kind IN (SELECT value FROM json_each(?))", textList(f.Kinds))
	}
	if f.Actor != "" {
		w.add("e.actor = ?", f.Actor)
	}
	order := " ORDER BY e.id"
	if f.Newest {
		order += " DESC"
	}
	const from = `SELECT e.id, e.at, e.actor, coalesce(e.buildspace_id, 0) AS buildspace_id, coalesce(e.iteration_id, 0) AS iteration_id,
  coalesce(e.build_id, 0) AS build_id, e.kind, e.from_status, e.to_status, e.cause, e.message, e.builds, e.build_ranges,
  coalesce(iif(s.hidden, '', s.name), '') AS buildspace, coalesce(iif(s.hidden, 0, i.number), 0) AS iteration
FROM events AS e LEFT JOIN buildspaces AS s ON s.id = e.buildspace_id LEFT JOIN iterations AS i ON i.id = e.iteration_id`
	err = q.listText(ctx, &rows, from+w.sql()+order+" LIMIT ?", append(w.args, limit+2)...)
	return rows, err
}

// events returns those events of a row that a filter selects, in its order.
func (s eventSource) events(f EventFilter) []EventRow {
	if len(s.BuildRanges) == 0 {
		return []EventRow{s.EventRow}
	}
	var rows []EventRow
	next := s.ID - int64(s.Builds)
	for _, build := range s.BuildRanges.ids() {
		next++
		if f.BuildID != 0 && f.BuildID != build || next <= f.Since || f.Before != 0 && next >= f.Before {
			continue
		}
		row := s.EventRow
		row.ID, row.BuildID = next, build
		rows = append(rows, row)
	}
	if f.Newest {
		slices.Reverse(rows)
	}
	return rows
}

// nameBuilds adds the names of the builds that events are about.
func (q *Reader) nameBuilds(ctx context.Context, rows []EventRow) error {
	var builds []int64
	for _, row := range rows {
		if row.BuildID != 0 {
			builds = append(builds, row.BuildID)
		}
	}
	refs, err := q.buildRefs(ctx, builds)
	for i, row := range rows {
		rows[i].Pkgbase, rows[i].Architecture = refs[row.BuildID].Pkgbase, refs[row.BuildID].Architecture
	}
	return err
}
