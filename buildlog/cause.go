package buildlog

import (
	"regexp"
	"strings"

	"buildbtw/internal/ansi"
)

// Cause returns the line that most likely says why the build failed: the first error of the
// part in which it ended (the last of prepare, build, check, package that began), else the
// first error of all. Not ok when no line tells more than that the part failed.
func (v *View) Cause() (m Mark, ok bool) { return v.index.cause() }

func (x *index) cause() (m Mark, ok bool) {
	var began int64
	for _, p := range x.Phases {
		if strings.Contains(p.Text, "Starting ") {
			began = p.Line
		}
	}
	for _, e := range x.Errors {
		switch {
		case strings.Contains(e.Text, "A failure occurred in "):
		case e.Line > began:
			return e, true
		case !ok:
			m, ok = e, true
		}
	}
	return m, ok
}

// What of a line differs between builds that fail for the same reason. Each is replaced, in
// this order.
//
//nolint:gochecknoglobals // a table that never changes
var differing = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile("[\u2018\u2019`]"), "'"},
	{regexp.MustCompile(`/\S*/`), ""},                                             // directories of absolute paths
	{regexp.MustCompile(`(^|[\s'"(=\[])(\.{1,2}/)?(?:[\w.+~-]+/)+`), "$1"},        // and of relative ones
	{regexp.MustCompile(`\bcc[A-Za-z0-9]{6}\.(o|s|ltrans\S*)`), "object"},         // the compiler's temporary files
	{regexp.MustCompile(`(?i)\b0x[0-9a-f]+\b|\b[0-9a-f]{12,}\b`), "…"},            // addresses and digests
	{regexp.MustCompile(`\bline \d+\b`), "line"},                                  //
	{regexp.MustCompile(`(:\d+)+(:|\]|\)|,|$|\s)`), "$2"},                         // line and column
	{regexp.MustCompile(`\((\d+)(,\s*\d+)?\)`), ""},                               // the same, as some compilers write it
	{regexp.MustCompile(`^\S*make(\[\d+\])?: \*\*\* \[([^\]]*)\]`), "make: [$2]"}, // its depth
	{regexp.MustCompile(`\bpid \d+|\[\d+\]`), ""},
	{regexp.MustCompile(`\s+`), " "},
}

var (
	severity = regexp.MustCompile(`(?i)^(.*?)(?:\bfatal error|\berror(?:\[E\d+\])?|==> ERROR): (.+)$`)
	// before is what stands before the message where no word tells of an error: the file, the
	// section, the program.
	before = regexp.MustCompile(`^(?:(?:[\w.+-]+\.(?:o|a|so|lo|c|cc|cpp|cxx|h|hpp|rs|go|py|sh|f90)|object|ld(?:\.\w+)?|collect2|[\w.+-]+\.\w+\.\w+\.rcgu\.o|line|PKGBUILD|bash|sh)?(?:\(\S*\))?: ?|in function '[^']*': ?)+`)
)

const maxSummary = 160 // bytes

// Summary returns what a line of a log says, without what differs between packages that fail for
// the same reason: "/build/abacus/src/abacus.c:12:10: fatal error: calc.h: No such file or
// directory" is "calc.h: No such file or directory". Lines of one summary have one cause.
func Summary(line string) string {
	s := strings.TrimSpace(line)
	for _, d := range differing {
		s = d.pattern.ReplaceAllString(s, d.with)
	}
	s = strings.TrimSpace(s)
	if m := severity.FindStringSubmatch(s); m != nil {
		s = m[2]
	} else {
		s = s[len(before.FindString(s)):]
	}
	if s = strings.TrimSpace(s); s == "" {
		s = strings.TrimSpace(line)
	}
	if len(s) > maxSummary {
		s = strings.ToValidUTF8(s[:maxSummary], "") + "…"
	}
	return s
}

// Excerpt returns a line of a log without colours, cut to fit in a list.
func Excerpt(line []byte) string { return excerpt(ansi.Plain(line)) }
