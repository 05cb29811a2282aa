package buildgraph

import (
	"slices"

	"buildbtw"
)

// throughEdge is an order that holds over packages outside the set: before is
// needed by the first of path, the last of path is needed by after.
type throughEdge struct {
	before, after int32 // places in the set
	kinds         buildbtw.EdgeKinds
	path          []int32 // graph nodes outside the set
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
	needs []bitset // by component: what of the set it needs, however far
}

// findMiddle is nil when no order holds over packages outside the set.
func (s *skeleton) findMiddle() *middle {
	s.above = s.outsideReach(s.g.users, nil)
	both := s.outsideReach(s.g.deps, s.above)
	m := &middle{skeleton: s, local: make([]int32, len(s.g.units))}
	for v, in := range both {
		m.local[v] = -1
		if in {
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
// nodes outside it; with allowed, only those are entered.
func (s *skeleton) outsideReach(edges *csr, allowed []bool) []bool {
	seen := make([]bool, len(s.g.units))
	queue := slices.Clone(s.nodes)
	for head := 0; head < len(queue); head++ {
		for _, u := range edges.row(queue[head]) {
			if s.local[u] < 0 && !seen[u] && (allowed == nil || allowed[u]) {
				seen[u] = true
				queue = append(queue, u)
			}
		}
	}
	return seen
}

// collectNeeds computes what of the set every component of the middle needs.
// Components are numbered dependencies first.
func (m *middle) collectNeeds(place []int32) {
	m.comps = findComponents(m.g.deps.subgraph(m.nodes, m.local))
	m.needs = make([]bitset, len(m.comps.size))
	for c := range m.needs {
		m.needs[c] = newBitset(len(m.skeleton.nodes))
	}
	byComp := make([]int32, len(m.nodes))
	for l := range byComp {
		byComp[l] = int32(l)
	}
	slices.SortStableFunc(byComp, func(a, b int32) int { return int(m.comps.of[a] - m.comps.of[b]) })
	for _, l := range byComp {
		m.collectNode(l, place)
	}
}

func (m *middle) collectNode(l int32, place []int32) {
	c := m.comps.of[l]
	for _, u := range m.g.deps.row(m.nodes[l]) {
		if in := m.skeleton.local[u]; in >= 0 {
			m.needs[c].add(place[in])
		} else if o := m.local[u]; o >= 0 && m.comps.of[o] != c {
			m.needs[c].union(m.needs[m.comps.of[o]])
		}
	}
}

// reached gives what the node of the set needs over the middle.
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
