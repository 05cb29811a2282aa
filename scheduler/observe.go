package scheduler

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"buildbtw"
	"buildbtw/store"
)

// observePeriod is how often every pipeline is looked at. Webhooks have single
// ones looked at sooner.
const observePeriod = 10 * time.Second

// maxUnpins bounds the branches that are removed in one pass.
const maxUnpins = 20

// told collects the pipelines that GitLab's webhooks told about.
type told struct {
	mu      sync.Mutex
	numbers map[int64]bool
	all     time.Time // when all pipelines were looked at last
}

// maxTold bounds how many are kept; beyond it all are looked at.
const maxTold = 1000

func (t *told) add(number int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.numbers == nil {
		t.numbers = map[int64]bool{}
	}
	if len(t.numbers) >= maxTold {
		t.all = time.Time{}
		return
	}
	t.numbers[number] = true
}

// take gives which pipelines to look at now; nil for all.
func (t *told) take(now time.Time) map[int64]bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	numbers := t.numbers
	t.numbers = nil
	if now.Sub(t.all) >= observePeriod || len(numbers) == 0 {
		t.all = now
		return nil
	}
	return numbers
}

// PipelineTold notes that GitLab says something about a pipeline; what, it is
// asked for itself, because webhooks come late, twice and out of order.
func (s *Scheduler) PipelineTold(ctx context.Context, number int64) error {
	own, err := s.Store.OwnPipeline(ctx, number)
	if err != nil || !own {
		return err
	}
	s.told.add(number)
	s.observe.Wake()
	return nil
}

// observePass learns how pipelines stand, cancels those that nobody wants any
// more, and removes the branches of those that are over. Trouble with some does
// not stop the others.
func (s *Scheduler) observePass(ctx context.Context) error {
	if s.Pipelines == nil {
		return nil
	}
	open, err := s.Store.OpenPipelines(ctx)
	if err != nil {
		return err
	}
	only := s.told.take(s.Now())
	open = created(open, only)
	err = errors.Join(s.cancelUnwanted(ctx, open), s.seePipelines(ctx, open))
	if only == nil {
		err = errors.Join(err, s.unpin(ctx))
	}
	if err != nil {
		return fmt.Errorf("observe the pipelines: %w", err)
	}
	return nil
}

// created selects what GitLab has, of only these numbers unless that is nil.
func created(open []store.OpenPipeline, only map[int64]bool) []store.OpenPipeline {
	var list []store.OpenPipeline
	for _, p := range open {
		if p.State == buildbtw.PipelineCreated && (only == nil || only[p.Number]) {
			list = append(list, p)
		}
	}
	return list
}

func (s *Scheduler) cancelUnwanted(ctx context.Context, open []store.OpenPipeline) error {
	var failures []error
	for _, p := range open {
		if p.Wanted {
			continue
		}
		if err := s.Pipelines.CancelPipeline(ctx, p.Pipeline); err != nil {
			failures = append(failures, fmt.Errorf("cancel pipeline %d: %w", p.Number, err))
			if !ofOneProject(err) {
				break
			}
		}
	}
	return errors.Join(failures...)
}

func (s *Scheduler) seePipelines(ctx context.Context, open []store.OpenPipeline) error {
	if len(open) == 0 {
		return nil
	}
	list := make([]buildbtw.Pipeline, len(open))
	for i, p := range open {
		list[i] = p.Pipeline
	}
	seen, err := s.Pipelines.SeePipelines(ctx, list)
	_, noteErr := s.Store.SeePipelines(ctx, seen)
	return errors.Join(err, noteErr)
}

// unpin removes branches of pipelines that are over. One that GitLab refuses to
// remove stays, and is not tried for ever.
func (s *Scheduler) unpin(ctx context.Context) error {
	list, err := s.Store.PinnedPipelines(ctx, maxUnpins)
	if err != nil || len(list) == 0 {
		return err
	}
	var done []int64
	var failures []error
	for _, p := range list {
		err := s.Pipelines.RemovePin(ctx, p)
		if err != nil {
			failures = append(failures, fmt.Errorf("remove branch %s of %s: %w", p.Ref, p.Project, err))
			if !ofOneProject(err) {
				break
			}
		}
		done = append(done, p.ID)
	}
	return errors.Join(append(failures, s.Store.UnpinPipelines(ctx, done))...)
}
