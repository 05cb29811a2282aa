package runners

import (
	"slices"
	"strings"
	"unicode"

	"buildbtw/api"
)

// WithNamcap returns a result with what namcap wrote about the packages of a job. Only lines of
// the form "foo E: …" or "foo W: …" of packages of the job are kept, each once, as many as the
// server stores.
func (r Result) WithNamcap(job Job, output string) Result {
	var lines []string
	size := 0
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(strings.Map(printable, strings.ToValidUTF8(line, "�")))
		name, text, _ := strings.Cut(line, " ")
		if !slices.Contains(job.Pkgnames, name) || !strings.HasPrefix(text, "E: ") && !strings.HasPrefix(text, "W: ") || slices.Contains(lines, line) {
			continue
		}
		if size += len(line) + 1; len(lines) == api.MaxNamcap || size > api.MaxNamcapText {
			break
		}
		lines = append(lines, line)
	}
	r.NamcapRan, r.Namcap = true, strings.Join(lines, "\n")
	return r
}

// printable replaces control characters.
func printable(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}

// namcap returns the report for the server; nil when namcap was not run.
func (r Result) namcap() *api.Namcap {
	if !r.NamcapRan {
		return nil
	}
	report := &api.Namcap{Lines: []string{}}
	if r.Namcap != "" {
		report.Lines = strings.Split(r.Namcap, "\n")
	}
	return report
}
