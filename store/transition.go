package store

import (
	"context"
	"fmt"
	"slices"

	"buildbtw"
)

// change is one way through the transition table, with what else it writes.
type change struct {
	to      buildbtw.Status
	cause   buildbtw.Cause
	only    []buildbtw.Status // from these alone; from all that the table allows when nil
	actor   string
	message string
	set     []clause // further columns of the build
	from    clause   // a FROM clause whose columns set and the selection use
}

// clause is a piece of SQL with its arguments.
type clause struct {
	sql  string
	args []any
}

func sqlf(sql string, args ...any) clause { return clause{sql, args} }

func withIDs(ids []int64) clause {
	return sqlf("id IN (SELECT value FROM json_each(?))", idList(ids))
}

// move changes the status of every build that which selects and whose status
// the transition table allows to change so, and records an event for each. It
// is the only place that writes builds.status of an existing row. One update
// per status to come from: the guard is then exact, and the event knows it.
func (t *tx) move(ctx context.Context, which clause, c change) ([]int64, error) {
	var moved []int64
	for _, from := range buildbtw.Sources(c.to, c.cause) {
		if c.only != nil && !slices.Contains(c.only, from) {
			continue
		}
		ids, err := t.moveFrom(ctx, from, which, c)
		if err != nil {
			return nil, fmt.Errorf("move builds from %s to %s: %w", from, c.to, err)
		}
		moved = append(moved, ids...)
	}
	return moved, nil
}

func (t *tx) moveFrom(ctx context.Context, from buildbtw.Status, which clause, c change) ([]int64, error) {
	set := sqlf("status = ?, skip_reason = ?, changed_at = ?, held = ''", c.to, c.skipReason(), t.now)
	for _, s := range c.set {
		set.sql, set.args = set.sql+", "+s.sql, append(set.args, s.args...)
	}
	// The status stands in the text: SQLite could not use the partial indexes of an unknown one.
	query := `UPDATE builds AS build SET ` + set.sql + ` ` + c.from.sql + ` WHERE status = '` + string(from) + `' AND (` + which.sql + `) RETURNING id`
	var ids []int64
	if err := t.list(ctx, &ids, query, slices.Concat(set.args, c.from.args, which.args)...); err != nil || len(ids) == 0 {
		return nil, err
	}
	t.changed = true
	if err := t.recordMoves(ctx, from, ids, c); err != nil {
		return nil, err
	}
	if err := t.recountMoved(ctx, from, c.to, ids); err != nil {
		return nil, err
	}
	return ids, t.holdSame(ctx, from, c.to, ids)
}

func (c change) skipReason() buildbtw.Cause {
	if c.to == buildbtw.StatusSkipped {
		return c.cause
	}
	return ""
}

func (t *tx) recordMoves(ctx context.Context, from buildbtw.Status, ids []int64, c change) error {
	_, err := t.exec(ctx, `INSERT INTO events (at, actor, buildspace_id, iteration_id, build_id, kind, from_status, to_status, cause, message)
SELECT ?, ?, i.buildspace_id, i.id, b.id, ?, ?, ?, ?, ?
FROM json_each(?) AS moved JOIN builds AS b ON b.id = moved.value JOIN iterations AS i ON i.id = b.iteration_id`,
		t.now, c.actor, buildbtw.EventBuild, from, c.to, c.cause, c.message, idList(ids))
	return err
}

// moveOne is move for a build that is expected to change: Conflict, with what
// its status is now, when it cannot.
func (t *tx) moveOne(ctx context.Context, id int64, c change) error {
	ids, err := t.move(ctx, sqlf("id = ?", id), c)
	if err != nil || len(ids) == 1 {
		return err
	}
	b, err := t.build(ctx, id)
	if err != nil {
		return err
	}
	return buildbtw.Conflict("%s for %s is %s now; it cannot become %s (%s)", b.Pkgbase, b.Architecture, b.Status, c.to, c.cause)
}

// build loads one build; NotFound when there is none.
func (t *tx) build(ctx context.Context, id int64) (buildbtw.Build, error) {
	var b buildbtw.Build
	err := t.get(ctx, &b, `SELECT * FROM builds WHERE id = ?`, id)
	return b, notFound(err, "there is no build %d", id)
}

// skip ends builds without building them and tells their attempts to stop. A
// build whose packages are being published or linked is left to end: half of
// them may be in the repositories already.
func (t *tx) skip(ctx context.Context, which clause, c change) ([]int64, error) {
	const unpublished = ` AND "build"."held" <> 'linking' AND NOT EXISTS (SELECT 1 FROM attempts AS a WHERE a.build_id = "build"."id" AND a.state = ?)`
	c.to = buildbtw.StatusSkipped
	ids, err := t.move(ctx, sqlf(which.sql+unpublished, append(slices.Clone(which.args), buildbtw.AttemptPublishing)...), c)
	if err != nil || len(ids) == 0 {
		return ids, err
	}
	t.handout = false
	_, err = t.exec(ctx, `UPDATE attempts SET stop = TRUE WHERE state = 'running' AND build_id IN (SELECT value FROM json_each(?))`, idList(ids))
	return ids, err
}
