package runners

import (
	"bytes"
	"cmp"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Bounds of a LogWatch.
const (
	maxLine      = 500      // bytes of a line
	maxLines     = 20       // lines of each kind
	maxWatchText = 16 << 10 // bytes of text
)

// LogWatch is a writer that collects the lines in which makepkg, pacman and
// devtools print why they failed.
type LogWatch struct {
	mu      sync.Mutex
	line    []byte
	errors  []string
	missing []string
	listing bool // the lines that follow name missing dependencies
	text    strings.Builder
}

// Write implements io.Writer.
func (w *LogWatch) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for rest := p; ; {
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

func (w *LogWatch) take(line string) {
	text, isError := strings.CutPrefix(line, "==> ERROR: ") // makepkg and devtools
	if !isError {
		text, isError = strings.CutPrefix(line, "error: ") // pacman
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
	if w.text.Len() < maxWatchText {
		w.text.WriteString(line + "\n")
	}
}

// appendBounded appends a line and drops the oldest one when there are too many.
func appendBounded(list []string, text string) []string {
	if len(list) == maxLines {
		list = list[1:]
	}
	return append(list, text)
}

// Reset clears everything, for the next program.
func (w *LogWatch) Reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.line, w.errors, w.missing, w.listing = nil, nil, nil, false
	w.text.Reset()
}

// Errors returns the newest error lines without their marks, oldest first.
func (w *LogWatch) Errors() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.errors)
}

// Missing returns the dependencies that makepkg found missing.
func (w *LogWatch) Missing() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.missing)
}

// Matches reports whether the beginning of the output matches.
func (w *LogWatch) Matches(pattern *regexp.Regexp) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return pattern.MatchString(w.text.String())
}

var failedFunction = regexp.MustCompile(`^A failure occurred in (\w[^ ]*\(\))\.`)

// Reason returns why makepkg failed: the PKGBUILD's function that did, missing
// dependencies, or the last error. It is empty when makepkg printed none.
func (w *LogWatch) Reason() string {
	errors := w.Errors()
	for _, text := range errors {
		if m := failedFunction.FindStringSubmatch(text); m != nil {
			return m[1] + " failed"
		}
	}
	if missing := w.Missing(); len(missing) > 0 {
		return "missing: " + strings.Join(missing, ", ")
	}
	if len(errors) > 0 {
		return strings.TrimRight(errors[len(errors)-1], ".")
	}
	return ""
}

// machineFaults matches messages of devtools and pacman by which the machine is
// at fault.
var machineFaults = regexp.MustCompile(strings.Join([]string{
	`failed retrieving file`, `failed to synchronize`, `Could not resolve host`, `Operation too slow`,
	`unable to lock database`, `failed to commit transaction \(download library error\)`,
	`sudo: `, `Failed to (create|allocate|register) .*(machine|scope|cgroup)`, `failed to create archroot`,
	`Failed to (install|update) .*chroot`,
}, "|"))

// JudgeBuild returns the result of a build with devtools or makepkg that failed.
// devtools ends with 255 for every cause, so its messages decide: a function of
// the PKGBUILD that failed is the package's fault, a chroot that could not be
// made is not. ended describes how the program ended.
func JudgeBuild(watch *LogWatch, ended string) Result {
	reason := watch.Reason()
	switch {
	case strings.HasSuffix(reason, "() failed"):
		return Failed("%s (%s)", reason, ended)
	case watch.Matches(machineFaults):
		return Infrastructure("devtools could not build: %s (%s)", reason, ended)
	}
	return Failed("%s (%s)", cmp.Or(reason, "no reason given"), ended)
}
