package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

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
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
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

func (t *tx) pipelinesFull(ctx context.Context, most int) (bool, error) {
	var wanted int
	err := t.get(ctx, &wanted, "count_wanted_pipelines", nil)
	return wanted >= most, err
}

// dispatch handles one pending build and says whether there may be another.
func (t *tx) dispatch(ctx context.Context, d Dispatch, out **Dispatched) (more bool, err error) {
	best, err := t.bestPending(ctx, d.Architectures)
	if err != nil || best == 0 {
		return false, err
	}
	waited, err := t.waited(ctx, best)
	if err != nil {
		return false, err
	}
	t.seen.leased = append(t.seen.leased, waited...)
	err = t.moveOne(ctx, best, change{
		to: buildbtw.StatusScheduled, cause: buildbtw.CauseDispatched, actor: buildbtw.System,
		message: "Handed to GitLab.", set: []string{"not_before = NULL"},
	})
	if err != nil {
		return false, err
	}
	row, err := t.buildRow(ctx, best)
	if isUnreadable(err) {
		return true, t.failUnreadable(ctx, best, err)
	}
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
	if err := t.insert(ctx, &p); err != nil {
		return false, err
	}
	*out = &Dispatched{Build: row, Pipeline: p}
	_, err = t.exec(ctx, "note_served", args{"iteration": row.IterationID, "now": t.now})
	return true, err
}

// PipelineCreated notes the pipeline that GitLab made. Its executor may have
// claimed the build already.
func (s *Store) PipelineCreated(ctx context.Context, id int64, st buildbtw.PipelineStatus) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		p, err := t.pipeline(ctx, id)
		if err != nil || p.State == buildbtw.PipelineEnded || p.URL != "" {
			return err
		}
		p.State, p.Number, p.Status, p.URL, p.SeenAt = buildbtw.PipelineCreated, st.Number, st.Status, st.URL, &t.now
		return t.savePipeline(ctx, p, "state", "number", "status", "url", "seen_at")
	})
	if err != nil {
		return fmt.Errorf("note pipeline %d of GitLab: %w", st.Number, err)
	}
	return nil
}

// Undispatched is why a pipeline could not be made.
type Undispatched struct {
	Message string // in words, for people

	// Site is set when the site is at fault and not the build: that waits, and the
	// failure does not count towards giving it up.
	Site  bool
	Pause time.Duration // the least, when Site; it grows with each pipeline that comes to nothing
}

// UndispatchBuild ends a pipeline that could not be made, and makes its build
// pending again after a pause.
func (s *Store) UndispatchBuild(ctx context.Context, id int64, why Undispatched) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
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
	err := t.get(ctx, p, "pipeline", args{"pipeline": id})
	return p, notFound(err, "there is no pipeline row %d", id)
}

// savePipeline writes columns of a pipeline.
func (t *tx) savePipeline(ctx context.Context, p *buildbtw.Pipeline, columns ...string) error {
	t.note(Change{Builds: []int64{p.BuildID}})
	_, err := t.NewUpdate().Model(p).Column(columns...).WherePK().Exec(ctx)
	return err
}

// endPipeline is the only way to the state ended. A build that still waits for
// this pipeline's first sign is pending again.
func (t *tx) endPipeline(ctx context.Context, p *buildbtw.Pipeline, why Undispatched) error {
	p.State, p.EndedAt = buildbtw.PipelineEnded, &t.now
	if p.AttemptID == 0 {
		p.Message = why.Message
	}
	if err := t.savePipeline(ctx, p, "state", "ended_at", "message", "status", "url", "seen_at"); err != nil {
		return err
	}
	b, err := t.build(ctx, p.BuildID)
	if err != nil || b.Status != buildbtw.StatusScheduled {
		return err
	}
	latest := new(buildbtw.Pipeline)
	err = t.get(ctx, latest, "latest_pipeline_of_build", args{"build": b.ID})
	if err != nil || latest.ID != p.ID {
		return err
	}
	c := change{cause: buildbtw.CauseLost, only: []buildbtw.Status{buildbtw.StatusScheduled}, actor: buildbtw.System, message: why.Message}
	if why.Site {
		var empty int
		if err := t.get(ctx, &empty, "count_empty_pipelines", args{"build": b.ID}); err != nil {
			return err
		}
		return t.postpone(ctx, b.ID, max(why.Pause, pause(empty-1)), c)
	}
	return t.tryAgain(ctx, b.ID, t.opts.MaxRetries, c)
}

