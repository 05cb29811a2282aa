package catalog

import (
	"buildbtw"
	"buildbtw/release/check"
	"buildbtw/store"
)

// RepeatFinding returns what a second build says as a finding of the check Reproducible; false before its result.
func RepeatFinding(r store.Repeat) (check.Finding, bool) {
	f := check.Finding{Kind: check.Reproducible, Lines: r.Lines}
	switch r.Result {
	case buildbtw.RepeatSame:
		f.Outcome = check.OK
	case buildbtw.RepeatOther:
		f.Outcome = check.Found
	case buildbtw.RepeatFailed:
		f.Outcome = check.Unknown
	case buildbtw.RepeatNone:
		return f, false
	}
	return f, true
}
