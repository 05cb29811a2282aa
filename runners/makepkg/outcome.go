package makepkg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
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
	reason := b.watch.reason(exit.Code)
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

// maxLine bounds what of a line is kept, in bytes.
const maxLine = 500

// logWatch remembers, of what a program prints, the lines that say why it
// failed.
type logWatch struct {
	mu      sync.Mutex
	line    []byte
	errors  []string // texts of "==> ERROR: …" and "error: …", the newest last
	missing []string // lines below "Missing dependencies"
	listing bool
	pacman  strings.Builder // what looks like pacman's words
}

// maxErrors bounds how many lines are remembered of each kind.
const maxErrors = 20

// Write implements io.Writer.
func (w *logWatch) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	rest := p
	for {
		part, after, found := bytes.Cut(rest, []byte("\n"))
		w.line = append(w.line, part[:min(len(part), max(0, maxLine-len(w.line)))]...)
		if !found {
			return len(p), nil
		}
		w.take(string(w.line))
		w.line = w.line[:0]
		rest = after
	}
}

func (w *logWatch) take(line string) {
	text, isError := strings.CutPrefix(line, "==> ERROR: ")
	if !isError {
		text, isError = strings.CutPrefix(line, "error: ")
	}
	switch {
	case isError:
		w.errors = appendBounded(w.errors, text)
		w.listing = false
	case strings.HasPrefix(line, "==> "):
		w.listing = strings.Contains(line, "issing dependencies")
	case strings.HasPrefix(line, "  -> ") && w.listing:
		w.missing = appendBounded(w.missing, strings.TrimPrefix(line, "  -> "))
	}
	if w.pacman.Len() < 16<<10 {
		w.pacman.WriteString(line + "\n")
	}
}

func appendBounded(list []string, text string) []string {
	if len(list) == maxErrors {
		list = list[1:]
	}
	return append(list, text)
}

// reset forgets what an earlier program printed.
func (w *logWatch) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.line, w.errors, w.missing, w.listing = nil, nil, nil, false
	w.pacman.Reset()
}

var failedFunction = regexp.MustCompile(`^A failure occurred in (\w[^ ]*)\(\)\.`)

// reason says in words why makepkg ended with this code.
func (w *logWatch) reason(code int) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, text := range w.errors {
		if m := failedFunction.FindStringSubmatch(text); m != nil {
			return fmt.Sprintf("%s() failed (makepkg exit code %d)", m[1], code)
		}
	}
	words := exitWords(code)
	if len(w.missing) > 0 {
		words = "missing: " + strings.Join(w.missing, ", ")
	} else if len(w.errors) > 0 {
		words = strings.TrimRight(w.errors[len(w.errors)-1], ".")
	}
	if words == "" {
		words = "a function of the PKGBUILD ended makepkg"
	}
	return fmt.Sprintf("%s (makepkg exit code %d)", words, code)
}

// pacmanError gives pacman's reason.
func (w *logWatch) pacmanError() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.errors) == 0 {
		return "no reason given"
	}
	return strings.Join(w.errors[:min(3, len(w.errors))], "; ")
}

var (
	unfitWords       = regexp.MustCompile(`target not found|unable to satisfy dependency|could not satisfy dependencies|conflicting (files|dependencies)|exists in filesystem|are in conflict`)
	unreachableWords = regexp.MustCompile(`(?i)could not connect|failed to connect|connection refused|connection reset|couldn't connect|could not resolve|operation too slow|timed out|timeout|returned error: 50[234]|empty reply|transfer closed|recv failure`)
)

// unfit reports whether pacman found that packages do not fit together.
func (w *logWatch) unfit() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return unfitWords.MatchString(w.pacman.String())
}

// unreachable reports whether pacman could not reach the server.
func (w *logWatch) unreachable() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return unreachableWords.MatchString(w.pacman.String())
}
