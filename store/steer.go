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
