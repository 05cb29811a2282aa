package store

import (
	"context"
	"fmt"

	"buildbtw"
)

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
func (s *Store) OpenPipelines(ctx context.Context) ([]OpenPipeline, error) {
	rows := []OpenPipeline{}
	err := s.lists.SelectContext(ctx, &rows, `SELECT p.*, b.commit_id, CASE
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
func (s *Store) PinnedPipelines(ctx context.Context, most int) ([]buildbtw.Pipeline, error) {
	rows := []buildbtw.Pipeline{}
	err := s.lists.SelectContext(ctx, &rows, `SELECT * FROM pipelines WHERE state = 'ended' AND pinned ORDER BY id LIMIT ?`, most)
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
func (s *Store) BuildPipelines(ctx context.Context, build int64) ([]buildbtw.Pipeline, error) {
	rows := []buildbtw.Pipeline{}
	err := s.lists.SelectContext(ctx, &rows, `SELECT * FROM pipelines WHERE build_id = ? ORDER BY id DESC`, build)
	if err != nil {
		return nil, fmt.Errorf("list pipelines of build %d: %w", build, err)
	}
	return rows, nil
}

// OwnPipeline reports whether GitLab's pipeline of that number was made for a
// build and has not ended.
func (s *Store) OwnPipeline(ctx context.Context, number int64) (bool, error) {
	var n int
	err := s.lists.GetContext(ctx, &n, `SELECT count(*) FROM pipelines WHERE number = ? AND number <> 0 AND state <> 'ended'`, number)
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
	t.changed = true
	_, err := t.NewUpdate().Model(p).Column("status", "url", "seen_at").WherePK().Exec(ctx)
	return err
}
