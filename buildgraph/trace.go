package buildgraph

import "slices"

// trace finds shortest ways outside the set to one package of it after the
// other. Slices are by graph node, and valid where mark is the round.
type trace struct {
	mark    []int32
	next    []int32 // the node that this one needs on its way
	far     []int32 // edges to the end
	way     []int32 // the way that begins here, as place in ways; -1
	waiting []int32 // the round in which a package of the set looks for its way
	round   int32
	queue   []int32
}

func newTrace(n int) *trace {
	return &trace{mark: make([]int32, n), next: make([]int32, n), far: make([]int32, n), way: make([]int32, n), waiting: make([]int32, n)}
}

// traceAll finds a shortest way for every edge of through. Many packages need
// few over the middle: one search from each of those few serves them all.
func (p *lineup) traceAll() {
	t := newTrace(len(p.g.units))
	slices.SortFunc(p.through, func(a, b throughEdge) int { return int(a.before - b.before) })
	for edges := p.through; len(edges) > 0; {
		n := 1
		for n < len(edges) && edges[n].before == edges[0].before {
			n++
		}
		t.search(p.middle, edges[:n])
		for i := range n {
			p.trace(t, &edges[i])
		}
		edges = edges[n:]
	}
}

// search finds, for what of the middle needs the one package that all edges
// begin with, how far away it is. It ends when the nearest of them are found for
// all edges.
func (t *trace) search(m *middle, edges []throughEdge) {
	t.round++
	for _, e := range edges {
		t.waiting[m.skeleton.nodes[e.after]] = t.round
	}
	end := m.skeleton.nodes[edges[0].before]
	t.far[end] = 0
	t.queue = append(t.queue[:0], end)
	left := len(edges)
	for head := 0; head < len(t.queue) && left > 0; head++ {
		v := t.queue[head]
		for _, u := range m.g.users.row(v) {
			switch {
			case m.local[u] < 0:
				if head > 0 && t.waiting[u] == t.round {
					t.waiting[u] = 0
					left--
				}
			case t.mark[u] != t.round:
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
