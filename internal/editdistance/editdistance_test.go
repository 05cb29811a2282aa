package editdistance_test

import (
	"slices"
	"strings"
	"testing"

	"buildbtw/internal/editdistance"
)

func TestBetween(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"curl", "curl", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"curl", "crul", 1},
		{"curl", "cur", 1},
		{"curl", "cxrl", 1},
		{"curl", "ccurl", 1},
		{"kitten", "sitting", 3},
		{"ca", "abc", 3}, // a swapped pair is not changed again
		{strings.Repeat("x", 200), strings.Repeat("x", 199) + "y", 1},
	} {
		if got := editdistance.Between(c.a, c.b, 1000); got != c.want {
			t.Errorf("%q to %q: %d, want %d", c.a, c.b, got, c.want)
		}
		if got := editdistance.Between(c.b, c.a, 1000); got != c.want {
			t.Errorf("%q to %q: %d, want %d", c.b, c.a, got, c.want)
		}
		if c.want > 1 {
			if got := editdistance.Between(c.a, c.b, 1); got <= 1 {
				t.Errorf("%q to %q, at most 1: %d", c.a, c.b, got)
			}
		}
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"curry", "carl", "curl", "crul", "git", "curls", "curl"}
	for _, c := range []struct {
		wanted      string
		most, limit int
		want        []string
	}{
		{"curl", 0, 9, []string{"curl"}},
		{"curl", 1, 9, []string{"curl", "carl", "crul", "curls"}},
		{"curl", 2, 9, []string{"curl", "carl", "crul", "curls", "curry"}},
		{"curl", 2, 2, []string{"curl", "carl"}},
		{"openssl", 2, 9, []string{}},
	} {
		if got := editdistance.Nearest(c.wanted, slices.Values(names), c.most, c.limit); !slices.Equal(got, c.want) {
			t.Errorf("Nearest(%q, %d, %d) = %q, want %q", c.wanted, c.most, c.limit, got, c.want)
		}
	}
}
