package buildlog

import (
	"bytes"
	"regexp"
	"slices"

	"buildbtw/internal/ansi"
)

// Mark is a line that matters: an error, or the beginning of a phase.
type Mark struct {
	Line   int64  `json:"line"`   // from 1
	Offset int64  `json:"offset"` // of the line's first byte in the log
	Kind   string `json:"kind"`   // who says so: makepkg, compiler, linker, …
	Text   string `json:"text"`   // the line, cut where it is long
}

// phase is the kind of marks at which a phase of the build begins.
const phase = "phase"

// A rule recognizes a line that matters: the line contains the word, and its
// plain text matches the pattern. The word finds the line quickly; of the rules
// with the same word, the first that matches counts. A rule with a fault also
// blames the machine, see MachineFault.
type rule struct{ kind, word, pattern, fault string }

// Faults of a machine that a log may tell of; see MachineFault.
const (
	DiskFull = "the disk is full"
	Killed   = "a program was killed, probably for want of memory"
	NoMemory = "out of memory or processes"
)

// rules is the table of phrases that mark errors and phases of a build. The
// texts are those of makepkg, pacman, compilers, glibc's strerror, curl and
// gpg. Whoever changes it changes indexVersion.
//
//nolint:gochecknoglobals // a table that never changes
var rules = []rule{
	{phase, "Making package: ", `^==> Making package: `, ""},
	{phase, "Retrieving sources", `^==> Retrieving sources`, ""},
	{phase, "Installing ", `^==> Installing (missing|package|.*dependencies)`, ""},
	{phase, "Starting ", `^==> Starting \w+\(\)`, ""},
	{phase, "Entering fakeroot", `^==> Entering fakeroot`, ""},
	{phase, "Creating package ", `^==> Creating package "`, ""},
	{phase, "Finished making: ", `^==> Finished making: `, ""},

	{"makepkg", "ERROR: ", `^\s*==> ERROR: `, ""},
	{"makepkg", "did not pass the validity", `did not pass the validity check`, ""},
	{"pacman", "error: ", `^error: (failed|target|unresolvable|could not)`, ""},
	{"linker", "error: ", `(^|/)(collect2|ld|ld\.\w+|lld|mold|clang)(-\d+)?: .*error: `, ""},
	{"linker", "undefined reference", `undefined reference to`, ""},
	{"linker", "multiple definition", `multiple definition of`, ""},
	{"linker", "cannot find -l", `cannot find -l`, ""},
	{"configure", "error: ", `^configure: error: `, ""},
	{"compiler", "error: ", `(^|[\s:])(fatal )?error: `, ""},
	{"compiler", "error[E", `^error\[E\d+\]`, ""},
	{"make", "] Error ", `^\S*make(\[\d+\])?: \*\*\* .*\] Error \d`, ""},
	{"make", "build stopped", `^ninja: build stopped`, ""},
	{"cmake", "CMake Error", `^CMake Error`, ""},
	{"tests", "FAILED", `^FAILED |\[  FAILED  \]|\.\.\. FAILED$|test result: FAILED`, ""},
	{"tests", "***Failed", `\*\*\*Failed`, ""},
	{"tests", "FAIL: ", `^(--- )?FAIL: `, ""},
	{"tests", " FAIL ", `^\s*\d+/\d+ .* FAIL\s`, ""},
	{"tests", "not ok ", `^\s*not ok \d+( - [^#]*)?$`, ""},
	{"disk", "No space left", `No space left on device`, DiskFull},
	{"disk", "Disk quota exceeded", `Disk quota exceeded`, DiskFull},
	{"memory", "Killed signal", `fatal error: Killed signal terminated program`, Killed},
	{"memory", "Killed ", `: line \d+: +\d+ Killed `, Killed},
	{"memory", "ut of memory", `(?i)out of memory`, ""}, // a Java program's own limit reads so, too
	{"memory", "annot allocate memory", `annot allocate memory`, NoMemory},
	{"memory", "virtual memory exhausted", `virtual memory exhausted`, NoMemory},
	{"memory", "Resource temporarily unavailable", `Resource temporarily unavailable$`, NoMemory},
	{"network", "curl: (", `^curl: \((5|6|7|16|28|35|52|55|56|92)\) `, ""},
	{"network", "keyserver receive failed", `gpg: keyserver receive failed: `, ""},
	{"disk", "Input/output error", `Input/output error`, "the disk has errors"},
	{"disk", "Read-only file system", `Read-only file system`, "the disk has errors"},
	{"crash", "egmentation fault", `egmentation fault`, ""},
	{"crash", "core dumped", `core dumped`, ""},
	{"python", "Traceback (most", `^\s*Traceback \(most recent call last\)`, ""},
	{"rust", "panicked at", `thread '.*' .*panicked at`, ""},
	{"git", "fatal: ", `^fatal: `, ""},
	{"network", "resolve host", `[Cc]ould not resolve host`, ""},
	{"shell", "command not found", `: command not found$`, ""},
	{"other", "ERROR: ", `(^|[\s:])ERROR: `, ""},
}

