package buildgraph

import "buildbtw"

// shape is the plan of one architecture without commits and versions. It
// follows from the graph, the request and the durations alone, so it stays
// while sources move without changing what depends on what.
type shape struct {
	reach  *closure
	nodes  []int32 // graph nodes of the set, ascending
	loose  []int32 // see looseOrder: the first before and after, as graph nodes
	count  int     // of loose orders
	counts map[buildbtw.Scope]int

	builds []Build // commits and versions are those of the first use
	node   []int32 // by build: its graph node
	plan   ArchPlan
	inside bitset // graph nodes that the set reaches or that reach it: what the shape depends on
}

// newShape renders a skeleton once for all plans that will share it.
func newShape(s *skeleton, ix *Index, cycles buildbtw.Cycles) *shape {
	r := &renderer{skeleton: s, ix: ix}
	if cycles == buildbtw.CyclesTwice {
		r.jobs = s.twiceJobs()
	} else {
		r.jobs = s.onceJobs()
	}
	h := &shape{reach: s.reach, nodes: s.nodes, count: s.loose.count, counts: map[buildbtw.Scope]int{}}
	h.plan = *r.plan()
	h.builds, h.node = h.plan.Builds, r.buildNodes()
	if s.loose.count > 0 {
		h.loose = []int32{s.nodes[s.loose.before], s.nodes[s.loose.after]}
	}
	for _, scope := range countedScopes() {
		h.counts[scope] = len(s.reach.set(scope))
	}
	h.inside = s.footprint()
	return h
}

// countedScopes are the scopes whose sizes a plan gives.
func countedScopes() []buildbtw.Scope {
	return []buildbtw.Scope{buildbtw.ScopeNone, buildbtw.ScopeDirect, buildbtw.ScopeAll}
}

// footprint marks every node whose dependents the shape depends on: the
// closure, the set, and what needs the set over other packages. An edge to any
// other node can neither bring something in nor order anything.
func (s *skeleton) footprint() bitset {
	b := newBitset(len(s.local))
	for _, v := range s.reach.queue {
		b.add(v)
	}
	for _, v := range s.nodes {
		b.add(v)
	}
	for v, in := range s.above {
		if in {
			b.add(int32(v))
		}
	}
	return b
}

// archPlan fills in the commits and versions of an index.
func (h *shape) archPlan(g *graph, ix *Index) *ArchPlan {
	p := h.plan
	p.Builds = make([]Build, len(h.builds))
	copy(p.Builds, h.builds)
	for i := range p.Builds {
		u, source := g.units[h.node[i]], &ix.sources[g.sources[h.node[i]]]
		b := &p.Builds[i]
		b.Source, b.Commit, b.Version = source.Slug, source.Commit, u.version
		b.Pkgnames, b.Any = u.pkgnames, u.any
	}
	return &p
}

// has reports whether a graph node is in the set.
func (h *shape) has(v int32) bool {
	lo, hi := 0, len(h.nodes)
	for lo < hi {
		mid := (lo + hi) / 2
		if h.nodes[mid] < v {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo < len(h.nodes) && h.nodes[lo] == v
}

// cells is how much the shape holds, for the bound of the memo.
func (h *shape) cells() int { return len(h.plan.Edges) + len(h.builds) + len(h.inside) }
