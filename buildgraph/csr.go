package buildgraph

import (
	"slices"

	"buildbtw"
)

// csr is a graph in two flat slices ("compressed sparse rows"): the neighbours
// of v are to[off[v]:off[v+1]], sorted, each with the kinds of its edge. It is
// immutable once made.
type csr struct {
	off   []int32
	to    []int32
	kinds []buildbtw.EdgeKinds
}

func (c *csr) nodes() int32 { return int32(len(c.off)) - 1 }

func (c *csr) row(v int32) []int32 { return c.to[c.off[v]:c.off[v+1]] }

func (c *csr) rowKinds(v int32) []buildbtw.EdgeKinds { return c.kinds[c.off[v]:c.off[v+1]] }

// find gives the place of the edge v→u in to and kinds, or -1. Rows are sorted.
func (c *csr) find(v, u int32) int32 {
	lo, hi := c.off[v], c.off[v+1]
	for lo < hi {
		mid := int32(uint32(lo+hi) >> 1)
		if c.to[mid] < u {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < c.off[v+1] && c.to[lo] == u {
		return lo
	}
	return -1
}

// reversed turns every edge round. Rows come out sorted because the nodes are
// walked in order.
func (c *csr) reversed() *csr {
	r, next := c.reversedRows()
	r.kinds = make([]buildbtw.EdgeKinds, len(c.to))
	for v := range c.nodes() {
		for i := c.off[v]; i < c.off[v+1]; i++ {
			u := c.to[i]
			r.to[next[u]], r.kinds[next[u]] = v, c.kinds[i]
			next[u]++
		}
	}
	return r
}

// reversedPlain is reversed without the kinds.
func (c *csr) reversedPlain() *csr {
	r, next := c.reversedRows()
	for v := range c.nodes() {
		for _, u := range c.row(v) {
			r.to[next[u]] = v
			next[u]++
		}
	}
	return r
}

// reversedRows makes room for the edges turned round, and says where each row
// begins.
func (c *csr) reversedRows() (r *csr, next []int32) {
	n := c.nodes()
	r = &csr{off: make([]int32, n+1), to: make([]int32, len(c.to))}
	for _, u := range c.to {
		r.off[u+1]++
	}
	for v := range n {
		r.off[v+1] += r.off[v]
	}
	return r, slices.Clone(r.off[:n])
}

// subgraph keeps the nodes of the list (ascending) and the edges between them;
// local gives each kept node's new number and -1 for the others.
func (c *csr) subgraph(keep, local []int32) *csr {
	size := 0
	for _, v := range keep {
		size += len(c.row(v))
	}
	s := &csr{off: make([]int32, 1, len(keep)+1), to: make([]int32, 0, size), kinds: make([]buildbtw.EdgeKinds, 0, size)}
	for _, v := range keep {
		kinds := c.rowKinds(v)
		for i, u := range c.row(v) {
			if l := local[u]; l >= 0 {
				s.to = append(s.to, l)
				s.kinds = append(s.kinds, kinds[i])
			}
		}
		s.off = append(s.off, int32(len(s.to)))
	}
	return s
}

// without copies the graph, leaving out edges by their place in to.
func (c *csr) without(drop []bool) *csr {
	n := c.nodes()
	k := &csr{
		off:   make([]int32, n+1),
		to:    make([]int32, 0, len(c.to)),
		kinds: make([]buildbtw.EdgeKinds, 0, len(c.to)),
	}
	for v := range n {
		for i := c.off[v]; i < c.off[v+1]; i++ {
			if !drop[i] {
				k.to = append(k.to, c.to[i])
				k.kinds = append(k.kinds, c.kinds[i])
			}
		}
		k.off[v+1] = int32(len(k.to))
	}
	return k
}
