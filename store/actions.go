package store

import (
	"context"
	"fmt"

	"buildbtw"
)

// RetryBuild makes a failed build pending again, by a person's wish. Conflict
// when its iteration is over or its status does not allow it.
func (s *Store) RetryBuild(ctx context.Context, actor string, id int64) (BuildRow, error) {
	err := s.transact(ctx, func(ctx context.Context, t *tx) error {
		row, err := t.buildRow(ctx, id)
		if err != nil {
			return err
		}
		if err := row.CanRetry(); err != nil {
			return err
		}
		if err := t.checkReady(ctx, row); err != nil {
			return err
		}
		return t.moveOne(ctx, id, retry(actor))
	})
	if err != nil {
		return BuildRow{}, fmt.Errorf("retry build %d: %w", id, err)
	}
	return s.Build(ctx, id)
}

func retry(actor string) change {
	return change{
		to: buildbtw.StatusPending, cause: buildbtw.CauseRetried, only: []buildbtw.Status{buildbtw.StatusFailed},
		actor: actor, message: "Retried by " + actor + ".",
		set: []clause{sqlf("retries = 0"), sqlf("not_before = NULL")},
	}
}

// checkReady refuses to bring a build back to life whose iteration is over: it
// would never be handed out.
func (t *tx) checkReady(ctx context.Context, row BuildRow) error {
	var state buildbtw.IterationState
	err := t.NewSelect().Model((*buildbtw.Iteration)(nil)).Column("state").Where("id = ?", row.IterationID).Scan(ctx, &state)
	if err == nil && state != buildbtw.IterationReady {
		return buildbtw.Conflict("iteration %d of %s is %s; nothing of it is built any more", row.Iteration, row.Buildspace, state)
	}
	return err
}

// CancelBuild skips a build that is not finished, and tells a running attempt
// to stop.
func (s *Store) CancelBuild(ctx context.Context, actor string, id int64) (BuildRow, error) {
	err := s.transact(ctx, func(ctx context.Context, t *tx) error {
		b, err := t.build(ctx, id)
		if err != nil {
			return err
		}
		if err := b.CanCancel(); err != nil {
			return err
		}
		ids, err := t.skip(ctx, sqlf("id = ?", id), cancel(actor))
		if err == nil && len(ids) == 0 {
			return buildbtw.Conflict("%s is being published; there is nothing to cancel any more", b.Pkgbase)
		}
		return err
	})
	if err != nil {
		return BuildRow{}, fmt.Errorf("cancel build %d: %w", id, err)
	}
	return s.Build(ctx, id)
}

func cancel(actor string) change {
	return change{cause: buildbtw.CauseCancelled, actor: actor, message: "Cancelled by " + actor + "."}
}