// OpenPipeline is a pipeline that has not ended, with what became of its build.
type OpenPipeline struct {
	buildbtw.Pipeline
	Commit string `bun:"commit_id"` // that its ref pins
	Wanted bool   `bun:"wanted"`    // false: nobody waits for it, it is to be cancelled
}

// OpenPipelines lists every pipeline that has not ended, the oldest first. One is
// unwanted while no executor has begun and its build does not wait for it any
// more; or when what its executor began was told to stop, or was lost and cannot return
// since another attempt has begun or nobody needs the build.
// What has come to an end with a result ends in GitLab by itself.
func (q *Reader) OpenPipelines(ctx context.Context) ([]OpenPipeline, error) {
	rows, err := readable[OpenPipeline](ctx, q.queries, "open_pipelines", nil)
	if err != nil {
		return rows, fmt.Errorf("list open pipelines: %w", err)
	}
	return rows, nil
}

// CancelAsked records that GitLab was asked to cancel pipelines.
func (s *Store) CancelAsked(ctx context.Context, ids []int64) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "note_cancels", args{"pipelines": idList(ids), "now": t.now})
		return err
	})
	if err != nil {
		return fmt.Errorf("note the pipelines that GitLab was asked to cancel: %w", err)
	}
	return nil
}

// PinnedPipelines lists pipelines that have ended and whose refs may still be in
// GitLab, at most so many.
func (q *Reader) PinnedPipelines(ctx context.Context, most int) ([]buildbtw.Pipeline, error) {
	rows := []buildbtw.Pipeline{}
	err := q.list(ctx, &rows, "pinned_pipelines", args{"limit": most})
	if err != nil {
		return nil, fmt.Errorf("list pinned pipelines: %w", err)
	}
	return rows, nil
}

// UnpinPipelines notes that the refs of these rows are gone from GitLab.
func (s *Store) UnpinPipelines(ctx context.Context, ids []int64) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "unpin_pipelines", args{"pipelines": idList(ids)})
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
	err := q.list(ctx, &rows, "pipelines_of_build", args{"build": build})
	if err != nil {
		return nil, fmt.Errorf("list pipelines of build %d: %w", build, err)
	}
	return rows, nil
}

// OwnPipeline reports whether GitLab's pipeline of that number was made for a
// build and has not ended.
func (q *Reader) OwnPipeline(ctx context.Context, number int64) (bool, error) {
	var n int
	err := q.get(ctx, &n, "count_open_of_number", args{"number": number})
	if err != nil {
		return false, fmt.Errorf("look up pipeline %d: %w", number, err)
	}
	return n > 0, nil
}

// SeePipelines notes what GitLab says of pipelines, by row. One that is over ends
// here too; if no executor began its build, that is pending again. It gives
// how many ended.
func (s *Store) SeePipelines(ctx context.Context, seen map[int64]buildbtw.PipelineStatus) (ended int, err error) {
	err = s.inTx(ctx, func(ctx context.Context, t *tx) error {
		var open []buildbtw.Pipeline
		if err := t.list(ctx, &open, "created_pipelines", nil); err != nil {
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
		why := Undispatched{Message: st.Message, Site: true}
		if p.CancelledInGitLab() {
			why.Pause = buildbtw.CancelledPause
		}
		return t.endPipeline(ctx, p, why)
	}
	return t.savePipeline(ctx, p, "status", "url", "seen_at")
}
