package forge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"buildbtw"
	"buildbtw/internal/guard"
)

const (
	// ObservePeriod is how often every pipeline is looked at. Webhooks have single
	// ones looked at sooner.
	ObservePeriod = 10 * time.Second

	maxRemovals = 20   // branches that are removed in one pass
	maxEvents   = 1000 // pipelines that wait for a look; beyond it all are looked at
)

// events are the pipelines that webhooks named.
type events struct {
	mu      sync.Mutex
	numbers map[int64]bool
	all     time.Time // when all pipelines were looked at last
}

func (e *events) add(number int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.numbers == nil {
		e.numbers = map[int64]bool{}
	}
	if len(e.numbers) >= maxEvents {
		e.all = time.Time{}
		return
	}
	e.numbers[number] = true
}

// take returns which pipelines to look at now; nil for all.
func (e *events) take(now time.Time) map[int64]bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	numbers := e.numbers
	e.numbers = nil
	if now.Sub(e.all) >= ObservePeriod || len(numbers) == 0 {
		e.all = now
		return nil
	}
	return numbers
}

// HandlePipelineEvent is called for a webhook about a pipeline or one of its jobs.
// One that is not ours is ignored.
func (f *Forge) HandlePipelineEvent(ctx context.Context, number int64) error {
	own, err := f.Store.OwnPipeline(ctx, number)
	if err != nil || !own {
		return err
	}
	f.events.add(number)
	f.wakeLoop("observe")
	return nil
}

// Observe learns the statuses of pipelines, cancels those that nobody wants any
// more, and removes the branches of those that are over. Trouble with some does
// not stop the others.
func (f *Forge) Observe(ctx context.Context) error {
	if !f.Dispatches() {
		return nil
	}
	open, unreadable := f.Store.OpenPipelines(ctx)
	only := f.events.take(f.Now())
	var list, unwanted []buildbtw.Pipeline
	for _, p := range open {
		if p.State != buildbtw.PipelineCreated || only != nil && !only[p.Number] {
			continue
		}
		list = append(list, p.Pipeline)
		if !p.Wanted && !p.NextCancel().After(f.Now()) {
			unwanted = append(unwanted, p.Pipeline)
		}
	}
	failures := []error{unreadable}
	if len(unwanted) > 0 {
		failures = append(failures, f.cancel(ctx, unwanted))
	}
	if len(list) > 0 {
		seen, err := f.Client.SeePipelines(ctx, list)
		_, storeErr := f.Store.SeePipelines(ctx, seen)
		failures = append(failures, err, storeErr)
	}
	if only == nil {
		failures = append(failures, f.removeBranches(ctx))
	}
	if err := errors.Join(failures...); err != nil {
		return fmt.Errorf("observe the pipelines: %w", err)
	}
	return nil
}

// cancel asks GitLab to cancel pipelines.
func (f *Forge) cancel(ctx context.Context, unwanted []buildbtw.Pipeline) error {
	var asked []int64
	var failures []error
	for _, p := range unwanted {
		asked = append(asked, p.ID)
		if err := guard.Run(func() error { return f.Client.CancelPipeline(ctx, p) }); err != nil {
			failures = append(failures, fmt.Errorf("cancel pipeline %d: %w", p.Number, err))
			if !ofOneProject(err) {
				break
			}
		}
	}
	return errors.Join(append(failures, f.Store.CancelAsked(ctx, asked))...)
}

// removeBranches removes the branches of pipelines that are over. One that GitLab
// refuses to remove stays, and is not tried for ever.
func (f *Forge) removeBranches(ctx context.Context) error {
	list, err := f.Store.PinnedPipelines(ctx, maxRemovals)
	if err != nil || len(list) == 0 {
		return err
	}
	var done []int64
	var failures []error
	for _, p := range list {
		err := f.Client.RemovePin(ctx, p)
		if err != nil {
			failures = append(failures, fmt.Errorf("remove branch %s of %s: %w", p.Ref, p.Project, err))
			if !ofOneProject(err) {
				break
			}
		}
		done = append(done, p.ID)
	}
	return errors.Join(append(failures, f.Store.UnpinPipelines(ctx, done))...)
}
