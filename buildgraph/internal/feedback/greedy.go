package feedback

import "slices"

// greedyOrder is the start of the search: the heuristic of Eades, Lin and
// Smyth ("A fast and effective heuristic for the feedback arc set problem",
// 1993). Nodes that nothing must precede go to the front, nodes that nothing
// follows to the back, and when there are neither, the one that most weight
// leaves and least enters goes to the front.
func greedyOrder(c *component) []int32 {
	g := newGreedy(c)
	for len(g.queue.heap) > 0 {
		g.place(g.queue.pop())
	}
	slices.Reverse(g.back)
	return append(g.front, g.back...)
}

type greedy struct {
	*component
	in, out     []int64 // weight of the edges from and to nodes not placed
	queue       candidates
	front, back []int32
}

func newGreedy(c *component) *greedy {
	n := c.size()
	g := &greedy{component: c, in: make([]int64, n), out: make([]int64, n), front: make([]int32, 0, n)}
	g.queue = newCandidates(n)
	for v := range n {
		for _, a := range c.row(v) {
			g.count(v, a.weight, 1)
		}
		g.queue.score[v] = g.score(v)
		g.queue.up(v, v)
	}
	return g
}

func (g *greedy) count(v, weight int32, times int64) {
	if weight > 0 {
		g.in[v] += int64(weight) * times
	} else {
		g.out[v] -= int64(weight) * times
	}
}

const certain = 1 << 40 // a node without a choice comes before all others

func (g *greedy) score(v int32) int64 {
	if g.in[v] == 0 || g.out[v] == 0 {
		return certain
	}
	return g.out[v] - g.in[v]
}

func (g *greedy) place(v int32) {
	if g.out[v] == 0 && g.in[v] != 0 {
		g.back = append(g.back, v)
	} else {
		g.front = append(g.front, v)
	}
	for _, a := range g.row(v) {
		if g.queue.holds(a.to) {
			g.count(a.to, -a.weight, -1)
			g.queue.update(a.to, g.score(a.to))
		}
	}
}

// candidates is a binary heap of the nodes that are not placed: the highest
// score first, then the smallest number.
type candidates struct {
	score []int64 // by node
	heap  []int32
	at    []int32 // by node: its place in heap, -1 when it is not there
}

func newCandidates(n int32) candidates {
	return candidates{score: make([]int64, n), heap: make([]int32, n), at: make([]int32, n)}
}

func (c *candidates) holds(v int32) bool { return c.at[v] >= 0 }

func (c *candidates) before(v, u int32) bool {
	return c.score[v] > c.score[u] || c.score[v] == c.score[u] && v < u
}

func (c *candidates) update(v int32, score int64) {
	have := c.score[v]
	c.score[v] = score
	switch {
	case score > have:
		c.up(c.at[v], v)
	case score < have:
		c.down(c.at[v], v)
	}
}

func (c *candidates) pop() int32 {
	first, n := c.heap[0], len(c.heap)-1
	last := c.heap[n]
	c.heap = c.heap[:n]
	if n > 0 {
		c.down(0, last)
	}
	c.at[first] = -1
	return first
}

// up puts v at place i or nearer to the front.
func (c *candidates) up(i, v int32) {
	for i > 0 {
		parent := (i - 1) / 2
		u := c.heap[parent]
		if !c.before(v, u) {
			break
		}
		c.heap[i], c.at[u] = u, i
		i = parent
	}
	c.heap[i], c.at[v] = v, i
}

// down puts v at place i or further from the front.
func (c *candidates) down(i, v int32) {
	n := int32(len(c.heap))
	for {
		child := 2*i + 1
		if child >= n {
			break
		}
		if child+1 < n && c.before(c.heap[child+1], c.heap[child]) {
			child++
		}
		u := c.heap[child]
		if !c.before(u, v) {
			break
		}
		c.heap[i], c.at[u] = u, i
		i = child
	}
	c.heap[i], c.at[v] = v, i
}
