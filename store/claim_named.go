package store

import (
	"context"
	"database/sql"
	"errors"

	"buildbtw"
)

// claimNamed leases one build to the executor of its pipeline. A person can
// have GitLab run the job of a failed build again: that is a retry.
func (t *tx) claimNamed(ctx context.Context, c Claim) (*buildbtw.Attempt, error) {
	row, err := t.buildRow(ctx, c.Build)
	if err != nil {
		return nil, err
	}
	p, err := t.claimingPipeline(ctx, c)
	if err != nil {
		return nil, err
	}
	if row.Status == buildbtw.StatusFailed {
		if err := t.retryInGitLab(ctx, row); err != nil {
			return nil, err
		}
	}
	ids, err := t.move(ctx, sqlf("id = ? AND twin_of = 0 AND held = ''", row.ID), t.leased(c, buildbtw.StatusScheduled, buildbtw.StatusPending))
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, buildbtw.Conflict("%s for %s is %s; it is not to be built now", row.Pkgbase, row.Architecture, row.Status)
	}
	a, err := t.startAttempt(ctx, row.ID, c)
	if err != nil || p == nil {
		return a, err
	}
	return a, t.startPipeline(ctx, p, c, a.ID)
}

// claimingPipeline gives the pipeline whose executor asks: Conflict unless it is
// the build's latest. A build that was never handed to GitLab has none.
func (t *tx) claimingPipeline(ctx context.Context, c Claim) (*buildbtw.Pipeline, error) {
	p := new(buildbtw.Pipeline)
	err := t.NewSelect().Model(p).Where("build_id = ?", c.Build).Order("id DESC").Limit(1).Scan(ctx)
	switch {
	case errors.Is(err, sql.ErrNoRows) && c.Pipeline == 0:
		return nil, nil
	case errors.Is(err, sql.ErrNoRows):
		return nil, buildbtw.Conflict("build %d was never handed to GitLab", c.Build)
	case err != nil:
		return nil, err
	case c.Pipeline != 0 && p.Number != 0 && p.Number != c.Pipeline:
		return nil, buildbtw.Conflict("build %d was handed to pipeline %d meanwhile", c.Build, p.Number)
	}
	return p, nil
}

func (t *tx) retryInGitLab(ctx context.Context, row BuildRow) error {
	if err := row.CanRetry(); err != nil {
		return err
	}
	if err := t.checkReady(ctx, row); err != nil {
		return err
	}
	return t.moveOne(ctx, row.ID, retry("GitLab"))
}

// startPipeline notes the attempt that a pipeline's executor began. The executor
// may be there before the server has noted the pipeline, and after it has
// ended: then a person had its job run again.
func (t *tx) startPipeline(ctx context.Context, p *buildbtw.Pipeline, c Claim, attempt int64) error {
	p.AttemptID, p.Job, p.EndedAt, p.Message = attempt, c.Job, nil, ""
	if p.Number == 0 {
		p.Number = c.Pipeline
	}
	if p.Number != 0 {
		p.State = buildbtw.PipelineCreated
	}
	_, err := t.NewUpdate().Model(p).Column("attempt_id", "job", "ended_at", "message", "number", "state").WherePK().Exec(ctx)
	return err
}
