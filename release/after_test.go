package release_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"buildbtw/release"
)

// TestTheBaseAfterARelease: for random worlds, what can be released after a set went is what
// can be released into repositories that a slow program changed by hand.
func TestTheBaseAfterARelease(t *testing.T) {
	t.Parallel()
	went, held := 0, 0
	for seed := range 400 {
		r := rand.New(rand.NewPCG(uint64(seed), 6))
		views, units := randomWorld(r.IntN)
		base := release.NewBase(views)
		goes := base.Largest(release.Problem{Units: units}).Goes
		n := newNaive(views, units)
		var set []int
		var first []release.Unit
		for k, u := range units {
			if slices.Contains(goes, u.Pkgbase) {
				set, first = append(set, k), append(first, u)
			}
		}
		byHand := make([]release.View, len(views))
		for v := range views {
			byHand[v] = release.View{Name: views[v].Name, Architecture: views[v].Architecture, Repositories: []release.Repository{{Name: "extra"}}}
			for _, p := range n.after(set, v) {
				byHand[v].Repositories[0].Packages = append(byHand[v].Repositories[0].Packages, p.Package)
			}
		}
		next := slices.Clone(units) // the same once more, as another buildspace may have them
		for k := range next {
			next[k].Packages = slices.Clone(next[k].Packages)
			for i := range next[k].Packages {
				if r.IntN(2) == 0 {
					next[k].Packages[i].Version = "3-1"
				}
			}
		}
		before := describe(views, units)
		got := base.After(first).Largest(release.Problem{Units: next})
		want := release.NewBase(byHand).Largest(release.Problem{Units: next})
		if len(got.Goes) != len(want.Goes) || len(got.Held) != len(want.Held) || got.AtMost != want.AtMost {
			t.Fatalf("world %d: after %v %v go, in repositories made by hand %v\n%s", seed, goes, got.Goes, want.Goes, before)
		}
		if describe(views, units) != before {
			t.Fatalf("world %d: it was changed", seed)
		}
		went, held = went+len(got.Goes), held+len(got.Held)
	}
	if went < 100 || held < 100 {
		t.Errorf("%d units went and %d were held: the worlds test too little", went, held)
	}
}

// TestWhatASecondReleaseLoses: two users that two libraries share cost the second everything.
func TestWhatASecondReleaseLoses(t *testing.T) {
	t.Parallel()
	base := release.NewBase(view("l 1-1 p:l.so=1-64", "m 1-1 p:m.so=1-64", "user 1-1 d:l.so=1-64 d:m.so=1-64", "only 1-1 d:m.so=1-64"))
	first := units("l 2-1 p:l.so=2-64", "user 1-2 d:l.so=2-64 d:m.so=1-64")
	second := units("m 2-1 p:m.so=2-64", "user 1-3 d:l.so=1-64 d:m.so=2-64", "only 1-2 d:m.so=2-64")
	for _, c := range []struct {
		base  *release.Base
		units []release.Unit
		goes  string
	}{
		{base, first, "l user"},
		{base, second, "m only user"},
		{base.After(first), second, ""},
		{base.After(second), first, ""},
		{base.After([]release.Unit{failed("l")}), second, "m only user"},
		{base.After(nil), first, "l user"},
	} {
		if got := strings.Join(c.base.Largest(release.Problem{Units: c.units}).Goes, " "); got != c.goes {
			t.Errorf("%q go, want %q", got, c.goes)
		}
	}
}

// BenchmarkAfter is the exact overlap of two buildspaces of so many units, one direction:
// release one in thought, compute the other again.
func BenchmarkAfter(b *testing.B) {
	for _, n := range []int{50, 300, benchUnits} {
		b.Run(fmt.Sprintf("units=%d", n), func(b *testing.B) {
			views, units := distribution(benchPackages, benchUnits, 0)
			base := release.NewBase(views)
			first, second := units[:n/2], units[n/2:n]
			b.ResetTimer()
			for b.Loop() {
				base.After(first).Largest(release.Problem{Units: second})
			}
		})
	}
}

// TestAReleaseGoesToTheRepositoryThatItNames: what stands before it in pacman.conf hides it.
func TestAReleaseGoesToTheRepositoryThatItNames(t *testing.T) {
	t.Parallel()
	views := []release.View{{Name: "x86_64", Architecture: "x86_64", Repositories: []release.Repository{
		{Name: "testing"}, {Name: "extra", Packages: pkgs("a 1-1", "b 1-1")},
	}}}
	base := release.NewBase(views)
	first := units("a 2-1")
	first[0].Repository = "testing"
	second := units("a 3-1")
	second[0].Repository = "extra"
	if got := base.Largest(release.Problem{Units: second}).Goes; len(got) != 1 {
		t.Fatalf("%v go at first", got)
	}
	got := base.After(first).Largest(release.Problem{Units: second})
	if len(got.Held) != 1 || got.Held[0].Kind != release.Hidden {
		t.Errorf("afterwards: %+v", got)
	}
	second[0].Repository = "testing"
	if got := base.After(first).Largest(release.Problem{Units: second}).Goes; len(got) != 1 {
		t.Errorf("%v go to the same repository", got)
	}
}
