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
	"net/http"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/internal/limit"
)

// Runner is a way of executing a build.
type Runner interface {
	// Name is the runner's name in claims: pkgctl, vm, makepkg or fake.
	Name() string

	// Probe returns an error with the reason, and the remedy, if the runner cannot work on
	// this machine. It is called once at start and by doctor.
	Probe(ctx context.Context) error

	// Build executes the job. It writes its output to log as it comes, and leaves
	// no process running. When ctx ends it stops at once. Packages go to
	// job.Output. The outcome built means only "ended with success": Collect
	// checks afterwards whether the packages are there.
	Build(ctx context.Context, job Job, log io.Writer) Result
}

// Noter is a Runner that has something to say about this machine, once it was
// probed.
type Noter interface {
	Notes() []Note
}

// Note is a line about how builds run on this machine.
type Note struct {
	Text    string
	Warning bool // somebody should do something about it
}

// Shower is a Runner that knows whether the builds on this machine see a file, be it
// that they may read it or not.
type Shower interface {
	Shows(file string) bool
}

// Job is a build for a runner to execute. Its directories belong to this attempt
// alone; the agent removes them.
type Job struct {
	api.Job
	Tree   string // the unpacked source, with the PKGBUILD; may be written to
	Output string // where packages go; empty at first
	Work   string // for anything else; empty at first
	Mark   string // for Command.Mark: of this attempt alone

	// Authorize puts the worker's token into a request for a file of the repository;
	// nil: it needs none. The token is never inside a build's box.
	Authorize func(*http.Request) error
}

// Result is how an attempt ended.
type Result struct {
	Outcome buildbtw.Outcome
	Message string // in words, for people; empty when built

	// Doubtful: an infrastructure failure whose only evidence is the build's own output or
	// exit status. It is tried once more.
	Doubtful bool

	// Blameless: an infrastructure failure that says nothing against this machine, such
	// as a mirror that does not answer.
	Blameless bool

	// PackageCode: the step that failed ran code of the package. Messages in the log about a
	// full disk or too little memory are then compared with the machine's numbers.
	PackageCode bool

	// MemoryKnown: the control group of the step that failed was not short of memory,
	// whatever the log says.
	MemoryKnown bool

	// Memory is the most memory in bytes that one process of the build had resident; 0 when
	// the runner cannot measure it.
	Memory int64

	// NotChecked has dependencies that were taken for granted, with blanks between: neither
	// the iteration's repository nor this machine has them.
	NotChecked string

	// Installed has the packages that were installed when the build ran, a line each as
	// pacman -Q prints it; empty when that is not known.
	Installed string

	// NamcapRan: namcap looked at the packages. Namcap has its errors and warnings, a line each:
	// "foo E: …".
	NamcapRan bool
	Namcap    string
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

// Unreachable returns the result of a build that failed because another machine, such as
// a mirror, could not be reached or did not work: it is tried again, and this machine
// is not to blame.
func Unreachable(format string, args ...any) Result {
	r := Infrastructure(format, args...)
	r.Blameless = true
	return r
}

// PackageFailed returns the result of a build in which code of the package failed.
func PackageFailed(format string, args ...any) Result {
	r := Failed(format, args...)
	r.PackageCode = true
	return r
}

// Overused returns the result of a build that used more than it may: the limits
// are settings of the worker, so another machine may let it pass.
func Overused(err *limit.ExceededError) Result {
	return Result{Outcome: buildbtw.OutcomeFailed, Message: err.Error()}
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
