package store

import (
	"context"
	"fmt"
	"slices"

	"buildbtw"
)

// RetryBuild has a failed build tried again by a person's wish, and takes back
// that one was cancelled. Conflict when its iteration is over or its status does
// not allow it.
func (s *Store) RetryBuild(ctx context.Context, actor string, id int64) (BuildRow, error) {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		row, err := t.buildRow(ctx, id)
		if err != nil {
			return err
		}
		return t.retry(ctx, actor, row)
	})
	if err != nil {
		return BuildRow{}, fmt.Errorf("retry build %d: %w", id, err)
	}
	return s.Build(ctx, id)
}

func (t *tx) retry(ctx context.Context, actor string, row BuildRow) error {
	if err := row.CanRetry(); err != nil {
		return err
	}
	if err := t.checkReady(ctx, row); err != nil {
		return err
	}
	if row.Status == buildbtw.StatusSkipped {
		_, err := t.takeUp(ctx, []int64{row.ID}, resumed(actor))
		return err
	}
	return t.moveOne(ctx, row.ID, retried(actor))
}

func resumed(actor string) change {
	return change{actor: actor, message: "Taken up again by " + actor + "."}
}

func retried(actor string) change {
	return change{
		to: buildbtw.StatusPending, cause: buildbtw.CauseRetried, only: []buildbtw.Status{buildbtw.StatusFailed},
		actor: actor, message: "Retried by " + actor + ".", set: []string{"retries = 0", "not_before = NULL"},
	}
}

// checkReady refuses to bring a build back to life whose iteration is over: it
// would never be handed out.
func (t *tx) checkReady(ctx context.Context, row BuildRow) error {
	var state buildbtw.IterationState
	err := t.get(ctx, &state, "iteration_state_of_build", args{"build": row.ID})
	switch {
	case err == nil && state != buildbtw.IterationReady && row.BaselineID != 0:
		return buildbtw.Conflict("the comparison with the base is over; compare the failed build with the base again")
	case err == nil && state != buildbtw.IterationReady && row.RepeatOf != 0:
		return buildbtw.Conflict("the second build of %s is over; nobody waits for another one", row.Pkgbase)
	case err == nil && state == buildbtw.IterationStopped:
		return buildbtw.Conflict("iteration %d of %s is stopped; start the buildspace again and its builds go on", row.Iteration, row.Buildspace)
	case err == nil && state != buildbtw.IterationReady:
		return buildbtw.Conflict("iteration %d of %s is %s; nothing of it is built any more", row.Iteration, row.Buildspace, state)
	}
	return err
}

