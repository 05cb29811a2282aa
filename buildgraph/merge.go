package buildgraph

import (
	"slices"

	"buildbtw"
)

// edgeCell is one edge of a row: what it leads to, its kinds, and the place of
// its way in through, -1 for an edge inside the set.
type edgeCell struct {
	to    int32
	kinds buildbtw.EdgeKinds
	via   int32
}

// rows collects edges row by row.
type rows struct {
	csr
	via []int32
}

func newRows(nodes, edges int) *rows {
	return &rows{
		csr: csr{off: make([]int32, 1, nodes+1), to: make([]int32, 0, edges), kinds: make([]buildbtw.EdgeKinds, 0, edges)},
		via: make([]int32, 0, edges),
	}
}

func (r *rows) add(c edgeCell) {
	r.to, r.kinds, r.via = append(r.to, c.to), append(r.kinds, c.kinds), append(r.via, c.via)
}

// take appends a row that has edges inside the set only.
func (r *rows) take(from *csr, v int32) {
	r.to, r.kinds = append(r.to, from.row(v)...), append(r.kinds, from.rowKinds(v)...)
	for len(r.via) < len(r.to) {
		r.via = append(r.via, -1)
	}
	r.end()
}

func (r *rows) end() { r.off = append(r.off, int32(len(r.to))) }

// withThrough merges orders over outside packages into the kept edges. The
// place of each edge's way is in via.
func (s *skeleton) withThrough() (merged *csr, via []int32) {
	kept := s.kept
	// They are sorted by before already.
	s.through = sortThrough(s.through, len(s.nodes), func(e *throughEdge) int32 { return e.after })
	out, next := newRows(len(s.nodes), len(kept.to)+len(s.through)), 0
	for v := range kept.nodes() {
		if next == len(s.through) || s.through[next].after != v {
			out.take(kept, v)
			continue
		}
		for i := kept.off[v]; i < kept.off[v+1]; i++ {
			next = out.addThrough(s.through, next, v, kept.to[i])
			out.add(edgeCell{kept.to[i], kept.kinds[i], -1})
		}
		next = out.addThrough(s.through, next, v, s.size())
		out.end()
	}
	return &out.csr, out.via
}

// addThrough adds the edges from a place on that lead to a node from one below
// another, and gives the place of the first that does not.
func (r *rows) addThrough(edges []throughEdge, next int, after, below int32) int {
	for next < len(edges) && edges[next].after == after && edges[next].before < below {
		r.add(edgeCell{edges[next].before, edges[next].kinds, int32(next)})
		next++
	}
	return next
}

// sortThrough sorts edges by a number below n; equal ones stay in their order.
func sortThrough(edges []throughEdge, n int, number func(*throughEdge) int32) []throughEdge {
	next := make([]int32, n+1)
	for i := range edges {
		next[number(&edges[i])+1]++
	}
	for v := range n {
		next[v+1] += next[v]
	}
	out := make([]throughEdge, len(edges))
	for i := range edges {
		at := &next[number(&edges[i])]
		out[*at] = edges[i]
		*at++
	}
	return out
}

func sortCells(row []edgeCell) {
	slices.SortFunc(row, func(a, b edgeCell) int { return int(a.to - b.to) })
}
