package makepkg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"syscall"

	"buildbtw"
	"buildbtw/runners"
)

// exitWords says what makepkg's exit codes mean: /usr/share/makepkg/util/error.sh.
func exitWords(code int) string {
	return map[int]string{
		1: "general error", 2: "error in the configuration", 3: "invalid option",
		4: "a function of the PKGBUILD failed", 5: "the package could not be made", 6: "a file is missing or the PKGBUILD cannot be read",
		7: "the package directory is missing", 8: "dependencies are missing", 9: "dependencies could not be removed",
		10: "run as root", 11: "no permission to write", 12: "error in the PKGBUILD", 13: "built already",
		14: "the package could not be installed", 15: "a program that makepkg needs is missing on this machine", 16: "the package could not be signed",
	}[code]
}

// machineCodes are exit codes that blame the machine. A PKGBUILD can fake them
// and gains a few retries.
func machineCode(code int) bool {
	switch code {
	case 2, 3, 10, 11, 15:
		return true
	}
	return false
}

// judge says what the end of makepkg means.
func (b *build) judge(ctx context.Context, exit runners.Exit, err error) runners.Result {
	if result, known := b.common(ctx, exit, err); known {
		return result
	}
	reason := b.reason(exit.Code)
	if machineCode(exit.Code) {
		return runners.Infrastructure("%s", reason)
	}
	return runners.Failed("%s", reason)
}

// common handles what can befall every program.
func (b *build) common(ctx context.Context, exit runners.Exit, err error) (runners.Result, bool) {
	var stalled *runners.StallError
	switch {
	case ctx.Err() != nil: // the agent knows what the cause stands for
		return runners.Result{Outcome: buildbtw.OutcomeCancelled, Message: context.Cause(ctx).Error()}, true
	case errors.As(exit.Killed, &stalled):
		return runners.Result{Outcome: buildbtw.OutcomeStalled, Message: stalled.Error()}, true
	case err != nil:
		return runners.Infrastructure("%v", err), true
	case exit.OOM:
		return runners.Infrastructure("out of memory: the kernel killed a process (%s)", exit), true
	case exit.Signal != 0:
		return runners.Infrastructure("the sandbox was killed by signal %s", exit.Signal), true
	case exit.Code == 128+int(syscall.SIGKILL):
		return runners.Infrastructure("makepkg was killed by signal KILL, which the worker did not send"), true
	}
	return runners.Result{}, false
}

// reason says in words why makepkg ended with this code.
func (b *build) reason(code int) string {
	words := cmp.Or(b.watch.Reason(), exitWords(code), "a function of the PKGBUILD ended makepkg")
	return fmt.Sprintf("%s (makepkg exit code %d)", words, code)
}

// What pacman prints when packages do not fit together, and when the server
// could not be reached.
var (
	unfitWords       = regexp.MustCompile(`target not found|unable to satisfy dependency|could not satisfy dependencies|conflicting (files|dependencies)|exists in filesystem|are in conflict`)
	unreachableWords = regexp.MustCompile(`(?i)could not connect|failed to connect|connection refused|connection reset|couldn't connect|could not resolve|operation too slow|timed out|timeout|returned error: 50[234]|empty reply|transfer closed|recv failure`)
)

// pacmanError returns pacman's reason.
func (b *build) pacmanError() string {
	errors := b.watch.Errors()
	return cmp.Or(strings.Join(errors[:min(3, len(errors))], "; "), "no reason given")
}
