package store

import (
	"context"
	"fmt"

	"buildbtw"
)

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
	err := t.list(ctx, &rows, `SELECT builds.id, builds.twin_of FROM `+gone+` CROSS JOIN builds ON builds.id = gone.id
WHERE builds.status = 'blocked' AND builds.waiting = gone.n ORDER BY builds.id`, ids, ids)
	if err != nil {
		return free, fmt.Errorf("find what waits for nothing any more: %w", err)
	}
	_, err = t.exec(ctx, `UPDATE builds SET waiting = waiting - gone.n FROM `+gone+`
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
