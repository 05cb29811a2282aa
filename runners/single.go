package runners

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/api"
)

// Single asks for one build by name: the one that a job of GitLab's was created
// for.
type Single struct {
	Build    string // id
	Pipeline int64  // GitLab's number of the pipeline that asks
	Job      int64  // and of its job
	Commit   string // the commit that the job is about; the build must be of it
	Slot     int

	// Deadline ends the build, whatever the server allows: then whoever started
	// this program kills it. Zero: none. Limit says in words whose limit that is; a
	// build that it ends, and not the server's own limit, has not failed by itself.
	Deadline time.Time
	Limit    string

	// Leased is called with the job before anything else is done with it.
	Leased func(api.Job) error
}

// claimGrace is how long after its end a claim that is under way may take.
const claimGrace = 5 * time.Second

// RunSingle claims the build and sees it through to its report. When ctx ends
// the build is handed back. The error means that there was no lease: of kind
// conflict or not found when the server does not hand the build out.
func (a *Agent) RunSingle(ctx context.Context, s Single) (Report, error) {
	if err := CheckRoom(a.work.path); err != nil {
		return Report{}, err
	}
	// A job that is cancelled while the server grants its claim is to hand the build
	// back, so the answer is waited for a while longer.
	asking, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(claimGrace, end) })()
	job, _, err := a.Client.Claim(asking, api.ClaimRequest{
		Worker: a.Worker, Architectures: a.Architectures, Runners: a.runnerNames(),
		Labels: a.Labels, Version: a.Version, Slot: s.Slot, Build: s.Build, Pipeline: s.Pipeline, Job: s.Job,
		Secret: a.identity.secret, Instance: a.identity.instance, Machine: a.machine(),
	})
	switch {
	case err != nil:
		return Report{}, err
	case job == nil:
		return Report{}, buildbtw.Conflict("build %s is not handed out to this job", s.Build)
	}
	if err := a.check(s, *job); err != nil {
		return a.refuse(asking, s, *job, err), nil
	}
	stop := context.AfterFunc(ctx, a.Release)
	defer stop()
	return a.runAttempt(s.Slot, *job, s.shorten(job)), nil
}

// shorten lets a job end at the deadline. It returns whose limit that is, and nothing when
// the server's own is not later.
func (s Single) shorten(job *api.Job) (cut string) {
	left := max(time.Until(s.Deadline).Seconds(), 1)
	if s.Deadline.IsZero() || job.TimeoutSeconds > 0 && left >= job.TimeoutSeconds {
		return ""
	}
	cut = s.Limit
	if job.TimeoutSeconds > 0 {
		cut += fmt.Sprintf(", though the server lets builds run for %s", seconds(job.TimeoutSeconds))
	}
	job.TimeoutSeconds = left
	return cut
}

// check compares the leased build with the requested one.
func (a *Agent) check(s Single, job api.Job) error {
	switch {
	case job.BuildID != s.Build:
		return buildbtw.Conflict("the server gave build %s instead of %s", job.BuildID, s.Build)
	case job.Commit != s.Commit:
		return buildbtw.Conflict("the job is about commit %s, but build %s is of %s", s.Commit, s.Build, job.Commit)
	case !slices.Contains(a.Architectures, job.Architecture):
		return buildbtw.Conflict("this machine builds for %s, not for %s; give the jobs of each architecture a runner tag", strings.Join(a.Architectures, ", "), job.Architecture)
	case s.Leased != nil:
		return s.Leased(job)
	}
	return nil
}

// refuse ends a lease that nothing may be done with.
func (a *Agent) refuse(ctx context.Context, s Single, job api.Job, why error) Report {
	report := Report{Job: job, Result: Infrastructure("%v", why)}
	if job.BuildID != s.Build { // another build's fault it is not
		report.Outcome = buildbtw.OutcomeReleased
	}
	answer, err := a.Client.Finish(ctx, job.Lease, finishRequest(report.Result, nil))
	report.Status, report.Lost = answer.Status, err
	return report
}
