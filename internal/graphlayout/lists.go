package graphlayout

// lists holds a list per node, one after the other in one slice.
type lists struct{ start, items []int32 }

func (l lists) of(v int32) []int32 { return l.items[l.start[v]:l.start[v+1]] }

// newLists gives for each node the edges that leave it (or, backwards, reach
// it), in their order.
func newLists(n int, edges []Edge, backwards bool) lists {
	l := lists{start: make([]int32, n+1), items: make([]int32, len(edges))}
	key := func(e Edge) int32 {
		if backwards {
			return e.To
		}
		return e.From
	}
	for _, e := range edges {
		l.start[key(e)+1]++
	}
	for v := range n {
		l.start[v+1] += l.start[v]
	}
	next := make([]int32, n)
	copy(next, l.start)
	for i, e := range edges {
		l.items[next[key(e)]] = int32(i)
		next[key(e)]++
	}
	return l
}

// longestWays gives the nodes in an order in which edges point forward, and the
// number of edges on the longest way to each.
func longestWays(n int, out lists, edges []Edge) (order, levels []int32, err error) {
	waits := make([]int32, n)
	for _, e := range edges {
		waits[e.To]++
	}
	levels = make([]int32, n)
	order = make([]int32, 0, n)
	for v, w := range waits {
		if w == 0 {
			order = append(order, int32(v))
		}
	}
	for next := 0; next < len(order); next++ {
		v := order[next]
		for _, e := range out.of(v) {
			to := edges[e].To
			levels[to] = max(levels[to], levels[v]+1)
			if waits[to]--; waits[to] == 0 {
				order = append(order, to)
			}
		}
	}
	if len(order) < n {
		return nil, nil, ErrCycle
	}
	return order, levels, nil
}
