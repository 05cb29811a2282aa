package scheduler

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"buildbtw"
	"buildbtw/store"
)

// Pipelines is where builds are executed that no worker of ours fetches:
// GitLab. A failure that concerns one project alone is an error of a kind that
// people may see, other than KindUnavailable; every other one means that
// GitLab as a whole cannot be used now, and that nobody knows whether it did
// what it was asked for.
type Pipelines interface {
	// CreatePipeline makes a branch at the commit and a pipeline on it. It never
	// makes two.
	CreatePipeline(ctx context.Context, r buildbtw.PipelineRequest) (buildbtw.PipelineStatus, error)

	// FindPipeline looks for the pipeline that was made on a branch; false when
	// there is none.
	FindPipeline(ctx context.Context, p buildbtw.Pipeline) (buildbtw.PipelineStatus, bool, error)

	// SeePipelines gives the statuses of pipelines by row; what GitLab does not have is
	// buildbtw.NoPipeline. A pipeline whose status could not be learned is left
	// out; the error says why.
	SeePipelines(ctx context.Context, list []buildbtw.Pipeline) (map[int64]buildbtw.PipelineStatus, error)

	// CancelPipeline ends a pipeline; one that is over or gone already is no error.
	CancelPipeline(ctx context.Context, p buildbtw.Pipeline) error

	// RemovePin removes the branch of a pipeline; one that is gone is no error.
	RemovePin(ctx context.Context, p buildbtw.Pipeline) error
}

// PipelineConfig is how builds are handed to GitLab.
type PipelineConfig struct {
	Pipelines  Pipelines         // nil: builds are left to workers, and the rest is not needed
	Most       int               // pipelines at the same time
	RunnerTags map[string]string // by architecture: the tag of the runners that build for it
}

// The variables of a pipeline. None is secret: GitLab shows them to people. The
// executor takes the address of the server and its token from its own
// configuration.
const (
	variableBuild        = "BUILDBTW_BUILD_ID"
	variableCommit       = "BUILDBTW_COMMIT"
	variableArchitecture = "BUILDBTW_ARCHITECTURE"
	variableRunnerTag    = "BUILDBTW_RUNNER_TAG"
)

// DefaultRunnerTag is the tag of the runners of an architecture for which none
// is set.
const DefaultRunnerTag = "buildbtw"

// creating is how many pipelines are asked for at once.
const creating = 4

// dispatchPass hands pending builds to GitLab, the best first, until there are
// as many pipelines as may be. While GitLab is down the builds stay pending.
func (s *Scheduler) dispatchPass(ctx context.Context) error {
	if s.Pipelines == nil || !s.down.over(s.Now()) {
		return nil
	}
	err := s.recoverPipelines(ctx)
	for err == nil {
		var n int
		if n, err = s.dispatchSome(ctx); n == 0 {
			break
		}
	}
	if err != nil {
		s.down.failed(s.Now())
		return fmt.Errorf("hand builds to GitLab: %w", err)
	}
	s.down.ended()
	return nil
}

// nextDispatch gives the end of an outage.
func (s *Scheduler) nextDispatch(context.Context) (time.Time, bool, error) {
	return s.down.until, !s.down.until.IsZero(), nil
}

// recoverPipelines finds out what became of pipelines whose creation was cut
// off: by a crash, or because the answer was lost.
func (s *Scheduler) recoverPipelines(ctx context.Context) error {
	open, err := s.Store.OpenPipelines(ctx)
	if err != nil {
		return err
	}
	for _, p := range open {
		if p.State != buildbtw.PipelineCreating {
			continue
		}
		st, found, err := s.Pipelines.FindPipeline(ctx, p.Pipeline)
		switch {
		case err != nil && ofOneProject(err):
			err = s.Store.UndispatchBuild(ctx, p.ID, store.Undispatched{Message: buildbtw.MessageOf(err)})
		case err != nil:
		case found:
			err = s.Store.PipelineCreated(ctx, p.ID, st)
		default:
			err = s.Store.UndispatchBuild(ctx, p.ID, store.Undispatched{Message: "GitLab did not make a pipeline when it was asked to.", Site: true})
		}
		if err != nil {
			return fmt.Errorf("find the pipeline of branch %s in %s: %w", p.Ref, p.Project, err)
		}
	}
	return nil
}

// ofOneProject tells trouble with one project from trouble with all of GitLab.
func ofOneProject(err error) bool {
	kind := buildbtw.KindOf(err)
	return kind != buildbtw.KindInternal && kind != buildbtw.KindUnavailable
}

// dispatchSome hands out a few builds at the same time and says how many.
func (s *Scheduler) dispatchSome(ctx context.Context) (int, error) {
	var group errgroup.Group
	n := 0
	for range creating {
		d, err := s.Store.DispatchBuild(ctx, store.Dispatch{Architectures: s.Architectures, Most: s.Most})
		if err != nil || d == nil {
			return n, errors.Join(err, group.Wait())
		}
		n++
		group.Go(func() error { return s.createPipeline(ctx, *d) })
	}
	return n, group.Wait()
}

// createPipeline asks GitLab for one pipeline. When nobody knows whether it was
// made, the stored intention stays, and recoverPipelines looks for it.
func (s *Scheduler) createPipeline(ctx context.Context, d store.Dispatched) error {
	st, err := s.Pipelines.CreatePipeline(ctx, s.pipelineRequest(d))
	if err == nil {
		return s.Store.PipelineCreated(ctx, d.Pipeline.ID, st)
	}
	if !ofOneProject(err) {
		return err
	}
	s.Log.WarnContext(ctx, "GitLab makes no pipeline for a build; it is tried again", "build", d.Build.ID, "project", d.Pipeline.Project, "error", err)
	return s.Store.UndispatchBuild(ctx, d.Pipeline.ID, store.Undispatched{Message: buildbtw.MessageOf(err)})
}

func (s *Scheduler) pipelineRequest(d store.Dispatched) buildbtw.PipelineRequest {
	tag, ok := s.RunnerTags[d.Build.Architecture]
	if !ok {
		tag = DefaultRunnerTag
	}
	return buildbtw.PipelineRequest{
		ProjectID: d.Pipeline.ProjectID, Ref: d.Pipeline.Ref, Commit: d.Build.Commit,
		Variables: map[string]string{
			variableBuild: strconv.FormatInt(d.Build.ID, 10), variableCommit: d.Build.Commit,
			variableArchitecture: d.Build.Architecture, variableRunnerTag: tag,
		},
	}
}
