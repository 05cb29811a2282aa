package views

import (
	"testing"

	"buildbtw/release/check"
)

// TestChecksWords is of the line above the table of a build's checks.
func TestChecksWords(t *testing.T) {
	t.Parallel()
	line := func(kind check.Kind, outcome check.Outcome) CheckLine {
		return CheckLine{Finding: check.Finding{Kind: kind, Outcome: outcome}}
	}
	links, size := line(check.Links, check.OK), line(check.Size, check.OK)
	unknown, found := line(check.Links, check.Unknown), line(check.Links, check.Found)
	for want, list := range map[string][]CheckLine{
		"Nothing found by 2 checks":                      {links, size},
		"Nothing found by 1 check; 1 could not tell":     {unknown, size},
		"1 check of 2 found something":                   {links, found, found, unknown, size}, // for users of several targets
		"1 check of 2 found something; 1 could not tell": {unknown, line(check.Size, check.Found)},
	} {
		if got := checksWords(list); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
