package store

import (
	"context"
	"database/sql"
	"errors"
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
		if err != nil {
			return err
		}
		if err := t.setInputKeys(ctx, free.all); err != nil {
			return err
		}
		ready, err := t.move(ctx, withIDs(free.all), change{
			to: buildbtw.StatusPending, cause: buildbtw.CauseReady, actor: buildbtw.System,
			message: "Everything it waited for is built.",
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

// freed are builds that wait for nothing any more.
type freed struct {
	all   []int64
	twins []int64 // those of all that are built by another build
}

// countDown lowers the count of what each build waits for and gives those that
// wait for nothing any more. A twin waits for the build that does its work as
// if an edge led there.
func (t *tx) countDown(ctx context.Context, settled []int64) (freed, error) {
	const lower = `UPDATE builds SET waiting = waiting - gone.n FROM (
    SELECT id, count(*) AS n FROM (
        SELECT to_build AS id FROM edges WHERE from_build IN (SELECT value FROM json_each(?))
        UNION ALL
        SELECT id FROM builds WHERE twin_of <> 0 AND twin_of IN (SELECT value FROM json_each(?)))
    GROUP BY id) AS gone
WHERE builds.id = gone.id RETURNING builds.id, builds.waiting, builds.twin_of`
	var rows []struct {
		ID      int64 `bun:"id"`
		Waiting int   `bun:"waiting"`
		TwinOf  int64 `bun:"twin_of"`
	}
	var free freed
	if err := t.NewRaw(lower, idList(settled), idList(settled)).Scan(ctx, &rows); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return free, fmt.Errorf("count down what waits: %w", err)
	}
	for _, r := range rows {
		if r.Waiting > 0 {
			continue
		}
		free.all = append(free.all, r.ID)
		if r.TwinOf != 0 {
			free.twins = append(free.twins, r.ID)
		}
	}
	return free, nil
}
