// Package graph holds directed graphs of tens of thousands of nodes in few flat
// slices, and the textbook algorithms on them. Nodes are numbered from 0.
package graph

import (
	"errors"
	"slices"
)

// CSR is a directed graph in compressed sparse rows: the successors of v are
// To[Off[v]:Off[v+1]]. The zero value has no nodes.
type CSR struct {
	Off []int32 // one more than there are nodes
	To  []int32
}

// New makes the graph of n nodes with the edges from[i] → to[i]. Edges of one
// node keep their order. The values in to may be anything else that is to be
// listed by node, such as numbers of edges.
func New(n int, from, to []int32) CSR {
	c := CSR{Off: make([]int32, n+1), To: make([]int32, len(to))}
	for _, v := range from {
		c.Off[v+1]++
	}
	for v := range n {
		c.Off[v+1] += c.Off[v]
	}
	next := slices.Clone(c.Off[:n])
	for i, v := range from {
		c.To[next[v]] = to[i]
		next[v]++
	}
	return c
}

// Nodes is the number of nodes.
func (c *CSR) Nodes() int32 { return int32(max(len(c.Off)-1, 0)) }

// Row lists the successors of a node. It shares memory with the graph.
func (c *CSR) Row(v int32) []int32 { return c.To[c.Off[v]:c.Off[v+1]] }

// Find returns the place of the edge v→u in To, or -1. Rows must be sorted.
func (c *CSR) Find(v, u int32) int32 {
	i, found := slices.BinarySearch(c.Row(v), u)
	if !found {
		return -1
	}
	return c.Off[v] + int32(i)
}

// Reversed returns the graph with every edge turned round. Its rows are sorted.
func (c *CSR) Reversed() CSR {
	n := c.Nodes()
	r := CSR{Off: make([]int32, n+1), To: make([]int32, len(c.To))}
	for _, u := range c.To {
		r.Off[u+1]++
	}
	for v := range n {
		r.Off[v+1] += r.Off[v]
	}
	next := slices.Clone(r.Off[:n])
	for v := range n {
		for _, u := range c.Row(v) {
			r.To[next[u]] = v
			next[u]++
		}
	}
	return r
}

// ErrCycle says that the edges of a graph go round in a circle.
var ErrCycle = errors.New("the edges have a cycle")

// TopologicalOrder returns the nodes in an order in which all edges point
// forward, and the length of the longest path that ends at each node (Kahn,
// "Topological sorting of large networks", 1962). Nodes that are free at the
// same time come in the order in which they became so, at first by number. With
// ErrCycle the order holds the nodes that no cycle leads to.
func TopologicalOrder(c *CSR) (order, level []int32, err error) {
	n := c.Nodes()
	waits := make([]int32, n)
	for _, u := range c.To {
		waits[u]++
	}
	order, level = make([]int32, 0, n), make([]int32, n)
	for v, w := range waits {
		if w == 0 {
			order = append(order, int32(v))
		}
	}
	for head := 0; head < len(order); head++ {
		v := order[head]
		for _, u := range c.Row(v) {
			level[u] = max(level[u], level[v]+1)
			if waits[u]--; waits[u] == 0 {
				order = append(order, u)
			}
		}
	}
	if len(order) < int(n) {
		err = ErrCycle
	}
	return order, level, err
}
