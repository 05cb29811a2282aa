package runners

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Bounds of what a LogWatch keeps.
const (
	maxLine      = 500      // bytes of a line
	maxLines     = 20       // lines of each kind
	maxWatchText = 16 << 10 // bytes of text
)

// LogWatch is a writer that remembers, of what makepkg, pacman and devtools
// print, the lines that say why they failed.
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
	text, isError := cutErrorMark(line)
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

// cutErrorMark takes makepkg's, devtools' and pacman's marks off a line.
func cutErrorMark(line string) (text string, ok bool) {
	for _, mark := range []string{"==> ERROR: ", "error: "} {
		if text, ok := strings.CutPrefix(line, mark); ok {
			return text, true
		}
	}
	return line, false
}

// appendBounded forgets the oldest line for a new one.
func appendBounded(list []string, text string) []string {
	if len(list) == maxLines {
		list = list[1:]
	}
	return append(list, text)
}

// Reset forgets everything, for the next program.
func (w *LogWatch) Reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.line, w.errors, w.missing, w.listing = nil, nil, nil, false
	w.text.Reset()
}

// Errors lists the newest error lines without their marks, oldest first.
func (w *LogWatch) Errors() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.errors)
}

// Missing lists the dependencies that makepkg found missing.
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

// Reason says why makepkg failed: the PKGBUILD's function that did, missing
// dependencies, or its last words. It is empty when makepkg gave no reason.
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
