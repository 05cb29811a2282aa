package buildgraph

import (
	"slices"

	"buildbtw"
)

// throughEdge is an order that holds over packages outside the set: before is
// needed by the first of its way, the last of it is needed by after.
type throughEdge struct {
	before, after int32 // places in the set
	kinds         buildbtw.EdgeKinds
	way           int32 // place in ways
}

// looseOrder counts orders over packages outside the set that contradict each
// other, because the packages lie on a cycle, and are not kept.
type looseOrder struct {
	count         int
	before, after int32 // the first of them, as places in the set
}

// middle is the packages outside the set over which an order can hold: some
// package of the set needs them, and they need some package of the set.
type middle struct {
	*skeleton
	nodes []int32 // graph nodes, ascending
	local []int32 // by graph node: place in nodes, -1
	comps *components
	needs []bitset // by component: the columns (see lineup) it needs, however far
}

// findMiddle is nil when no order holds over packages outside the set.
func (s *skeleton) findMiddle() *middle {
	s.above = s.outsideReach(s.g.users)
	s.below = s.outsideReach(s.g.deps)
	m := &middle{skeleton: s, local: make([]int32, len(s.g.units))}
	for v := range m.local {
		m.local[v] = -1
		if s.above[v] && s.below[v] {
			m.local[v] = int32(len(m.nodes))
			m.nodes = append(m.nodes, int32(v))
		}
	}
	if len(m.nodes) == 0 {
		return nil
	}
	return m
}

// outsideReach marks the nodes outside the set that edges lead to from it over
// nodes outside it.
func (s *skeleton) outsideReach(edges *csr) []bool {
	seen := make([]bool, len(s.g.units))
	queue := slices.Clone(s.nodes)
	for head := 0; head < len(queue); head++ {
		for _, u := range edges.row(queue[head]) {
			if s.local[u] < 0 && !seen[u] {
				seen[u] = true
				queue = append(queue, u)
			}
		}
	}
	return seen
}

// reached gives the columns that a package of the set needs over the middle.
func (m *middle) reached(l int32, into bitset) bool {
	clear(into)
	found := false
	for _, u := range m.g.deps.row(m.skeleton.nodes[l]) {
		if o := m.local[u]; o >= 0 {
			into.union(m.needs[m.comps.of[o]])
			found = true
		}
	}
	return found
}
