package buildgraph_test

import (
	"fmt"
	"slices"
	"testing"

	"buildbtw"
	"buildbtw/buildgraph"
	distributions "buildbtw/internal/distribution"
	"buildbtw/internal/graph"
)

// everything asks for a plan of all sources, each slug once.
func everything(sources []buildgraph.Source) buildgraph.Request {
	r := buildgraph.Request{Architectures: []string{"x86_64"}}
	seen := map[string]bool{}
	for _, s := range sources {
		if !seen[s.Slug] {
			seen[s.Slug] = true
			r.Changesets = append(r.Changesets, s)
		}
	}
	return r
}

// bothWays is all dependencies of a plan, kept and cut.
type bothWays struct {
	deps  graph.CSR // from a build to what it needs, by place in the plan
	kinds []buildbtw.EdgeKinds
	from  []int32
	to    []int32
}

func dependencies(a *buildgraph.ArchPlan) bothWays {
	place := map[string]int32{}
	for i, b := range a.Builds {
		place[b.Key()] = int32(i)
	}
	var d bothWays
	add := func(from, to string, names []string) {
		var kinds buildbtw.EdgeKinds
		for i, name := range []string{"depends", "makedepends", "checkdepends"} {
			if slices.Contains(names, name) {
				kinds |= 1 << i
			}
		}
		d.from, d.to, d.kinds = append(d.from, place[to]), append(d.to, place[from]), append(d.kinds, kinds)
	}
	for _, e := range a.Edges {
		add(e.From, e.To, e.Kinds)
	}
	for _, c := range a.Cuts {
		add(c.From, c.To, c.Kinds)
	}
	d.deps = graph.New(len(a.Builds), d.from, d.to)
	return d
}

// dependenciesOf is the same of what was counted; its kinds are the strongest ones.
func dependenciesOf(c counted) bothWays {
	var d bothWays
	place := map[string]int32{}
	for base := range c.needs {
		place[base] = int32(len(place))
	}
	for base, needs := range c.needs {
		for to, kind := range needs {
			i := slices.Index([]string{"depends", "makedepends", "checkdepends"}, kind)
			d.from, d.to, d.kinds = append(d.from, place[base]), append(d.to, place[to]), append(d.kinds, 1<<i)
		}
	}
	d.deps = graph.New(len(place), d.from, d.to)
	return d
}

// count counts the edges that have one of these kinds.
func (d bothWays) count(kinds buildbtw.EdgeKinds) (n int) {
	for _, k := range d.kinds {
		if k&kinds != 0 {
			n++
		}
	}
	return n
}

// cycles counts the strongly connected components of edges of some kinds.
func (d bothWays) cycles(kinds buildbtw.EdgeKinds) (number, largest int) {
	var from, to []int32
	for i, k := range d.kinds {
		if k&kinds != 0 {
			from, to = append(from, d.from[i]), append(to, d.to[i])
		}
	}
	some := graph.New(int(d.deps.Nodes()), from, to)
	for _, members := range graph.StronglyConnected(&some).Cyclic() {
		number++
		largest = max(largest, len(members))
	}
	return number, largest
}

// leastChain is the longest chain over edges that lie on no cycle: no choice of
// cuts makes the longest chain shorter.
func (d bothWays) leastChain(a *buildgraph.ArchPlan, seconds map[string]float64) float64 {
	comps := graph.StronglyConnected(&d.deps)
	ends := make([]float64, len(a.Builds))
	for _, v := range comps.Sorted() {
		for _, u := range d.deps.Row(v) {
			if comps.Of[u] != comps.Of[v] {
				ends[v] = max(ends[v], ends[u])
			}
		}
		ends[v] += seconds[a.Builds[v].Pkgbase]
	}
	return slices.Max(ends)
}

// The counts of the data set's README, made by a separate program, and those of the
// one here (count_test.go), which agrees with it as long as it knows no word sizes.
// Edges may differ a little: both let several packages have one pkgname and do not
// look at versions.
func TestCountsOfDistribution(t *testing.T) {
	t.Parallel()
	sources := distribution(t)
	ix := buildgraph.NewIndex(sources, buildgraph.Options{})
	whole := mustPlan(t, ix, everything(sources)).Architectures["x86_64"]
	near := func(what string, got, want int) {
		t.Helper()
		if got < want-want/100 || got > want+want/100 {
			t.Errorf("%s: %d, the reference has %d", what, got, want)
		}
	}
	blind := dependenciesOf(count(distributions.Whole(t), false))
	near("edges depends of the data set", blind.count(1), 39979)
	near("edges depends and makedepends of the data set", blind.count(3), 62295)
	near("edges of the data set", blind.count(7), 68373)
	ours, counted := dependencies(whole), dependenciesOf(count(distributions.Whole(t), true))
	for _, kinds := range []buildbtw.EdgeKinds{1, 3, 7} {
		near(fmt.Sprintf("edges of kinds %b", kinds), ours.count(kinds), counted.count(kinds))
		number, largest := ours.cycles(kinds)
		wantNumber, wantLargest := counted.cycles(kinds)
		if number < wantNumber-1 || number > wantNumber+1 {
			t.Errorf("%d cycles with kinds %b, the reference has %d", number, kinds, wantNumber)
		}
		near("largest cycle", largest, wantLargest)
	}
	if len(whole.Builds) != 7885 {
		t.Errorf("%d nodes, want 7885", len(whole.Builds))
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
	t.Parallel()
	sources := distribution(t)
	ix := buildgraph.NewIndex(sources, buildgraph.Options{})
	r := everything(sources)
	for _, salt := range []string{"", "a", "b", "c", "d"} {
		r.Durations = durationsOf(sources, salt)
		a := mustPlan(t, ix, r).Architectures["x86_64"]
		longest := 0.0
		for _, b := range a.Builds {
			longest = max(longest, b.Priority/3600)
		}
		var cut [3]int // by the strongest kind
		for _, c := range a.Cuts {
			cut[slices.Index([]string{"depends", "makedepends", "checkdepends"}, c.Kinds[0])]++
		}
		depends, makedepends, checkdepends := cut[0], cut[1], cut[2]
		cost := 64*depends + 8*makedepends + checkdepends
		bound := dependencies(a).leastChain(a, r.Durations) / 3600
		if longest > max(8, 1.4*bound) {
			t.Errorf("durations %q: the longest chain is %.2f h, and %.2f h can be had at best", salt, longest, bound)
		}
		t.Logf("durations %q: cut %d depends, %d makedepends, %d checkdepends, cost %d; longest chain %.2f h, at least %.2f h whatever is cut", salt, depends, makedepends, checkdepends, cost, longest, bound)
		if cost > 15000 || depends > 221 {
			t.Errorf("durations %q: cost %d (at most 15000), %d depends (at most 221)", salt, cost, depends)
		}
	}
}
