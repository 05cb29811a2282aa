package buildgraph

import "slices"

// trace finds shortest ways outside the set to one package of it after the
// other. Slices are by place in the middle, and valid where mark is the round.
type trace struct {
	mark  []int32
	next  []int32 // the node that this one needs on its way; -1: the end
	far   []int32 // edges to the end
	way   []int32 // the way that begins here, as place in ways; -1
	round int32
	queue []int32
}

func newTrace(n int) *trace {
	return &trace{mark: make([]int32, n), next: make([]int32, n), far: make([]int32, n), way: make([]int32, n)}
}

// traceAll finds a shortest way for every edge of through. Many packages need
// few over the middle: one search from each of those few serves them all.
func (p *lineup) traceAll() {
	p.through = sortThrough(p.through, len(p.at), func(e *throughEdge) int32 { return e.after })
	p.through = sortThrough(p.through, len(p.at), func(e *throughEdge) int32 { return e.before })
	if p.same {
		p.takeWays(p.known.around)
	}
	t, searched := newTrace(len(p.middle.nodes)), int32(outside)
	for i := range p.through {
		e := &p.through[i]
		if e.way != untraced {
			continue
		}
		if e.before != searched {
			t.search(p.middle, e.before)
			searched = e.before
		}
		p.trace(t, e)
	}
	p.around.edges, p.around.ways = p.through, p.ways
}

// takeWays takes over the ways of a middle that is the same. A way follows from
// the middle and from what the package behind it needs.
func (p *lineup) takeWays(known *surroundings) {
	number := slices.Repeat([]int32{untraced}, len(known.ways))
	rest := known.edges
	for i := range p.through {
		e := &p.through[i]
		for len(rest) > 0 && rest[0].precedes(e) {
			rest = rest[1:]
		}
		if len(rest) == 0 || e.precedes(&rest[0]) || slices.Contains(p.g.memo.moved, p.skeleton.nodes[e.after]) {
			continue
		}
		way := &number[rest[0].way]
		if *way == untraced {
			*way = int32(len(p.ways))
			p.ways = append(p.ways, known.ways[rest[0].way])
		}
		e.kinds, e.way = rest[0].kinds, *way
	}
}

// precedes sorts by before, then after.
func (e *throughEdge) precedes(o *throughEdge) bool {
	return e.before < o.before || e.before == o.before && e.after < o.after
}

// search finds, for all of the middle that needs a package of the set, how far
// away it is.
func (t *trace) search(m *middle, before int32) {
	t.round++
	t.queue = t.queue[:0]
	for _, u := range m.g.users.row(m.skeleton.nodes[before]) {
		if l := m.local[u]; l >= 0 {
			t.reach(l, outside, 1)
		}
	}
	for head := 0; head < len(t.queue); { // the queue grows
		v := t.queue[head]
		head++
		for _, u := range m.inner.row(v) {
			if t.mark[u] != t.round {
				t.reach(u, v, t.far[v]+1)
			}
		}
	}
}

func (t *trace) reach(l, next, far int32) {
	t.mark[l], t.next[l], t.far[l], t.way[l] = t.round, next, far, -1
	t.queue = append(t.queue, l)
}

// trace gives an edge its way: over the nearest of what is needed directly, the
// first by name among equally near ones.
func (p *lineup) trace(t *trace, e *throughEdge) {
	after, first := p.skeleton.nodes[e.after], int32(-1)
	kinds := p.g.deps.rowKinds(after)
	for i, u := range p.g.deps.row(after) {
		if l := p.middle.local[u]; l >= 0 && t.mark[l] == t.round && (first < 0 || t.far[l] < t.far[first]) {
			first, e.kinds = l, kinds[i]
		}
	}
	if t.way[first] < 0 {
		t.way[first] = int32(len(p.ways))
		p.ways = append(p.ways, t.wayFrom(p.middle, first))
	}
	e.way = t.way[first]
}

// wayFrom lists the graph nodes outside the set from one of the middle to the
// end of the search, the last first.
func (t *trace) wayFrom(m *middle, first int32) []int32 {
	way := make([]int32, t.far[first])
	for i, l := len(way)-1, first; i >= 0; i, l = i-1, t.next[l] {
		way[i] = m.nodes[l]
	}
	return way
}
