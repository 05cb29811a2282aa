package buildgraph

import "slices"

// greedyOrder is the start of the search: the heuristic of Eades, Lin and
// Smyth ("A fast and effective heuristic for the feedback arc set problem",
// 1993). Nodes that nothing must precede go to the front, nodes that nothing
// follows to the back, and when there are neither, the one that most weight
// leaves and least enters goes to the front.
func greedyOrder(t *tangle) []int32 {
	g := newGreedy(t)
	for len(g.queue) > 0 {
		c := g.queue.pop()
		if !g.done[c.node] && c.stamp == g.stamp[c.node] {
			g.place(c.node)
		}
	}
	slices.Reverse(g.back)
	return append(g.front, g.back...)
}

type greedy struct {
	*tangle
	in, out     []int64 // weight of the edges from and to nodes not placed
	done        []bool
	stamp       []int32 // a candidate with an older stamp is out of date
	queue       candidates
	front, back []int32
}

// candidate is a node that may be placed next.
type candidate struct {
	score int64
	node  int32
	stamp int32
}

func newGreedy(t *tangle) *greedy {
	n := t.size()
	g := &greedy{
		tangle: t, in: make([]int64, n), out: make([]int64, n),
		done: make([]bool, n), stamp: make([]int32, n),
	}
	for v := range n {
		for _, a := range t.row(v) {
			g.count(v, a.weight, 1)
		}
		g.queue.push(g.candidate(v))
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

func (g *greedy) candidate(v int32) candidate {
	c := candidate{node: v, stamp: g.stamp[v], score: g.out[v] - g.in[v]}
	if g.in[v] == 0 || g.out[v] == 0 {
		c.score = certain
	}
	return c
}

func (g *greedy) place(v int32) {
	g.done[v] = true
	if g.out[v] == 0 && g.in[v] != 0 {
		g.back = append(g.back, v)
	} else {
		g.front = append(g.front, v)
	}
	for _, a := range g.row(v) {
		if g.done[a.to] {
			continue
		}
		g.count(a.to, -a.weight, -1)
		g.stamp[a.to]++
		g.queue.push(g.candidate(a.to))
	}
}

// candidates is a binary heap, best first.
type candidates []candidate

func (c candidate) before(d candidate) bool {
	if c.score != d.score {
		return c.score > d.score
	}
	return c.node < d.node
}

func (c *candidates) push(x candidate) {
	h := append(*c, x)
	i := len(h) - 1
	for i > 0 && x.before(h[(i-1)/2]) {
		h[i] = h[(i-1)/2]
		i = (i - 1) / 2
	}
	h[i] = x
	*c = h
}

func (c *candidates) pop() candidate {
	h := *c
	best, x := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	*c = h
	i := 0
	for 2*i+1 < len(h) {
		child := 2*i + 1
		if child+1 < len(h) && h[child+1].before(h[child]) {
			child++
		}
		if !h[child].before(x) {
			break
		}
		h[i] = h[child]
		i = child
	}
	if len(h) > 0 {
		h[i] = x
	}
	return best
}
