package forge

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"buildbtw"
	"buildbtw/git/gitlab"
	"buildbtw/git/gitmirror"
	"buildbtw/internal/guard"
	"buildbtw/store"
)

// DefaultRunnerTag is the tag of the runners of an architecture for which none
// is set.
const DefaultRunnerTag = "buildbtw"

// parallelCreations is how many pipelines are asked for at once.
const parallelCreations = 4

const (
	firstOutage = 5 * time.Second
	maxOutage   = 5 * time.Minute
)

// outage delays Dispatch while GitLab is down: each failure doubles the pause.
type outage struct {
	pause time.Duration
	until time.Time
}

// Dispatches reports whether builds are handed to GitLab.
func (f *Forge) Dispatches() bool { return f.MaxPipelines > 0 }

// Dispatch hands pending builds to GitLab, the best first, until there are as many
// pipelines as may be. While GitLab is down the builds stay pending.
func (f *Forge) Dispatch(ctx context.Context) error {
	if !f.Dispatches() || f.Now().Before(f.outage.until) {
		return nil
	}
	err := f.recoverPipelines(ctx)
	for err == nil {
		var n int
		if n, err = f.dispatchSome(ctx); n == 0 {
			break
		}
	}
	if err != nil {
		pause := min(max(2*f.outage.pause, firstOutage), maxOutage)
		f.outage = outage{pause: pause, until: f.Now().Add(pause)}
		return fmt.Errorf("hand builds to GitLab: %w", err)
	}
	f.outage = outage{}
	return nil
}

// NextDispatch returns the end of an outage, if there is one.
func (f *Forge) NextDispatch(context.Context) (time.Time, bool, error) {
	return f.outage.until, !f.outage.until.IsZero(), nil
}

// recoverPipelines looks for pipelines whose creation was interrupted by a
// crash or a lost answer, and puts the builds of those that GitLab did not make
// back.
func (f *Forge) recoverPipelines(ctx context.Context) error {
	open, err := f.Store.OpenPipelines(ctx)
	if err != nil && len(open) == 0 {
		return err
	}
	creating := map[int64]bool{}
	var failures []error
	for _, p := range open {
		if p.State != buildbtw.PipelineCreating {
			continue
		}
		creating[p.ID] = true
		failure, err := f.unknown.Try(ctx, f.Log, f.Now(), p.ID, "it is not known whether GitLab made a pipeline; it is asked again", func() error {
			return f.recoverPipeline(ctx, p.Pipeline)
		})
		if err != nil && failure.Tries >= guard.GiveUpAfter && (!buildbtw.MayPass(err) || gitlab.TroubleOf(err) == gitlab.Nonsense) {
			err = f.Store.UndispatchBuild(ctx, p.ID, store.Undispatched{
				Message: fmt.Sprintf("It could not be found out in %d tries whether GitLab made a pipeline. %s", failure.Tries, buildbtw.MessageOf(err)),
			})
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("find the pipeline of branch %s in %s: %w", p.Ref, p.Project, err))
		}
		if len(failures) >= maxRecoveries { // it is GitLab that cannot be used
			return errors.Join(failures...)
		}
	}
	f.unknown.Keep(func(id int64) bool { return creating[id] })
	return nil // Observe tells of those that cannot be read
}

// recoverPipeline looks for one pipeline. An error of one project, and that there is
// none, put its build back.
func (f *Forge) recoverPipeline(ctx context.Context, p buildbtw.Pipeline) error {
	status, found, err := f.Client.FindPipeline(ctx, p)
	switch {
	case err != nil && ofOneProject(err):
		return f.Store.UndispatchBuild(ctx, p.ID, store.Undispatched{Message: buildbtw.MessageOf(err)})
	case err != nil:
		return err
	case found:
		return f.Store.PipelineCreated(ctx, p.ID, status)
	}
	return f.Store.UndispatchBuild(ctx, p.ID, store.Undispatched{Message: "GitLab did not make a pipeline when it was asked to.", Site: true})
}

// maxRecoveries is how many pipelines may be looked for in vain in one pass: fewer
// are those pipelines' trouble, which holds up no other build.
const maxRecoveries = 3

// dispatchSome hands out a few builds at the same time and returns how many.
func (f *Forge) dispatchSome(ctx context.Context) (int, error) {
	var parallel errgroup.Group
	n := 0
	for range parallelCreations {
		d, err := f.Store.DispatchBuild(ctx, store.Dispatch{Architectures: f.Architectures, Most: f.MaxPipelines})
		if err != nil || d == nil {
			return n, errors.Join(err, parallel.Wait())
		}
		n++
		parallel.Go(func() error {
			err := guard.Run(func() error { return f.createPipeline(ctx, *d) })
			var caught *guard.PanicError
			if !errors.As(err, &caught) {
				return err
			}
			guard.Log(ctx, f.Log, "a build is not handed to GitLab", err, "build", d.Build.ID)
			return f.Store.UndispatchBuild(ctx, d.Pipeline.ID, store.Undispatched{Message: "The server failed while it asked GitLab for a pipeline. The cause is in its log."})
		})
	}
	return n, parallel.Wait()
}

