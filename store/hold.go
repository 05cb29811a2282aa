package store

import (
	"context"
	"fmt"

	"buildbtw"
)

// holds is SQL that finds for builds p of iterations i of buildspaces s whether
// a pending one is held, and why (buildbtw.Hold). It is the one place of these
// rules.
const holds = `CASE
    WHEN p.forced THEN ''
    WHEN s.reuse AND p.input_key <> '' AND EXISTS (
        SELECT 1 FROM builds AS r WHERE r.input_key = p.input_key AND r.input_key <> '' AND r.status = 'built') THEN 'reuse'
    WHEN s.cut_off AND p.may_skip THEN 'decide'
    WHEN s.reuse AND p.input_key <> '' AND EXISTS (
        SELECT 1 FROM builds AS r WHERE r.input_key = p.input_key AND r.input_key <> '' AND r.status IN ('scheduled', 'building')) THEN 'running'
    ELSE '' END`

// heldBuilds is SQL for the rows of the first builds that are held so. Both
// conditions are needed: SQLite does not see by itself that a certain hold is
// one, and would not use the index of what is held.
func heldBuilds(h buildbtw.Hold) string {
	return `SELECT ` + buildRowColumns + ` FROM builds AS b ` + buildRowJoins + ` WHERE b.held = '` + string(h) + `' AND b.held <> '' ORDER BY b.id LIMIT ?`
}

// hold finds anew for the pending ones among the builds whether they are held.
// Those whose packages are being linked stay as they are.
func (t *tx) hold(ctx context.Context, which clause) error {
	done, err := t.exec(ctx, `UPDATE builds SET held = h.hold FROM (
    SELECT p.id AS id, `+holds+` AS hold
    FROM builds AS p JOIN iterations AS i ON i.id = p.iteration_id JOIN buildspaces AS s ON s.id = i.buildspace_id
    WHERE p.status = 'pending' AND p.twin_of = 0 AND p.held <> 'linking' AND p.id IN (`+which.sql+`)) AS h
WHERE builds.id = h.id AND builds.held <> h.hold`, which.args...)
	if err != nil {
		return fmt.Errorf("find what is held: %w", err)
	}
	if n, _ := done.RowsAffected(); n == 0 {
		return nil
	}
	t.changed = true
	return t.stopUnwanted(ctx) // those held now may have waited for a run before
}

// holdSame follows a move of builds from one status to another: it concerns
// these builds and all that have the same input.
func (t *tx) holdSame(ctx context.Context, from, to buildbtw.Status, ids []int64) error {
	counts := func(s buildbtw.Status) bool { return s.Running() || s == buildbtw.StatusBuilt }
	switch {
	case counts(from) || counts(to):
		return t.hold(ctx, sqlf(`SELECT same.id FROM json_each(?) AS moved CROSS JOIN builds AS b ON b.id = moved.value
        JOIN builds AS same ON same.input_key = b.input_key AND same.input_key <> ''
        UNION SELECT value FROM json_each(?)`, idList(ids), idList(ids)))
	case from == buildbtw.StatusPending:
		return t.stopUnwanted(ctx)
	case to == buildbtw.StatusPending:
		return t.hold(ctx, sqlf(`SELECT value FROM json_each(?)`, idList(ids)))
	}
	return nil
}

// holdBuildspace follows a change of a buildspace's settings.
func (t *tx) holdBuildspace(ctx context.Context, id int64) error {
	return t.hold(ctx, sqlf(`SELECT b.id FROM iterations AS i JOIN builds AS b ON b.iteration_id = i.id
        WHERE i.buildspace_id = ? AND i.state = 'ready' AND b.status = 'pending'`, id))
}

// isWanted is SQL that tells of a row of builds, under that name, whether a
// build of an iteration that goes on waits for its run.
const isWanted = `EXISTS (SELECT 1 FROM builds AS w JOIN iterations AS wi ON wi.id = w.iteration_id
    WHERE w.input_key = "build"."input_key" AND w.input_key <> '' AND w.held = 'running' AND wi.state = 'ready')`

// stopUnwanted ends the runs that superseded iterations have left to others
// which do not wait for them any more.
func (t *tx) stopUnwanted(ctx context.Context) error {
	_, err := t.skip(ctx, sqlf(`"build"."status" IN ('scheduled', 'building')
    AND iteration_id IN (SELECT i.id FROM builds AS b JOIN iterations AS i ON i.id = b.iteration_id
        WHERE b.status IN ('scheduled', 'building') AND i.state = 'superseded')
    AND NOT `+isWanted), change{
		cause: buildbtw.CauseSuperseded, actor: buildbtw.System, message: "Nothing waits for it any more.",
	})
	return err
}
