package buildgraph

import (
	"slices"

	"buildbtw"
)

// tangle is one strongly connected component, numbered by itself, for the
// search of an order that breaks as little of it as possible.
type tangle struct {
	off   []int32
	arcs  []arc
	edges []tangleEdge // by after
	from  []int32      // by node: the place of its first edge in edges
}

// arc is an edge seen from one of its ends. Every edge is there twice.
type arc struct {
	to     int32
	weight int32 // what breaking it costs in full; negative when to must come after the node, not before
	price  int32 // what breaking it costs in the search, with the same meaning of the sign
}

func (t *tangle) size() int32 { return int32(len(t.off)) - 1 }

func (t *tangle) row(v int32) []arc { return t.arcs[t.off[v]:t.off[v+1]] }

// needs gives the edges to what should come before v.
func (t *tangle) needs(v int32) []tangleEdge { return t.edges[t.from[v]:t.from[v+1]] }

// strongest is the kind that decides what cutting an edge costs.
func strongest(k buildbtw.EdgeKinds) buildbtw.EdgeKinds { return k & -k }

// weightOf is what cutting an edge costs: a build with the base's package
// instead of the new one hurts most when it is linked against, least when only
// the tests need it.
func weightOf(kinds buildbtw.EdgeKinds) int32 {
	switch strongest(kinds) {
	case buildbtw.EdgeDepends:
		return 64
	case buildbtw.EdgeMakedepends:
		return 8
	default:
		return 1
	}
}

// netWeight is what more is lost when edge i of v is cut than when the edge
// the other way is, if there is one: of two such edges one goes in any case.
func netWeight(deps *csr, v, i int32) int32 {
	w := weightOf(deps.kinds[i])
	if back := deps.find(deps.to[i], v); back >= 0 {
		w -= weightOf(deps.kinds[back])
	}
	return w
}

// newTangle lays out the edges of a component of n nodes, which are sorted by
// after.
func newTangle(n int, edges []tangleEdge) *tangle {
	t := &tangle{off: make([]int32, n+1), arcs: make([]arc, 2*len(edges)), edges: edges, from: make([]int32, n+1)}
	for _, e := range edges {
		t.off[e.before+1]++
		t.off[e.after+1]++
		t.from[e.after+1]++
	}
	for v := range n {
		t.off[v+1] += t.off[v]
		t.from[v+1] += t.from[v]
	}
	next := slices.Clone(t.off)
	put := func(v, to, weight int32) {
		t.arcs[next[v]] = arc{to, weight, weight * priceUnit}
		next[v]++
	}
	for _, e := range edges {
		put(e.after, e.before, e.weight)
		put(e.before, e.after, -e.weight)
	}
	return t
}

// sortRows sorts every row by an order of the nodes.
func (t *tangle) sortRows(order []int32) {
	arcs, next := make([]arc, len(t.arcs)), slices.Clone(t.off)
	for _, v := range order {
		for _, a := range t.row(v) {
			arcs[next[a.to]] = arc{v, -a.weight, -a.price}
			next[a.to]++
		}
	}
	t.arcs = arcs
}

type tangleEdge struct{ before, after, weight int32 }

// tangleEdges lists a component's edges by after; local numbers its members.
func tangleEdges(deps *csr, comps *components, members, local []int32) []tangleEdge {
	inside := 0
	for _, v := range members {
		for _, u := range deps.row(v) {
			if comps.of[u] == comps.of[v] {
				inside++
			}
		}
	}
	edges := make([]tangleEdge, 0, inside)
	for _, v := range members {
		for i := deps.off[v]; i < deps.off[v+1]; i++ {
			u := deps.to[i]
			if comps.of[u] != comps.of[v] {
				continue
			}
			if w := netWeight(deps, v, i); w > 0 {
				edges = append(edges, tangleEdge{local[u], local[v], w})
			}
		}
	}
	return edges
}
