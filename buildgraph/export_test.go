package buildgraph

import "slices"

// The benchmarks measure parts of a plan by themselves.

// CutAll chooses the cuts of a whole architecture, nothing else, and returns
// how many edges of each kind are cut, the strongest kind counting.
func (ix *Index) CutAll(arch string, durations map[string]float64) (depends, makedepends, checkdepends int) {
	g := ix.graph(arch)
	var seconds []float64
	if durations != nil {
		e := newEstimate(durations)
		for _, u := range g.units {
			seconds = append(seconds, e.of(u.info.Pkgbase))
		}
	}
	for i, cut := range chooseCuts(g.deps, findComponents(g.deps), seconds, nil) {
		if !cut {
			continue
		}
		switch weightOf(g.deps.kinds[i]) {
		case 64:
			depends++
		case 8:
			makedepends++
		default:
			checkdepends++
		}
	}
	return depends, makedepends, checkdepends
}

// ChainBound is the longest chain in seconds over edges that lie on no cycle: no
// choice of cuts makes the longest chain shorter.
func (ix *Index) ChainBound(arch string, durations map[string]float64) float64 {
	g := ix.graph(arch)
	c := &cutter{deps: g.deps, comps: findComponents(g.deps)}
	e := newEstimate(durations)
	for _, u := range g.units {
		c.seconds = append(c.seconds, e.of(u.info.Pkgbase))
	}
	return slices.Max(c.newClocks().before)
}

// Forget makes the next plans compute everything again.
func (ix *Index) Forget(arch string) { ix.graph(arch).memo = newMemo() }

// Size gives the nodes of an architecture, and its edges: those with depends,
// those with depends or makedepends, all.
func (ix *Index) Size(arch string) (nodes, depends, makedepends, all int) {
	g := ix.graph(arch)
	for _, k := range g.deps.kinds {
		if k&1 != 0 {
			depends++
		}
		if k&3 != 0 {
			makedepends++
		}
	}
	return len(g.units), depends, makedepends, len(g.deps.to)
}

// Cycles gives the strongly connected components of an architecture's graph
// with edges of some kinds only: how many have more than one node, and the size
// of the largest.
func (ix *Index) Cycles(arch string, kinds uint8) (number, largest int) {
	g := ix.graph(arch)
	others := make([]bool, len(g.deps.to))
	for i, k := range g.deps.kinds {
		others[i] = uint8(k)&kinds == 0
	}
	some := g.deps.without(others)
	for _, size := range findComponents(some).size {
		if size > 1 {
			number++
			largest = max(largest, int(size))
		}
	}
	return number, largest
}