// finder looks for every rule at once.
type finder struct {
	needles  *needles
	patterns []*regexp.Regexp
}

func newFinder() *finder {
	f := &finder{}
	var words []string
	for _, r := range rules {
		words = append(words, r.word)
		f.patterns = append(f.patterns, regexp.MustCompile(r.pattern))
	}
	f.needles = newNeedles(words)
	return f
}

// MachineFault returns why the end of a failed build's log blames the machine
// and not the package, or "". A build may print such a line by itself, so it is worth
// one more try and never counts against the machine (see buildbtw.Attempt.Blameless).
// Faults that are refuted, because the machine itself said otherwise, are left out. A
// network is no such fault: what builds has none.
func MachineFault(tail []byte, refuted ...string) string {
	for _, r := range rules {
		if r.fault != "" && !slices.Contains(refuted, r.fault) && regexp.MustCompile(`(?m)`+r.pattern).Match(tail) {
			return r.fault
		}
	}
	return ""
}

// next returns the first line of text, not before from, that a rule knows, by its
// start and end, and the rule; nil when there is none.
func (f *finder) next(text []byte, from int) (start, end int, known *rule, says string) {
	for {
		at, words := f.needles.next(text, from)
		if at < 0 {
			return 0, 0, nil, ""
		}
		start = bytes.LastIndexByte(text[:at], '\n') + 1
		end = len(text)
		if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
			end = at + i
		}
		line := ansi.Plain(around(text[start:end], at-start))
		for _, i := range words {
			if f.patterns[i].Match(line) {
				return start, end, &rules[i], excerpt(line)
			}
		}
		from = at + 1
	}
}

// Bounds of the searched part of a line, and of its excerpt, in bytes.
const (
	maxLooked  = 1 << 10
	maxExcerpt = 240
)

// around returns the part of a line that has the place at in its middle.
func around(line []byte, at int) []byte {
	start := max(0, at-maxLooked/2)
	return line[start:min(len(line), start+maxLooked)]
}

// excerpt returns a line, cut to fit in a list.
func excerpt(plain []byte) string {
	text := bytes.TrimSpace(plain)
	if len(text) <= maxExcerpt {
		return string(text)
	}
	return string(bytes.ToValidUTF8(text[:maxExcerpt], nil)) + "…"
}

// Bounds of the marks of one log.
const (
	maxErrors = 200    // the first ones and the last
	lastKept  = 20     // so many of these are the last
	maxFound  = 10_000 // from here on errors are not looked for
	maxPhases = 50
)

// add records a mark. Of many errors it drops those in the middle: the first
// ones name the cause and the last ones its consequences.
func (x *index) add(m Mark) {
	if m.Kind == phase {
		if len(x.Phases) < maxPhases {
			x.Phases = append(x.Phases, m)
		}
		return
	}
	if x.Found >= maxFound {
		return
	}
	x.Found++
	if len(x.Errors) == maxErrors {
		x.Errors = append(x.Errors[:maxErrors-lastKept], x.Errors[maxErrors-lastKept+1:]...)
	}
	x.Errors = append(x.Errors, m)
}

// findMarks looks through whole lines that begin where x ends.
func (x *index) findMarks(f *finder, lines []byte) {
	line, counted := x.Lines+1, 0
	for at := 0; ; {
		start, end, known, says := f.next(lines, at)
		if known == nil {
			return
		}
		line += int64(bytes.Count(lines[counted:start], newline))
		counted, at = start, end
		x.add(Mark{Line: line, Offset: x.Scanned + int64(start), Kind: known.kind, Text: says})
	}
}
