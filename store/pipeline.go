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
	err := t.getText(ctx, &wanted, `SELECT count(DISTINCT b.id) `+wantedPipelines)
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
		t.changed.add(Change{Builds: []int64{p.BuildID}})
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
	t.changed.add(Change{Builds: []int64{p.BuildID}})
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

// OpenPipeline is a pipeline that has not ended, with what became of its build.
type OpenPipeline struct {
	buildbtw.Pipeline
	Commit string `bun:"commit_id"` // that its ref pins
	Wanted bool   `bun:"wanted"`    // false: nobody waits for it, it is to be cancelled
}

// OpenPipelines lists every pipeline that has not ended, the oldest first. One is
// unwanted while no executor has begun and its build does not wait for it any
// more; or when what its executor began was told to stop, or given up as lost.
// What has come to an end with a result ends in GitLab by itself.
func (q *Reader) OpenPipelines(ctx context.Context) ([]OpenPipeline, error) {
	rows := []OpenPipeline{}
	err := q.listText(ctx, &rows, `SELECT p.*, b.commit_id, CASE
    WHEN a.id IS NULL THEN b.status = 'scheduled' AND NOT EXISTS (SELECT 1 FROM pipelines AS l WHERE l.build_id = b.id AND l.id > p.id)
    ELSE NOT (a.state = 'running' AND a.stop OR a.outcome = 'lost') END AS wanted
FROM pipelines AS p JOIN builds AS b ON b.id = p.build_id LEFT JOIN attempts AS a ON a.id = p.attempt_id
WHERE p.state <> 'ended' ORDER BY p.id`)
	if err != nil {
		return nil, fmt.Errorf("list open pipelines: %w", err)
	}
	return rows, nil
}

// PinnedPipelines lists pipelines that have ended and whose refs may still be in
// GitLab, at most so many.
func (q *Reader) PinnedPipelines(ctx context.Context, most int) ([]buildbtw.Pipeline, error) {
	rows := []buildbtw.Pipeline{}
	err := q.listText(ctx, &rows, `SELECT * FROM pipelines WHERE state = 'ended' AND pinned ORDER BY id LIMIT ?`, most)
	if err != nil {
		return nil, fmt.Errorf("list pinned pipelines: %w", err)
	}
	return rows, nil
}

// UnpinPipelines notes that the refs of these rows are gone from GitLab.
func (s *Store) UnpinPipelines(ctx context.Context, ids []int64) error {
	err := s.transact(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.NewUpdate().Model((*buildbtw.Pipeline)(nil)).Set("pinned = FALSE").
			Where("id IN (SELECT value FROM json_each(?))", idList(ids)).Exec(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("note that refs of pipelines are gone: %w", err)
	}
	return nil
}

// BuildPipelines lists the pipelines of a build, newest first.
func (q *Reader) BuildPipelines(ctx context.Context, build int64) ([]buildbtw.Pipeline, error) {
	rows := []buildbtw.Pipeline{}
	err := q.listText(ctx, &rows, `SELECT * FROM pipelines WHERE build_id = ? ORDER BY id DESC`, build)
	if err != nil {
		return nil, fmt.Errorf("list pipelines of build %d: %w", build, err)
	}
	return rows, nil
}

// OwnPipeline reports whether GitLab's pipeline of that number was made for a
// build and has not ended.
func (q *Reader) OwnPipeline(ctx context.Context, number int64) (bool, error) {
	var n int
	err := q.getText(ctx, &n, `SELECT count(*) FROM pipelines WHERE number = ? AND number <> 0 AND state <> 'ended'`, number)
	if err != nil {
		return false, fmt.Errorf("look up pipeline %d: %w", number, err)
	}
	return n > 0, nil
}

// SeePipelines notes what GitLab says of pipelines, by row. One that is over ends
// here too; if no executor began its build, that is pending again. It gives
// how many ended.
func (s *Store) SeePipelines(ctx context.Context, seen map[int64]buildbtw.PipelineStatus) (ended int, err error) {
	err = s.transact(ctx, func(ctx context.Context, t *tx) error {
		var open []buildbtw.Pipeline
		err := t.NewSelect().Model(&open).Where("state = ?", buildbtw.PipelineCreated).Order("id").Scan(ctx)
		if err != nil {
			return err
		}
		for i := range open {
			p := &open[i]
			st, ok := seen[p.ID]
			if !ok || st.Status == p.Status && !st.Over && (st.URL == "" || st.URL == p.URL) {
				continue
			}
			if err := t.see(ctx, p, st); err != nil {
				return fmt.Errorf("pipeline %d: %w", p.Number, err)
			}
			if st.Over {
				ended++
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("note what GitLab says of pipelines: %w", err)
	}
	return ended, nil
}

func (t *tx) see(ctx context.Context, p *buildbtw.Pipeline, st buildbtw.PipelineStatus) error {
	p.Status, p.SeenAt = st.Status, &t.now
	if st.URL != "" {
		p.URL = st.URL
	}
	if st.Over {
		return t.endPipeline(ctx, p, Undispatched{Message: st.Message})
	}
	t.changed.add(Change{Builds: []int64{p.BuildID}})
	_, err := t.NewUpdate().Model(p).Column("status", "url", "seen_at").WherePK().Exec(ctx)
	return err
}
