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
	inner *csr    // who of the middle needs a node of it, by place
	comps *components
	whole *components // of the set and the middle together
	group []int32     // by place in the set: its number in whole
	needs []bitset    // by component: the columns (see lineup) it needs, however far
}

// findMiddle is nil when no order holds over packages outside the set.
func (s *skeleton) findMiddle() *middle {
	s.users, s.needs = s.reachFrom(s.g.users), s.reachFrom(s.g.deps)
	m := &middle{skeleton: s, local: make([]int32, len(s.g.units))}
	for v := range int32(len(m.local)) {
		m.local[v] = outside
		if s.local[v] < 0 && s.users.has(v) && s.needs.has(v) {
			m.local[v] = int32(len(m.nodes))
			m.nodes = append(m.nodes, v)
		}
	}
	if len(m.nodes) == 0 {
		return nil
	}
	deps := m.g.deps.subgraph(m.nodes, m.local)
	m.comps, m.inner = findComponents(deps), deps.reversedPlain()
	m.findWhole()
	return m
}

// reachFrom gives the set and the nodes outside it that edges lead to from it
// over nodes outside it.
func (s *skeleton) reachFrom(edges *csr) bitset {
	seen := newBitset(len(s.g.units))
	queue := slices.Clone(s.nodes)
	for _, v := range queue {
		seen.add(v)
	}
	for head := 0; head < len(queue); head++ {
		for _, u := range edges.row(queue[head]) {
			if !seen.has(u) {
				seen.add(u)
				queue = append(queue, u)
			}
		}
	}
	return seen
}

// findWhole finds the cycles of the set together with the middle.
func (m *middle) findWhole() {
	all := slices.Concat(m.skeleton.nodes, m.nodes)
	slices.Sort(all)
	local := make([]int32, len(m.g.units))
	for v := range local {
		local[v] = outside
	}
	for l, v := range all {
		local[v] = int32(l)
	}
	m.whole = findComponents(m.g.deps.subgraph(all, local))
	m.group = make([]int32, len(m.skeleton.nodes))
	for l, v := range m.skeleton.nodes {
		m.group[l] = m.whole.of[local[v]]
	}
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