// CancelBuild skips a build that is not finished, and tells a running attempt
// to stop.
func (s *Store) CancelBuild(ctx context.Context, actor string, id int64) (BuildRow, error) {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		b, err := t.build(ctx, id)
		if err != nil {
			return err
		}
		if err := b.CanCancel(); err != nil {
			return err
		}
		ids, err := t.skip(ctx, []int64{id}, cancelled(actor))
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

func cancelled(actor string) change {
	return change{cause: buildbtw.CauseCancelled, actor: actor, message: "Cancelled by " + actor + "."}
}

// RetryBuilds retries every failed build of the buildspace's iteration that is
// being built, takes back what was cancelled of it, and says how many go on.
func (s *Store) RetryBuilds(ctx context.Context, actor, buildspace string) (n int, err error) {
	err = s.inTx(ctx, func(ctx context.Context, t *tx) error {
		builds, err := t.readyBuilds(ctx, buildspace)
		if err != nil {
			return err
		}
		ids, err := t.move(ctx, builds, retried(actor))
		if err != nil {
			return err
		}
		n, err = t.takeUp(ctx, builds, resumed(actor))
		n += len(ids)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("retry the builds of %s: %w", buildspace, err)
	}
	return n, nil
}

// CancelBuilds cancels every unfinished build of the buildspace's iteration
// that is being built, and says how many.
func (s *Store) CancelBuilds(ctx context.Context, actor, buildspace string) (n int, err error) {
	err = s.inTx(ctx, func(ctx context.Context, t *tx) error {
		builds, err := t.readyBuilds(ctx, buildspace)
		if err != nil {
			return err
		}
		ids, err := t.skip(ctx, builds, cancelled(actor))
		n = len(ids)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("cancel builds of %s: %w", buildspace, err)
	}
	return n, nil
}

// readyBuilds lists the builds of a buildspace that may still change: those of
// its one iteration in state ready. Conflict when the buildspace is stopped.
func (t *tx) readyBuilds(ctx context.Context, buildspace string) (ids []int64, err error) {
	b, err := t.buildspace(ctx, buildspace)
	if err != nil {
		return nil, err
	}
	if b.Status == buildbtw.BuildspaceStopped {
		return nil, buildbtw.Conflict("buildspace %s is stopped, and nothing of it is built; start it again and its builds go on", b.Name)
	}
	err = t.list(ctx, &ids, "ready_builds", args{"buildspace": b.ID})
	return ids, err
}

// RebuildBuild makes a person's wish come true to build a built one again, and
// with it everything above it in its iteration: what of that is built, failed
// or skipped waits anew, what runs is ended. None of them is reused, held back
// or skipped as unchanged. The repositories go on serving the old packages
// until the new ones replace them.
func (s *Store) RebuildBuild(ctx context.Context, actor string, id int64) (BuildRow, error) {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
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
		return t.rebuild(ctx, actor, row, fmt.Sprintf("Rebuild forced by %s.", actor), "by the wish of "+actor)
	})
	if err != nil {
		return BuildRow{}, fmt.Errorf("rebuild build %d: %w", id, err)
	}
	return s.Build(ctx, id)
}

// RebuildLost has a build built again, and with it everything above it, because files of
// packages that it has published are not there any more. It changes nothing and returns false
// when the build has other packages by now, or is not built, or its iteration is over. Conflict
// when something above it is being published at this moment.
func (s *Store) RebuildLost(ctx context.Context, id int64, lost []buildbtw.Package) (rebuilt bool, err error) {
	err = s.inTx(ctx, func(ctx context.Context, t *tx) error {
		row, err := t.buildRow(ctx, id)
		if err != nil {
			return err
		}
		if row.CanRebuild() != nil || t.checkReady(ctx, row) != nil {
			return nil //nolint:nilerr // why it may not is of no interest: it is left as it is
		}
		published, err := publishedFiles(ctx, &Reader{queries: t.queries}, []int64{id})
		if err != nil {
			return err
		}
		var names buildbtw.Names
		for _, p := range lost {
			if slices.ContainsFunc(published[id], func(f buildbtw.Package) bool { return f.Filename == p.Filename && f.SHA256 == p.SHA256 }) {
				names = append(names, p.Filename)
			}
		}
		if len(names) == 0 {
			return nil
		}
		rebuilt = true
		words := fmt.Sprintf("Built again: lost from the server's disk, or damaged there: %s.", names.Summary())
		return t.rebuild(ctx, buildbtw.System, row, words, "whose packages were lost")
	})
	if err != nil {
		return false, fmt.Errorf("rebuild build %d, whose packages are lost: %w", id, err)
	}
	return rebuilt, nil
}

// rebuild moves a build to pending and what is above it to blocked. The event of the build has
// words, those of the others why.
func (t *tx) rebuild(ctx context.Context, actor string, row BuildRow, words, why string) error {
	var above []int64
	if err := t.list(ctx, &above, "dependents_of_build", args{"build": row.ID}); err != nil {
		return fmt.Errorf("list what is above build %d: %w", row.ID, err)
	}
	ids := args{"builds": idList(above)}
	var busy []string
	if err := t.list(ctx, &busy, "being_published", ids); err != nil {
		return err
	}
	if len(busy) > 0 {
		return buildbtw.Conflict("%s, which is above it, is being published; try again in a moment", busy[0])
	}
	if err := t.endRunning(ctx, above, fmt.Sprintf("%s, which it is built with, is built again.", row.Pkgbase), buildbtw.StatusBlocked); err != nil {
		return err
	}
	err := t.moveOne(ctx, row.ID, change{
		to: buildbtw.StatusPending, cause: buildbtw.CauseForced, only: []buildbtw.Status{buildbtw.StatusBuilt},
		actor: actor, message: words, set: []string{"forced = TRUE", "retries = 0", "not_before = NULL"},
	})
	if err != nil {
		return err
	}
	_, err = t.move(ctx, above, change{
		to: buildbtw.StatusBlocked, cause: buildbtw.CauseForced, actor: actor,
		message: fmt.Sprintf("Is built again after %s, %s.", row.Pkgbase, why),
		set: []string{
			"forced = TRUE", "may_skip = FALSE", "retries = 0", "not_before = NULL", "input_key = ''", "output_digest = ''",
		},
	})
	if err != nil {
		return err
	}
	if _, err := t.exec(ctx, "recount_waiting", ids); err != nil {
		return fmt.Errorf("count what %d builds wait for: %w", len(above), err)
	}
	return nil
}

// endRunning ends the attempts under way of builds, at once: the builds will
// have others before a worker could report back. It hears of it at its next
// heartbeat.
func (t *tx) endRunning(ctx context.Context, builds []int64, message string, result buildbtw.Status) error {
	var attempts []buildbtw.Attempt
	if err := t.list(ctx, &attempts, "running_attempts_of_builds", args{"builds": idList(builds)}); err != nil {
		return err
	}
	for i := range attempts {
		err := t.finishAttempt(ctx, &attempts[i], ending{outcome: buildbtw.OutcomeCancelled, message: message}, result)
		if err != nil {
			return err
		}
	}
	return nil
}
