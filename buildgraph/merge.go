package buildgraph

import (
	"cmp"
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

func (r *rows) end() { r.off = append(r.off, int32(len(r.to))) }

// withThrough merges orders over outside packages into the kept edges. The
// place of each edge's way is in via.
func (s *skeleton) withThrough() (merged *csr, via []int32) {
	kept := s.kept
	extra := make([]int32, len(s.through))
	for i := range extra {
		extra[i] = int32(i)
	}
	slices.SortFunc(extra, func(a, b int32) int {
		x, y := &s.through[a], &s.through[b]
		return cmp.Or(cmp.Compare(x.after, y.after), cmp.Compare(x.before, y.before))
	})
	out := newRows(len(s.nodes), len(kept.to)+len(extra))
	for v := range kept.nodes() {
		for i := kept.off[v]; i < kept.off[v+1]; i++ {
			for len(extra) > 0 && s.through[extra[0]].after == v && s.through[extra[0]].before < kept.to[i] {
				extra = s.addThroughEdge(out, extra)
			}
			out.add(edgeCell{kept.to[i], kept.kinds[i], -1})
		}
		for len(extra) > 0 && s.through[extra[0]].after == v {
			extra = s.addThroughEdge(out, extra)
		}
		out.end()
	}
	return &out.csr, out.via
}

// addThroughEdge adds the first of the extra edges and returns the others.
func (s *skeleton) addThroughEdge(out *rows, extra []int32) []int32 {
	e := &s.through[extra[0]]
	out.add(edgeCell{e.before, e.kinds, extra[0]})
	return extra[1:]
}

func sortCells(row []edgeCell) {
	slices.SortFunc(row, func(a, b edgeCell) int { return int(a.to - b.to) })
}
