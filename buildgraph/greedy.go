package buildgraph

import "container/heap"

// greedyOrder is the start of the search: the heuristic of Eades, Lin and
// Smyth ("A fast and effective heuristic for the feedback arc set problem",
// 1993). Nodes that nothing must precede go to the front, nodes that nothing
// follows to the back, and when there are neither, the one that most weight
// leaves and least enters goes to the front.
func greedyOrder(t *tangle) []int32 {
	g := newGreedy(t)
	for g.queue.Len() > 0 {
		item := heap.Pop(&g.queue).(candidate)
		if g.done[item.node] || item.stamp != g.stamp[item.node] {
			continue
		}
		g.place(item.node)
	}
	return append(g.front, reversed(g.back)...)
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
	node  int32
	stamp int32
	score int64
}

func newGreedy(t *tangle) *greedy {
	n := t.size()
	g := &greedy{
		tangle: t, in: make([]int64, n), out: make([]int64, n),
		done: make([]bool, n), stamp: make([]int32, n),
		queue: make(candidates, 0, n),
	}
	for v := range n {
		for i := t.off[v]; i < t.off[v+1]; i++ {
			g.count(v, t.weight[i], 1)
		}
		g.queue = append(g.queue, g.candidate(v))
	}
	heap.Init(&g.queue)
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
	for i := g.off[v]; i < g.off[v+1]; i++ {
		u := g.to[i]
		if g.done[u] {
			continue
		}
		g.count(u, -g.weight[i], -1)
		g.stamp[u]++
		heap.Push(&g.queue, g.candidate(u))
	}
}

func reversed(list []int32) []int32 {
	out := make([]int32, len(list))
	for i, v := range list {
		out[len(list)-1-i] = v
	}
	return out
}

// candidates is a heap, best first.
type candidates []candidate

func (c candidates) Len() int { return len(c) }
func (c candidates) Less(i, j int) bool {
	if c[i].score != c[j].score {
		return c[i].score > c[j].score
	}
	return c[i].node < c[j].node
}
func (c candidates) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c *candidates) Push(x any)   { *c = append(*c, x.(candidate)) }
func (c *candidates) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}
