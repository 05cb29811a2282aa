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
	for _, from := range buildbtw.StatusesBefore(c.to, c.cause) {
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
	if err := t.listText(ctx, &ids, query, slices.Concat(set.args, c.from.args, which.args)...); err != nil || len(ids) == 0 {
		return nil, err
	}
	t.changed.add(Change{Builds: ids})
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
	_, err := t.execText(ctx, `INSERT INTO events (at, actor, buildspace_id, iteration_id, build_id, kind, from_status, to_status, cause, message)
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
	err := t.getText(ctx, &b, `SELECT * FROM builds WHERE id = ?`, id)
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
	_, err = t.execText(ctx, `UPDATE attempts SET stop = TRUE WHERE state = 'running' AND build_id IN (SELECT value FROM json_each(?))`, idList(ids))
	return ids, err
}

// beginCounts writes the number of an iteration's builds by status.
func (t *tx) beginCounts(ctx context.Context, iteration int64) error {
	_, err := t.execText(ctx, `INSERT INTO build_counts (iteration_id, status, builds)
SELECT ?, s.value, (SELECT count(*) FROM builds AS b WHERE b.iteration_id = ? AND b.status = s.value) FROM json_each(?) AS s`,
		iteration, iteration, textList(buildbtw.Statuses()))
	if err != nil {
		return fmt.Errorf("count the builds: %w", err)
	}
	return nil
}

// recountMoved follows a move of builds from one status to another.
func (t *tx) recountMoved(ctx context.Context, from, to buildbtw.Status, ids []int64) error {
	_, err := t.execText(ctx, `UPDATE build_counts AS c SET builds = c.builds + CASE c.status WHEN ? THEN moved.n ELSE -moved.n END
FROM (SELECT b.iteration_id, count(*) AS n FROM json_each(?) AS k CROSS JOIN builds AS b ON b.id = k.value GROUP BY b.iteration_id) AS moved
WHERE c.iteration_id = moved.iteration_id AND c.status IN (?, ?)`, to, idList(ids), from, to)
	if err != nil {
		return fmt.Errorf("count the builds anew: %w", err)
	}
	return nil
}

// addCounts adds the numbers of builds by status; a status that no build has is
// left out.
func addCounts(ctx context.Context, q *Reader, rows []IterationRow) error {
	ids := make([]int64, len(rows))
	place := map[int64]int{}
	for i := range rows {
		rows[i].Counts = buildbtw.Counts{}
		ids[i], place[rows[i].ID] = rows[i].ID, i
	}
	var counts []struct {
		IterationID int64           `bun:"iteration_id"`
		Status      buildbtw.Status `bun:"status"`
		Builds      int             `bun:"builds"`
	}
	err := q.listText(ctx, &counts, `SELECT c.iteration_id, c.status, c.builds FROM json_each(?) AS k
CROSS JOIN build_counts AS c ON c.iteration_id = k.value WHERE c.builds > 0`, idList(ids))
	for _, c := range counts {
		rows[place[c.IterationID]].Counts[c.Status] = c.Builds
	}
	return err
}

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
	var ids []int64
	err := t.listText(ctx, &ids, `UPDATE builds SET held = h.hold FROM (
    SELECT p.id AS id, `+holds+` AS hold
    FROM builds AS p JOIN iterations AS i ON i.id = p.iteration_id JOIN buildspaces AS s ON s.id = i.buildspace_id
    WHERE p.status = 'pending' AND p.twin_of = 0 AND p.held <> 'linking' AND p.id IN (`+which.sql+`)) AS h
WHERE builds.id = h.id AND builds.held <> h.hold RETURNING id`, which.args...)
	if err != nil {
		return fmt.Errorf("find what is held: %w", err)
	}
	if len(ids) == 0 {
		return nil
	}
	t.changed.add(Change{Builds: ids})
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

// unblock takes settled builds, which are built or skipped as unchanged, off
// the count of those that wait for them. What then waits for nothing gets its
// input key and becomes pending; twins among them are settled at once, since
// the builds that do their work are, and unblock others in turn.
func (t *tx) unblock(ctx context.Context, settled ...int64) error {
	for len(settled) > 0 {
		free, err := t.countDown(ctx, settled)
		if err != nil || len(free.all) == 0 {
			return err
		}
		keys, err := t.inputKeys(ctx, free.all)
		if err != nil {
			return err
		}
		ready, err := t.move(ctx, sqlf("build.id = k.value ->> 0"), change{
			to: buildbtw.StatusPending, cause: buildbtw.CauseReady, actor: buildbtw.System,
			message: "Everything it waited for is built.",
			from:    sqlf("FROM json_each(?) AS k", keys),
			set:     []clause{sqlf("waiting = 0"), sqlf("input_key = k.value ->> 1")},
		})
		if err != nil || len(ready) == 0 || len(free.twins) == 0 {
			return err
		}
		if settled, err = t.settleTwins(ctx, free.twins); err != nil {
			return err
		}
	}
	return nil
}

// settleTwins gives pending twins the status of the builds that do their work.
func (t *tx) settleTwins(ctx context.Context, twins []int64) ([]int64, error) {
	const led = `id IN (SELECT value FROM json_each(?)) AND (SELECT l.status FROM builds AS l WHERE l.id = "build"."twin_of") = ?`
	built, err := t.move(ctx, sqlf(led, idList(twins), buildbtw.StatusBuilt), change{
		to: buildbtw.StatusBuilt, cause: buildbtw.CauseReused, actor: buildbtw.System, message: togetherWords,
		set: []clause{
			sqlf("finished_at = ?", t.now), sqlf("forced = FALSE"),
			sqlf(`output_digest = (SELECT l.output_digest FROM builds AS l WHERE l.id = "build"."twin_of")`),
		},
	})
	if err != nil {
		return nil, err
	}
	skipped, err := t.move(ctx, sqlf(led, idList(twins), buildbtw.StatusSkipped), change{
		to: buildbtw.StatusSkipped, cause: buildbtw.CauseUnchanged, actor: buildbtw.System,
		message: "Unchanged, as for the architecture that it would be built with.",
	})
	return append(built, skipped...), err
}

// togetherWords is in the event of a twin that became built.
const togetherWords = "Built together with another architecture."

// freed are blocked builds that wait for nothing any more.
type freed struct {
	all   []int64
	twins []int64 // those of all that are built by another build
}

// gone is SQL for what waits for settled builds, with the number of them. A
// twin waits for the build that does its work as if an edge led there.
const gone = `(SELECT id, count(*) AS n FROM (
        SELECT to_build AS id FROM edges WHERE from_build IN (SELECT value FROM json_each(?))
        UNION ALL
        SELECT id FROM builds WHERE twin_of <> 0 AND twin_of IN (SELECT value FROM json_each(?)))
    GROUP BY id) AS gone`

// countDown finds the blocked builds that wait for nothing any more, and lowers
// the count of the others. Those that are free are left as they are: they get
// all that changes with them in one go.
func (t *tx) countDown(ctx context.Context, settled []int64) (freed, error) {
	var rows []struct {
		ID     int64 `bun:"id"`
		TwinOf int64 `bun:"twin_of"`
	}
	var free freed
	ids := idList(settled)
	err := t.listText(ctx, &rows, `SELECT builds.id, builds.twin_of FROM `+gone+` CROSS JOIN builds ON builds.id = gone.id
WHERE builds.status = 'blocked' AND builds.waiting = gone.n ORDER BY builds.id`, ids, ids)
	if err != nil {
		return free, fmt.Errorf("find what waits for nothing any more: %w", err)
	}
	_, err = t.execText(ctx, `UPDATE builds SET waiting = waiting - gone.n FROM `+gone+`
WHERE builds.id = gone.id AND NOT (builds.status = 'blocked' AND builds.waiting = gone.n)`, ids, ids)
	if err != nil {
		return free, fmt.Errorf("count down what waits: %w", err)
	}
	for _, r := range rows {
		free.all = append(free.all, r.ID)
		if r.TwinOf != 0 {
			free.twins = append(free.twins, r.ID)
		}
	}
	return free, nil
}
