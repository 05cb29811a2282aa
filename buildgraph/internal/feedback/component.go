package feedback

import "slices"

// priceUnit is the price of a weight of 1. Prices are finer than weights because
// the searches for better chains change them little by little.
const priceUnit = 16

// edge means that a node of a component should come before another.
type edge struct{ before, after, weight int32 }

// component is one strongly connected component, numbered by itself.
type component struct {
	off   []int32
	arcs  []arc
	edges []edge  // by after
	from  []int32 // by node: the place of its first edge in edges
}

// arc is an edge seen from one of its ends. Every edge is there twice.
type arc struct {
	to     int32
	weight int32 // the cost of breaking it; negative when to must come after the node, not before
	price  int32 // the cost of breaking it in the search, with the same meaning of the sign
}

// newComponent lays out the edges of n nodes, which are sorted by after.
func newComponent(n int, edges []edge) *component {
	c := &component{off: make([]int32, n+1), arcs: make([]arc, 2*len(edges)), edges: edges, from: make([]int32, n+1)}
	for _, e := range edges {
		c.off[e.before+1]++
		c.off[e.after+1]++
		c.from[e.after+1]++
	}
	for v := range n {
		c.off[v+1] += c.off[v]
		c.from[v+1] += c.from[v]
	}
	next := slices.Clone(c.off)
	put := func(v, to, weight int32) {
		c.arcs[next[v]] = arc{to, weight, weight * priceUnit}
		next[v]++
	}
	for _, e := range edges {
		put(e.after, e.before, e.weight)
		put(e.before, e.after, -e.weight)
	}
	return c
}

func (c *component) size() int32 { return int32(len(c.off)) - 1 }

func (c *component) row(v int32) []arc { return c.arcs[c.off[v]:c.off[v+1]] }

// needs returns the edges to the nodes that should come before v.
func (c *component) needs(v int32) []edge { return c.edges[c.from[v]:c.from[v+1]] }

// sortRows sorts every row by an order of the nodes.
func (c *component) sortRows(order []int32) {
	arcs, next := make([]arc, len(c.arcs)), slices.Clone(c.off)
	for _, v := range order {
		for _, a := range c.row(v) {
			arcs[next[a.to]] = arc{v, -a.weight, -a.price}
			next[a.to]++
		}
	}
	c.arcs = arcs
}
