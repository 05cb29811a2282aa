package buildgraph

import "slices"

// trace finds shortest ways outside the set. Slices are by graph node, and
// valid where their mark is the round.
type trace struct {
	mark, goal []int32
	from       []int32 // the node that needs this one
	round      int32
	queue      []int32
}

func newTrace(nodes int) *trace {
	return &trace{mark: make([]int32, nodes), goal: make([]int32, nodes), from: make([]int32, nodes)}
}

// trace finds, for each of some packages of the set that another needs over the
// middle, a shortest way.
func (p *lineup) trace(after int32, befores []int32) {
	t, start := p.tracer, p.skeleton.nodes[after]
	t.round++
	for _, l := range befores {
		t.goal[p.skeleton.nodes[l]] = t.round
	}
	missing := len(befores)
	t.queue = append(t.queue[:0], start)
	for head := 0; head < len(t.queue) && missing > 0; head++ {
		v := t.queue[head]
		for _, u := range p.g.deps.row(v) {
			switch {
			case t.mark[u] == t.round:
			case p.middle.local[u] >= 0:
				t.mark[u], t.from[u] = t.round, v
				if p.leads(u, befores) {
					t.queue = append(t.queue, u)
				}
			case t.goal[u] == t.round && v != start:
				t.mark[u], t.from[u] = t.round, v
				missing--
			}
		}
	}
	for _, l := range befores {
		p.through = append(p.through, p.throughEdge(l, after))
	}
}

// leads reports whether a package of the middle needs one of some packages of
// the set.
func (p *lineup) leads(u int32, befores []int32) bool {
	needs := p.needs[p.middle.comps.of[p.middle.local[u]]]
	return slices.ContainsFunc(befores, func(l int32) bool { return needs.has(p.column[p.place[l]]) })
}

func (p *lineup) throughEdge(before, after int32) throughEdge {
	e := throughEdge{before: before, after: after}
	end := p.skeleton.nodes[after]
	for v := p.tracer.from[p.skeleton.nodes[before]]; v != end; v = p.tracer.from[v] {
		e.path = append(e.path, v)
	}
	first := e.path[len(e.path)-1]
	e.kinds = p.g.deps.kinds[p.g.deps.find(end, first)]
	return e
}
