package buildbtw_test

import (
	"testing"

	"buildbtw"
)

func TestIterationsHaveNames(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]buildbtw.IterationName{
		"demo": {Buildspace: "demo"}, "demo#3": {Buildspace: "demo", Number: 3}, "demo/3": {Buildspace: "demo", Number: 3},
		"base": {Base: true}, "base#1": {Buildspace: "base", Number: 1},
	} {
		got, err := buildbtw.ParseIterationName(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
		for _, written := range []string{got.String(), got.InAddress()} {
			if again, err := buildbtw.ParseIterationName(written); err != nil || again != want {
				t.Errorf("%s was written as %s and read as %+v, %v", text, written, again, err)
			}
		}
	}
	for _, text := range []string{"", "#3", "demo#", "demo#0", "demo#-1", "demo/x", "demo#3/4", "De mo", "demo##3"} {
		if got, err := buildbtw.ParseIterationName(text); buildbtw.KindOf(err) != buildbtw.KindInvalid {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func TestListsOfAComparisonHaveNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, l := range buildbtw.CompareLists() {
		if got, err := buildbtw.ParseCompareList(string(l)); got != l || err != nil || seen[l.Title()] {
			t.Errorf("%s: %q, %v", l, got, err)
		}
		seen[l.Title()] = true
	}
	if _, err := buildbtw.ParseCompareList("nothing"); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("an unknown list: %v", err)
	}
}
