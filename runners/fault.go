package runners

import "regexp"

// faultTail is how much of the end of a log is looked at, in bytes.
const faultTail = 32 << 10

// fault is what the log of a failed build looks like when the machine is to
// blame.
type fault struct {
	pattern *regexp.Regexp
	cause   string
}

// faults only ever turns "failed" into "infrastructure", which the server
// retries a limited number of times: a build that prints such a line by itself
// costs a few retries, no more. The texts are those of glibc's strerror, gcc,
// curl and gpg.
func faults() []fault {
	return []fault{
		{regexp.MustCompile(`No space left on device|Disk quota exceeded`), "the disk is full"},
		{regexp.MustCompile(`fatal error: Killed signal terminated program|(?m)^.*: line \d+: +\d+ Killed `), "a program was killed, probably for want of memory"},
		{regexp.MustCompile(`Cannot allocate memory|virtual memory exhausted|Resource temporarily unavailable$`), "out of memory or processes"},
		{regexp.MustCompile(`(?m)^curl: \((5|6|7|16|28|35|52|55|56|92)\) `), "a download failed"},
		{regexp.MustCompile(`gpg: keyserver receive failed: `), "the keyserver did not answer"},
		{regexp.MustCompile(`Input/output error|Read-only file system`), "the disk has errors"},
	}
}

// machineFault says what in the end of a log blames the machine, or gives "".
func machineFault(tail []byte) string {
	for _, f := range faults() {
		if f.pattern.Match(tail) {
			return f.cause
		}
	}
	return ""
}
