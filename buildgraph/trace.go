package buildgraph

import "slices"

// trace finds shortest ways outside the set to one package of it after the
// other. Slices are by graph node, and valid where mark is the round.
type trace struct {
	mark  []int32
	next  []int32 // the node that this one needs on its way
	far   []int32 // edges to the end
	way   []int32 // the way that begins here, as place in ways; -1
	round int32
	queue []int32
}

func newTrace(nodes int) *trace {
	return &trace{mark: make([]int32, nodes), next: make([]int32, nodes), far: make([]int32, nodes), way: make([]int32, nodes)}
}

// traceAll finds a shortest way for every edge of through. Many packages need
// few over the middle: one search from each of those few serves them all.
func (p *lineup) traceAll() {
	t := newTrace(len(p.g.units))
	slices.SortFunc(p.through, func(a, b throughEdge) int { return int(a.before - b.before) })
	for i := range p.through {
		e := &p.through[i]
		if i == 0 || e.before != p.through[i-1].before {
			t.search(p.middle, e.before)
		}
		p.trace(t, e)
	}
}

// search finds, for all of the middle that needs a package of the set, how far
// away it is.
func (t *trace) search(m *middle, before int32) {
	t.round++
	end := m.skeleton.nodes[before]
	t.far[end] = 0
	t.queue = append(t.queue[:0], end)
	for head := 0; head < len(t.queue); head++ {
		v := t.queue[head]
		for _, u := range m.g.users.row(v) {
			if m.local[u] >= 0 && t.mark[u] != t.round {
				t.mark[u], t.next[u], t.far[u], t.way[u] = t.round, v, t.far[v]+1, -1
				t.queue = append(t.queue, u)
			}
		}
	}
}

// trace gives an edge its way: over the nearest of what is needed directly, the
// first by name among equally near ones.
func (p *lineup) trace(t *trace, e *throughEdge) {
	after, first := p.skeleton.nodes[e.after], int32(-1)
	kinds := p.g.deps.rowKinds(after)
	for i, u := range p.g.deps.row(after) {
		if p.middle.local[u] >= 0 && t.mark[u] == t.round && (first < 0 || t.far[u] < t.far[first]) {
			first, e.kinds = u, kinds[i]
		}
	}
	if t.way[first] < 0 {
		t.way[first] = int32(len(p.ways))
		p.ways = append(p.ways, t.wayFrom(first))
	}
	e.way = t.way[first]
}

// wayFrom lists the nodes outside the set from one to the end of the search, the
// last first.
func (t *trace) wayFrom(first int32) []int32 {
	way := make([]int32, t.far[first])
	for i, v := len(way)-1, first; i >= 0; i, v = i-1, t.next[v] {
		way[i] = v
	}
	return way
}
