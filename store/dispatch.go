package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"buildbtw"
)

// Dispatch asks for a build to hand to GitLab.
type Dispatch struct {
	Architectures []string
	Most          int // pipelines at the same time
}

// Dispatched is a build that is about to be handed to GitLab.
type Dispatched struct {
	Build    BuildRow
	Pipeline buildbtw.Pipeline
}

// DispatchBuild takes the best pending build, by the rules of ClaimBuild, and
// stores the intention to make a pipeline for it: whatever happens then, the
// pipeline can be found under its ref. It gives nil when there is nothing to
// hand out or as many pipelines are wanted as may be. A build whose source is
// not in GitLab fails, with words.
func (s *Store) DispatchBuild(ctx context.Context, d Dispatch) (*Dispatched, error) {
	var out *Dispatched
	err := s.transact(ctx, func(ctx context.Context, t *tx) error {
		full, err := t.pipelinesFull(ctx, d.Most)
		if err != nil || full {
			return err
		}
		for out == nil {
			more, err := t.dispatch(ctx, d, &out)
			if err != nil || !more {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("dispatch a build: %w", err)
	}
	return out, nil
}

// wantedPipelines selects the pipelines, as p, whose builds, as b, still wait for
// what comes of them.
const wantedPipelines = `FROM pipelines AS p JOIN builds AS b ON b.id = p.build_id
WHERE p.state <> 'ended' AND b.status IN ('scheduled', 'building')`

func (t *tx) pipelinesFull(ctx context.Context, most int) (bool, error) {
	var wanted int
	err := t.get(ctx, &wanted, `SELECT count(DISTINCT b.id) `+wantedPipelines)
	return wanted >= most, err
}

// dispatch handles one pending build and says whether there may be another.
func (t *tx) dispatch(ctx context.Context, d Dispatch, out **Dispatched) (more bool, err error) {
	ids, err := t.move(ctx, sqlf("id = ("+bestPending()+")", t.bestPendingArgs(d.Architectures)...), change{
		to: buildbtw.StatusScheduled, cause: buildbtw.CauseDispatched, actor: buildbtw.System,
		message: "Handed to GitLab.", set: []clause{sqlf("not_before = NULL")},
	})
	if err != nil || len(ids) == 0 {
		return false, err
	}
	row, err := t.buildRow(ctx, ids[0])
	if err != nil {
		return false, err
	}
	project, err := t.projectOfSource(ctx, row.Source)
	if errors.Is(err, sql.ErrNoRows) {
		return true, t.moveOne(ctx, row.ID, change{
			to: buildbtw.StatusFailed, cause: buildbtw.CauseFailed, actor: buildbtw.System,
			message: fmt.Sprintf("Source %s is no project on GitLab, and this server has GitLab build.", row.Source),
		})
	}
	if err != nil {
		return false, err
	}
	p := buildbtw.Pipeline{
		BuildID: row.ID, State: buildbtw.PipelineCreating, ProjectID: project.ID, Project: project.Path, Pinned: true, CreatedAt: t.now,
		Ref: fmt.Sprintf("%sbuild-%d-%s", buildbtw.PipelineRefs, row.ID, t.opts.NewRef()),
	}
	if _, err := t.NewInsert().Model(&p).Exec(ctx); err != nil {
		return false, err
	}
	*out = &Dispatched{Build: row, Pipeline: p}
	return true, t.served(ctx, row.IterationID)
}

// PipelineCreated notes the pipeline that GitLab made. Its executor may have
// claimed the build already.
func (s *Store) PipelineCreated(ctx context.Context, id int64, st buildbtw.PipelineStatus) error {
	err := s.transact(ctx, func(ctx context.Context, t *tx) error {
		p, err := t.pipeline(ctx, id)
		if err != nil || p.State == buildbtw.PipelineEnded || p.URL != "" {
			return err
		}
		p.State, p.Number, p.Status, p.URL, p.SeenAt = buildbtw.PipelineCreated, st.Number, st.Status, st.URL, &t.now
		t.changed = true
		_, err = t.NewUpdate().Model(p).Column("state", "number", "status", "url", "seen_at").WherePK().Exec(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("note pipeline %d of GitLab: %w", st.Number, err)
	}
	return nil
}

// Undispatched is why a pipeline could not be made.
type Undispatched struct {
	Message string // in words, for people

	// Site says that all of GitLab is at fault: the build waits, and the
	// failure does not count towards giving it up.
	Site bool
}

// UndispatchBuild ends a pipeline that could not be made, and makes its build
// pending again after a pause.
func (s *Store) UndispatchBuild(ctx context.Context, id int64, why Undispatched) error {
	err := s.transact(ctx, func(ctx context.Context, t *tx) error {
		p, err := t.pipeline(ctx, id)
		if err != nil || p.State == buildbtw.PipelineEnded {
			return err
		}
		return t.endPipeline(ctx, p, why)
	})
	if err != nil {
		return fmt.Errorf("take build of pipeline row %d back: %w", id, err)
	}
	return nil
}

func (t *tx) pipeline(ctx context.Context, id int64) (*buildbtw.Pipeline, error) {
	p := new(buildbtw.Pipeline)
	err := t.NewSelect().Model(p).Where("id = ?", id).Scan(ctx)
	return p, notFound(err, "there is no pipeline row %d", id)
}

// endPipeline is the only way to the state ended. A build that still waits for
// this pipeline's first sign is pending again.
func (t *tx) endPipeline(ctx context.Context, p *buildbtw.Pipeline, why Undispatched) error {
	p.State, p.EndedAt = buildbtw.PipelineEnded, &t.now
	if p.AttemptID == 0 {
		p.Message = why.Message
	}
	t.changed = true
	_, err := t.NewUpdate().Model(p).Column("state", "ended_at", "message", "status", "url", "seen_at").WherePK().Exec(ctx)
	if err != nil {
		return err
	}
	b, err := t.build(ctx, p.BuildID)
	if err != nil || b.Status != buildbtw.StatusScheduled {
		return err
	}
	latest, err := t.isLatest(ctx, p)
	if err != nil || !latest {
		return err
	}
	c := change{cause: buildbtw.CauseLost, only: []buildbtw.Status{buildbtw.StatusScheduled}, actor: buildbtw.System, message: why.Message}
	if why.Site {
		return t.postpone(ctx, b.ID, firstPause, c)
	}
	return t.tryAgain(ctx, b.ID, c)
}

func (t *tx) isLatest(ctx context.Context, p *buildbtw.Pipeline) (bool, error) {
	later, err := t.NewSelect().Model((*buildbtw.Pipeline)(nil)).Where("build_id = ? AND id > ?", p.BuildID, p.ID).Exists(ctx)
	return !later, err
}
