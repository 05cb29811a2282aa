// Package runners is the build machine's side: the interface of runners, and the
// agent that claims builds, has a runner execute them, and reports the results.
//
// The agent guarantees that a restart of the server never costs a running build,
// that a result is reported exactly once, and that nothing of a build survives it
// on the machine.
package runners

import (
	"context"
	"errors"
	"fmt"
	"io"

	"buildbtw"
	"buildbtw/api"
)

// Runner is a way of executing a build.
type Runner interface {
	// Name is the runner's name in claims: pkgctl, vm, makepkg or fake.
	Name() string

	// Probe returns why the runner cannot work on this machine, and what to do
	// about it. It is called once at start and by doctor.
	Probe(ctx context.Context) error

	// Build executes the job. It writes its output to log as it comes, and leaves
	// no process running. When ctx ends it stops at once. Packages go to
	// job.Output. The outcome built means only "ended with success": Collect
	// checks afterwards whether the packages are there.
	Build(ctx context.Context, job Job, log io.Writer) Result
}

// Job is a build for a runner to execute. Its directories belong to this attempt
// alone; the agent removes them.
type Job struct {
	api.Job
	Tree   string // the unpacked source, with the PKGBUILD; may be written to
	Output string // where packages go; empty at first
	Work   string // for anything else; empty at first
	Mark   string // for Command.Mark: of this attempt alone
}

// Result is how an attempt ended.
type Result struct {
	Outcome buildbtw.Outcome
	Message string // in words, for people; empty when built
}

// Failed returns the result of a build whose package is at fault.
func Failed(format string, args ...any) Result {
	return Result{Outcome: buildbtw.OutcomeFailed, Message: fmt.Sprintf(format, args...)}
}

// Infrastructure returns the result of a build that failed by the fault of the
// machine, the network or the server.
func Infrastructure(format string, args ...any) Result {
	return Result{Outcome: buildbtw.OutcomeInfrastructure, Message: fmt.Sprintf(format, args...)}
}

// Why a build is ended early: the causes of a build's context.
var (
	errLeaseOver = errors.New("the lease is over")
	errStopped   = errors.New("the server told the worker to stop")
	errTimedOut  = errors.New("the time limit passed")
	errReleased  = errors.New("the worker is shutting down")
)

// StallError is the error of a program that neither wrote nor computed for too
// long.
type StallError struct{ Seconds float64 }

func (e *StallError) Error() string {
	return fmt.Sprintf("no output and no CPU use for %.0f s", e.Seconds)
}

// resultOf returns the result of a build whose context ended, by the cause.
func resultOf(job api.Job, cause error) Result {
	r := Result{Message: cause.Error()}
	switch {
	case errors.Is(cause, errTimedOut):
		r.Outcome = buildbtw.OutcomeTimedOut
		r.Message = fmt.Sprintf("not done after %.0f s, which is the limit", job.TimeoutSeconds)
	case errors.Is(cause, errReleased):
		r.Outcome = buildbtw.OutcomeReleased
	default:
		r.Outcome = buildbtw.OutcomeCancelled
	}
	return r
}
