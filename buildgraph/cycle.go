package buildgraph

import "slices"

// cycleFinder finds shortest cycles, one after the other. A breadth-first
// search from both ends meets in the middle: hubs with a thousand dependents
// are seldom gone through.
type cycleFinder struct {
	deps, users *csr
	comps       *components
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

func newCycleFinder(deps *csr, comps *components) *cycleFinder {
	n := deps.nodes()
	return &cycleFinder{deps: deps, users: deps.reversedPlain(), comps: comps, up: newWave(n), down: newWave(n)}
}

// find gives a shortest cycle over the edge from→to (to needs from): from, to,
// and on along users to the one that from needs. The next call overwrites it.
func (c *cycleFinder) find(from, to int32) []int32 {
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
func (c *cycleFinder) spread(edges *csr, w, other *wave) int32 {
	w.next = w.next[:0]
	for _, v := range w.front {
		for _, u := range edges.row(v) {
			if w.mark[u] == c.round || c.comps.of[u] != c.comps.of[v] {
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

func (c *cycleFinder) path(from, met int32) []int32 {
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
