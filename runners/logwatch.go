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
	maxLine  = 500 // bytes of a line
	maxLines = 20  // lines of each kind
	kinds    = 8   // of telling lines
)

// LogWatch is a writer that collects the lines in which makepkg, pacman and
// devtools print why they failed. It judges each line as it comes, however long the log.
type LogWatch struct {
	mu      sync.Mutex
	line    []byte
	errors  []string
	missing []string
	listing bool // the lines that follow name missing dependencies
	told    [kinds]string

	unsatisfiable, machineFault, corrupted, unreachable bool
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
	w.unsatisfiable = w.unsatisfiable || unsatisfiable.MatchString(line)
	w.machineFault = w.machineFault || machineFaults.MatchString(line)
	w.corrupted = w.corrupted || corrupted.MatchString(line)
	w.unreachable = w.unreachable || strings.HasPrefix(line, "error: failed retrieving file")
	for rank, text := range telling.FindStringSubmatch(line) {
		if rank > 0 && text != "" && w.told[rank-1] == "" {
			w.told[rank-1] = text
		}
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
	w.told = [kinds]string{}
	w.unsatisfiable, w.machineFault, w.corrupted, w.unreachable = false, false, false, false
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

// Unsatisfiable reports whether pacman said that packages do not exist or do not fit
// together, which a packager must mend.
func (w *LogWatch) Unsatisfiable() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.unsatisfiable
}

var unsatisfiable = regexp.MustCompile(`target not found|unable to satisfy dependency|could not satisfy dependencies|conflicting (files|dependencies)|exists in filesystem|are in conflict`)

// corrupted matches pacman's message about a file that differs from the database's entry:
// pacman deletes it, and the next try downloads the right one.
var corrupted = regexp.MustCompile(`^:: File .* is corrupted \(|\(invalid or corrupted package`)

// telling matches lines with the reason of a failure, the most specific kind first: a step
// of the PKGBUILD, a package, a signature, a checksum, an address.
var telling = regexp.MustCompile(strings.Join([]string{
	`^==> ERROR: A failure occurred in (\w[^ ]*\(\))\.`,
	`^error: (target not found: .+)`,
	`^:: (unable to satisfy dependency .+)`,
	`^==> ERROR: (One or more PGP signatures could not be verified)`,
	`^==> ERROR: (One or more files did not pass the validity check)`,
	`^==> ERROR: (Failure while downloading .+)`,
	`^:: (File .* is corrupted .*)\.$`,
	`^error: (failed retrieving file .+)`,
}, "|"))

// mute matches errors that only say that there was another.
var mute = regexp.MustCompile(`^(Aborting|Could not download sources|Build failed|'pacman' failed to install|Could not resolve all dependencies|Failed to install (packages to new root|all packages)|failed to commit transaction|failed to prepare transaction|failed to synchronize)`)

// Reason returns why makepkg failed: the PKGBUILD's function that did, a package that
// does not exist, and so on; missing dependencies; or the last error that says
// something. It is empty when makepkg printed none.
func (w *LogWatch) Reason() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, text := range w.told {
		switch {
		case text == "":
		case i == 0:
			return text + " failed"
		default:
			return text
		}
	}
	if len(w.missing) > 0 {
		return "missing: " + strings.Join(w.missing, ", ")
	}
	for _, text := range slices.Backward(w.errors) {
		if !mute.MatchString(text) {
			return strings.TrimRight(text, ".")
		}
	}
	if len(w.errors) > 0 {
		return strings.TrimRight(w.errors[0], ".")
	}
	return ""
}

// machineFaults matches devtools' messages about a container that could not be started.
var machineFaults = regexp.MustCompile(`unable to lock database|Failed to (create|allocate|register) .*(machine|scope|cgroup)`)

// JudgeBuild returns the result of a build with makepkg that failed, of the step that runs
// code of the package and has no network. ended describes how the program ended.
func JudgeBuild(watch *LogWatch, ended string) Result {
	return PackageFailed("%s (%s)", cmp.Or(watch.Reason(), "no reason given"), ended)
}
