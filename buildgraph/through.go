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
	way           int32 // place in ways; untraced
}

const untraced = -1

// looseOrder counts orders over packages outside the set that contradict each
// other, because the packages lie on a cycle, and are not kept.
type looseOrder struct {
	count         int
	before, after int32 // the first of them, as places in the set
}

// surroundings are what lies outside a set and needs it, and the ways over it.
// Beside what the set itself needs, they follow from the edges of nodes outside.
type surroundings struct {
	users bitset  // graph nodes of the set, and those outside that need it
	nodes []int32 // the middle: graph nodes, ascending
	inner *csr    // who of the middle needs a node of it, by place
	comps *components
	edges []throughEdge // by before, then after
	ways  [][]int32     // graph nodes of the middle that the edges go over
}

// cells is how much is held here, for the bound of the memo.
func (a *surroundings) cells() int { return len(a.users) + 2*len(a.nodes) + 4*len(a.edges) }

// middle is the packages outside the set over which an order can hold: some
// package of the set needs them, and they need some package of the set.
type middle struct {
	*skeleton
	nodes []int32 // graph nodes, ascending
	local []int32 // by graph node: place in nodes, -1
	inner *csr    // who of the middle needs a node of it, by place
	comps *components
	same  bool        // as before the push: nodes, inner and comps were taken over
	whole *components // of all packages: no cycle of set and middle leads over others
	needs []bitset    // by component: the columns (see lineup) it needs, however far
}

// findMiddle is nil when no order holds over packages outside the set.
func (s *skeleton) findMiddle() *middle {
	known := s.known.around
	s.around = &surroundings{}
	if len(s.nodes) < 2 { // there is nothing to order
		s.around.users, s.needs = s.set(), s.set()
		return nil
	}
	if known != nil {
		s.around.users = known.users // edges from the set lead nobody else to it
	} else {
		s.around.users = s.reachFrom(s.g.users)
	}
	s.needs = s.reachFrom(s.g.deps)
	m := &middle{skeleton: s, local: make([]int32, len(s.g.units))}
	for v := range int32(len(m.local)) {
		m.local[v] = outside
		if s.local[v] < 0 && s.around.users.has(v) && s.needs.has(v) {
			m.local[v] = int32(len(m.nodes))
			m.nodes = append(m.nodes, v)
		}
	}
	if len(m.nodes) == 0 {
		return nil
	}
	if m.same = known != nil && slices.Equal(known.nodes, m.nodes); m.same {
		m.nodes, m.comps, m.inner = known.nodes, known.comps, known.inner
	} else {
		deps := m.g.deps.subgraph(m.nodes, m.local)
		m.comps, m.inner = findComponents(deps), deps.reversedPlain()
	}
	s.around.nodes, s.around.comps, s.around.inner = m.nodes, m.comps, m.inner
	m.whole = m.g.cycles()
	return m
}

// group is the number of the cycle that a package of the set lies on.
func (m *middle) group(l int32) int32 { return m.whole.of[m.skeleton.nodes[l]] }

// reachFrom gives the set and the nodes outside it that edges lead to from it
// over nodes outside it.
func (s *skeleton) reachFrom(edges *csr) bitset {
	seen, queue := s.set(), append(make([]int32, 0, edges.nodes()), s.nodes...)
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
