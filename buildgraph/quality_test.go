package buildgraph_test

import (
	"testing"

	"buildbtw"
	"buildbtw/buildgraph"
)

// The counts of the data set's README, made by a separate program. Edges may
// differ a little: it lets several packages have one pkgname and does not look
// at versions.
func TestCountsOfDistribution(t *testing.T) {
	sources := distribution(t)
	ix := buildgraph.NewIndex(sources, buildgraph.Options{})
	nodes, depends, makedepends, all := ix.Size("x86_64")
	near := func(what string, got, want int) {
		if got < want-want/100 || got > want+want/100 {
			t.Errorf("%s: %d, the reference has %d", what, got, want)
		}
	}
	if nodes != 7885 {
		t.Errorf("%d nodes, want 7885", nodes)
	}
	near("edges depends", depends, 39979)
	near("edges depends and makedepends", makedepends, 62295)
	near("edges", all, 68373)
	for _, c := range []struct {
		kinds           uint8
		number, largest int
	}{{3, 15, 1669}, {7, 29, 2632}} {
		number, largest := ix.Cycles("x86_64", c.kinds)
		if number < c.number-1 || number > c.number+1 {
			t.Errorf("%d cycles with kinds %b, the reference has %d", number, c.kinds, c.number)
		}
		near("largest cycle", largest, c.largest)
	}
	for slug, want := range map[string][2]int{
		"curl": {141, 6885}, "openssl": {272, 6885}, "glibc": {2963, 7501}, "python": {1525, 6885},
		"boost": {41, 93}, "rust": {9, 9}, "jq": {5, 8}, "nodejs": {24, 25},
	} {
		p := mustPlan(t, ix, requestFor(sources, buildbtw.ScopeNone, slug))
		near(slug+" direct", p.Scopes["direct"]-1, want[0])
		near(slug+" all", p.Scopes["all"]-1, want[1])
	}
}

// The bars for cutting the whole distribution: what is cut, and how long the
// longest chain is with log-normal durations: at most 8 h, but for draws in which
// hardly less is possible: one holds a single build of seven hours.
func TestCutsOfDistribution(t *testing.T) {
	sources := distribution(t)
	ix := buildgraph.NewIndex(sources, buildgraph.Options{})
	r := buildgraph.Request{Architectures: []string{"x86_64"}}
	seen := map[string]bool{}
	for _, s := range sources {
		if !seen[s.Slug] {
			seen[s.Slug] = true
			r.Changesets = append(r.Changesets, s)
		}
	}
	for _, salt := range []string{"", "a", "b", "c", "d"} {
		r.Durations = durationsOf(sources, salt)
		a := mustPlan(t, ix, r).Architectures["x86_64"]
		longest := 0.0
		for _, b := range a.Builds {
			longest = max(longest, b.Priority/3600)
		}
		depends, makedepends, checkdepends := ix.CutAll("x86_64", r.Durations)
		cost := 64*depends + 8*makedepends + checkdepends
		bound := ix.ChainBound("x86_64", r.Durations) / 3600
		if longest > max(8, 1.4*bound) {
			t.Errorf("durations %q: the longest chain is %.2f h, and %.2f h can be had at best", salt, longest, bound)
		}
		t.Logf("durations %q: cut %d depends, %d makedepends, %d checkdepends, cost %d; longest chain %.2f h, at least %.2f h whatever is cut", salt, depends, makedepends, checkdepends, cost, longest, bound)
		if cost > 15000 || depends > 221 {
			t.Errorf("durations %q: cost %d (at most 15000), %d depends (at most 221)", salt, cost, depends)
		}
	}
}
