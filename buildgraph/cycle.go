package buildgraph

import (
	"cmp"
	"slices"

	"buildbtw"
	"buildbtw/internal/graph"
)

// cuts lists the cut edges by from, then to, each with its witness: a shortest
// cycle over it.
func (r *renderer) cuts() []Cut {
	type cutEdge struct {
		before, after int32 // places in the set
		kinds         buildbtw.EdgeKinds
	}
	var edges []cutEdge
	for v := range r.Direct.Nodes() {
		for i := r.Direct.Off[v]; i < r.Direct.Off[v+1]; i++ {
			if r.Cut[i] {
				edges = append(edges, cutEdge{r.Direct.To[i], v, r.Direct.Kinds[i]})
			}
		}
	}
	slices.SortFunc(edges, func(a, b cutEdge) int { return cmp.Or(cmp.Compare(a.before, b.before), cmp.Compare(a.after, b.after)) })
	out := make([]Cut, len(edges))
	witness := newWitness(&r.Direct.CSR, r.Components)
	for i, e := range edges {
		cycle := witness.find(e.before, e.after)
		out[i] = Cut{From: r.names[e.before], To: r.names[e.after], Kinds: r.kinds[e.kinds].Kinds, Cycle: make([]string, len(cycle))}
		for at, v := range cycle {
			out[i].Cycle[at] = r.names[v]
		}
	}
	return out
}

// witness finds shortest cycles, one after the other. The breadth-first search is
// bidirectional (Pohl 1971): hubs with a thousand dependents are seldom gone
// through.
type witness struct {
	deps, users *graph.CSR
	comps       *graph.Components
	up, down    wave
	round       int32
	cycle       []int32 // found last
}

// wave is one direction of the search. Slices are by node, and valid where mark
// is the round.
type wave struct {
	from  []int32 // the node that this one was reached from
	mark  []int32
	front []int32
	next  []int32
}

func newWave(n int32) wave { return wave{from: make([]int32, n), mark: make([]int32, n)} }

func newWitness(deps *graph.CSR, comps *graph.Components) *witness {
	n := deps.Nodes()
	users := deps.Reversed()
	return &witness{deps: deps, users: &users, comps: comps, up: newWave(n), down: newWave(n)}
}

// find gives a shortest cycle over the edge from→to (to needs from): from, to,
// and on along users to the one that from needs. The next call overwrites it.
func (c *witness) find(from, to int32) []int32 {
	c.round++
	c.up.start(to, c.round)
	c.down.start(from, c.round)
	for len(c.up.front) > 0 && len(c.down.front) > 0 {
		var met int32
		if len(c.up.front) <= len(c.down.front) {
			met = c.spread(c.users, &c.up, &c.down)
		} else {
			met = c.spread(c.deps, &c.down, &c.up)
		}
		if met >= 0 {
			return c.path(from, met)
		}
	}
	return nil
}

func (w *wave) start(v, round int32) {
	w.front = append(w.front[:0], v)
	w.mark[v], w.from[v] = round, -1
}

// spread takes a wave one step further and returns the node at which it met the
// other, or -1.
func (c *witness) spread(edges *graph.CSR, w, other *wave) int32 {
	w.next = w.next[:0]
	for _, v := range w.front {
		for _, u := range edges.Row(v) {
			if w.mark[u] == c.round || c.comps.Of[u] != c.comps.Of[v] {
				continue
			}
			w.mark[u], w.from[u] = c.round, v
			if other.mark[u] == c.round {
				return u
			}
			w.next = append(w.next, u)
		}
	}
	w.front, w.next = w.next, w.front
	return -1
}

func (c *witness) path(from, met int32) []int32 {
	c.cycle = append(c.cycle[:0], from)
	for v := met; v >= 0; v = c.up.from[v] {
		c.cycle = append(c.cycle, v)
	}
	slices.Reverse(c.cycle[1:])
	for v := c.down.from[met]; v >= 0 && v != from; v = c.down.from[v] {
		c.cycle = append(c.cycle, v)
	}
	if met == from {
		c.cycle = c.cycle[:len(c.cycle)-1]
	}
	return c.cycle
}