// createPipeline asks GitLab for one pipeline. When nobody knows whether it was
// made, the stored intention stays, and recoverPipelines looks for it.
func (f *Forge) createPipeline(ctx context.Context, d store.Dispatched) error {
	cancelled, err := f.cancelledByHand(ctx, d)
	if err != nil {
		return err
	}
	if cancelled {
		return f.Store.UndispatchBuild(ctx, d.Pipeline.ID, store.Undispatched{Message: cancelledMessage, Site: true, Pause: buildbtw.CancelledPause})
	}
	var status buildbtw.PipelineStatus
	err = f.pushBump(ctx, d)
	if err == nil {
		status, err = f.Client.CreatePipeline(ctx, f.pipelineRequest(d))
	}
	if err == nil {
		return f.Store.PipelineCreated(ctx, d.Pipeline.ID, status)
	}
	if !ofOneProject(err) {
		return err
	}
	f.Log.WarnContext(ctx, "GitLab makes no pipeline for a build; it is tried again", "build", d.Build.ID, "project", d.Pipeline.Project, "error", err)
	return f.Store.UndispatchBuild(ctx, d.Pipeline.ID, store.Undispatched{Message: buildbtw.MessageOf(err)})
}

// cancelledMessage is for who cancelled a job where it is not wanted any more, and who
// does not know that a job that ends is begun again.
const cancelledMessage = "Its job was cancelled in GitLab. It is built again after a pause; to end it, cancel the build here."

// cancelledByHand reports whether a person has just cancelled the build's pipeline
// before this one in GitLab. Its executor hands the build back before GitLab shows that.
func (f *Forge) cancelledByHand(ctx context.Context, d store.Dispatched) (bool, error) {
	all, err := f.Store.BuildPipelines(ctx, d.Build.ID)
	if err != nil || len(all) < 2 {
		return false, err
	}
	before := all[1] // of two; the first is the new one
	switch before.State {
	case buildbtw.PipelineCreated:
		seen, err := f.Client.SeePipelines(ctx, []buildbtw.Pipeline{before})
		if err != nil {
			return false, nil //nolint:nilerr // what GitLab cannot tell now holds up no build
		}
		before.Status = seen[before.ID].Status
	case buildbtw.PipelineEnded:
		if before.EndedAt == nil || f.Now().Sub(*before.EndedAt) >= buildbtw.CancelledPause {
			return false, nil
		}
	case buildbtw.PipelineCreating:
		return false, nil
	}
	return before.AttemptID != 0 && before.CancelledInGitLab(), nil
}

// pushBump makes the pipeline's branch of a build whose commit was made here for a higher
// version: GitLab does not have it.
func (f *Forge) pushBump(ctx context.Context, d store.Dispatched) error {
	if d.Build.SourceCommit == "" {
		return nil
	}
	g := f.groupOf(d.Pipeline.Project)
	if g == nil {
		return buildbtw.NotFound("project %s is in none of the groups of --sources", d.Pipeline.Project)
	}
	p, err := f.Store.Project(ctx, d.Pipeline.ProjectID)
	if err != nil {
		return err
	}
	address, err := g.CloneURL(p.Project)
	if err != nil {
		return err
	}
	return f.Mirror.PushCommit(ctx, f.Access, gitmirror.Remote{Slug: d.Build.Source, URL: address}, d.Build.Commit, d.Pipeline.Ref)
}

func (f *Forge) pipelineRequest(d store.Dispatched) buildbtw.PipelineRequest {
	tag, ok := f.RunnerTags[d.Build.Architecture]
	if !ok {
		tag = DefaultRunnerTag
	}
	return buildbtw.PipelineRequest{
		ProjectID: d.Pipeline.ProjectID, Ref: d.Pipeline.Ref, Commit: d.Build.Commit,
		// None of the variables is secret: GitLab shows them to people. The
		// executor has the server's address and its token in its own
		// configuration.
		Variables: map[string]string{
			"BUILDBTW_BUILD_ID":     strconv.FormatInt(d.Build.ID, 10),
			"BUILDBTW_COMMIT":       d.Build.Commit,
			"BUILDBTW_ARCHITECTURE": d.Build.Architecture,
			"BUILDBTW_RUNNER_TAG":   tag,
		},
	}
}
