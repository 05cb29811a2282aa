package views

import (
	"testing"

	"buildbtw/release/check"
)

// TestWhatChecksCouldNotTellIsNotCountedAsNothingFound is of the line above the table.
func TestWhatChecksCouldNotTellIsNotCountedAsNothingFound(t *testing.T) {
	t.Parallel()
	lines := func(outcomes ...check.Outcome) []CheckLine {
		list := make([]CheckLine, len(outcomes))
		for i, o := range outcomes {
			list[i].Outcome = o
		}
		return list
	}
	for want, list := range map[string][]CheckLine{
		"Nothing found by 2 checks":                      lines(check.OK, check.OK),
		"Nothing found by 1 check; 1 could not tell":     lines(check.OK, check.Unknown),
		"1 check of 3 found something; 1 could not tell": lines(check.OK, check.Unknown, check.Found),
	} {
		if got := checksWords(list); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