// RetryFailed retries every failed build of the buildspace's iteration that is
// being built, and says how many.
func (s *Store) RetryFailed(ctx context.Context, actor, buildspace string) (n int, err error) {
	err = s.transact(ctx, func(ctx context.Context, t *tx) error {
		which, err := t.readyBuilds(ctx, buildspace)
		if err != nil {
			return err
		}
		ids, err := t.move(ctx, which, retry(actor))
		n = len(ids)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("retry failed builds of %s: %w", buildspace, err)
	}
	return n, nil
}

// CancelBuilds cancels every unfinished build of the buildspace's iteration
// that is being built, and says how many.
func (s *Store) CancelBuilds(ctx context.Context, actor, buildspace string) (n int, err error) {
	err = s.transact(ctx, func(ctx context.Context, t *tx) error {
		which, err := t.readyBuilds(ctx, buildspace)
		if err != nil {
			return err
		}
		ids, err := t.skip(ctx, which, cancel(actor))
		n = len(ids)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("cancel builds of %s: %w", buildspace, err)
	}
	return n, nil
}

// readyBuilds selects the builds of a buildspace that may still change: those
// of its one iteration in state ready.
func (t *tx) readyBuilds(ctx context.Context, buildspace string) (clause, error) {
	b, err := t.buildspace(ctx, buildspace)
	return readyOf(b.ID), err
}

func readyOf(buildspaceID int64) clause {
	return sqlf("iteration_id IN (SELECT i.id FROM iterations AS i WHERE i.buildspace_id = ? AND i.state = 'ready')", buildspaceID)
}

// RebuildBuild makes a person's wish come true to build a built one again, and
// with it everything above it in its iteration: what of that is built, failed
// or skipped waits anew, what runs is ended. None of them is reused, held back
// or skipped as unchanged. The repositories go on serving the old packages
// until the new ones replace them.
func (s *Store) RebuildBuild(ctx context.Context, actor string, id int64) (BuildRow, error) {
	err := s.transact(ctx, func(ctx context.Context, t *tx) error {
		row, err := t.buildRow(ctx, id)
		if err != nil {
			return err
		}
		if err := row.CanRebuild(); err != nil {
			return err
		}
		if err := t.checkReady(ctx, row); err != nil {
			return err
		}
		return t.rebuild(ctx, actor, row)
	})
	if err != nil {
		return BuildRow{}, fmt.Errorf("rebuild build %d: %w", id, err)
	}
	return s.Build(ctx, id)
}

func (t *tx) rebuild(ctx context.Context, actor string, row BuildRow) error {
	above, err := t.above(ctx, row.ID)
	if err != nil {
		return err
	}
	if err := t.checkUnpublished(ctx, above); err != nil {
		return err
	}
	if err := t.endRunning(ctx, above, fmt.Sprintf("%s, which it is built with, is built again.", row.Pkgbase)); err != nil {
		return err
	}
	err = t.moveOne(ctx, row.ID, change{
		to: buildbtw.StatusPending, cause: buildbtw.CauseForced, only: []buildbtw.Status{buildbtw.StatusBuilt},
		actor: actor, message: "Rebuild forced by " + actor + ".",
		set: []clause{sqlf("forced = TRUE"), sqlf("retries = 0"), sqlf("not_before = NULL")},
	})
	if err != nil {
		return err
	}
	_, err = t.move(ctx, withIDs(above), change{
		to: buildbtw.StatusBlocked, cause: buildbtw.CauseForced, actor: actor,
		message: fmt.Sprintf("Is built again after %s, by the wish of %s.", row.Pkgbase, actor),
		set: []clause{
			sqlf("forced = TRUE"), sqlf("may_skip = FALSE"), sqlf("retries = 0"), sqlf("not_before = NULL"),
			sqlf("input_key = ''"), sqlf("output_digest = ''"),
		},
	})
	if err != nil {
		return err
	}
	return t.recount(ctx, above)
}

// above lists everything that waits for a build, directly or through others.
func (t *tx) above(ctx context.Context, id int64) ([]int64, error) {
	ids := []int64{}
	err := t.listText(ctx, &ids, `WITH RECURSIVE above (id) AS (
    VALUES (?)
    UNION SELECT e.to_build FROM above CROSS JOIN edges AS e ON e.from_build = above.id
    UNION SELECT b.id FROM above CROSS JOIN builds AS b ON b.twin_of = above.id AND b.twin_of <> 0)
SELECT id FROM above WHERE id <> ? ORDER BY id`, id, id)
	if err != nil {
		return nil, fmt.Errorf("list what is above build %d: %w", id, err)
	}
	return ids, nil
}

// checkUnpublished refuses to take back builds whose packages are just going
// into the repositories.
func (t *tx) checkUnpublished(ctx context.Context, ids []int64) error {
	var busy []string
	err := t.listText(ctx, &busy, `SELECT b.pkgbase FROM json_each(?) AS k CROSS JOIN builds AS b ON b.id = k.value
WHERE b.held = 'linking' OR EXISTS (SELECT 1 FROM attempts AS a WHERE a.build_id = b.id AND a.state = 'publishing')
ORDER BY b.pkgbase LIMIT 1`, idList(ids))
	if err == nil && len(busy) > 0 {
		return buildbtw.Conflict("%s, which is above it, is being published; try again in a moment", busy[0])
	}
	return err
}

// endRunning ends the attempts under way of builds, at once: the builds will
// have others before a worker could report back. It hears of it at its next
// heartbeat.
func (t *tx) endRunning(ctx context.Context, builds []int64, message string) error {
	var attempts []buildbtw.Attempt
	err := t.NewSelect().Model(&attempts).
		Where("state = ? AND build_id IN (SELECT value FROM json_each(?))", buildbtw.AttemptRunning, idList(builds)).Scan(ctx)
	if err != nil {
		return err
	}
	for i := range attempts {
		err := t.finishAttempt(ctx, &attempts[i], ending{buildbtw.OutcomeCancelled, message}, buildbtw.StatusBlocked)
		if err != nil {
			return err
		}
	}
	return nil
}

// recount counts anew what builds wait for.
func (t *tx) recount(ctx context.Context, builds []int64) error {
	const settled = `(d.status = 'built' OR d.status = 'skipped' AND d.skip_reason = 'unchanged')`
	_, err := t.execText(ctx, `UPDATE builds SET waiting =
    (SELECT count(*) FROM edges AS e JOIN builds AS d ON d.id = e.from_build WHERE e.to_build = builds.id AND NOT `+settled+`)
    + (SELECT count(*) FROM builds AS d WHERE d.id = builds.twin_of AND NOT `+settled+`)
WHERE id IN (SELECT value FROM json_each(?))`, idList(builds))
	if err != nil {
		return fmt.Errorf("count what %d builds wait for: %w", len(builds), err)
	}
	return nil
}
