package buildgraph

import (
	"slices"

	"buildbtw"
)

// withThrough merges edges over outside packages into the kept ones. The place
// of such an edge's path is in via, by edge of the result; -1 for the others.
func (s *skeleton) withThrough(kept *csr) (merged *csr, via []int32) {
	byAfter := make(map[int32][]int32, len(s.through))
	for i := range s.through {
		byAfter[s.through[i].after] = append(byAfter[s.through[i].after], int32(i))
	}
	m := &csr{off: make([]int32, 1, len(kept.off))}
	for v := range kept.nodes() {
		row := newMerge(kept, v, byAfter[v], s.through)
		for _, c := range row {
			m.to, m.kinds, via = append(m.to, c.to), append(m.kinds, c.kinds), append(via, c.via)
		}
		m.off = append(m.off, int32(len(m.to)))
	}
	return m, via
}

type mergeCell struct {
	to    int32
	kinds buildbtw.EdgeKinds
	via   int32
}

func newMerge(kept *csr, v int32, extra []int32, through []throughEdge) []mergeCell {
	row := make([]mergeCell, 0, len(kept.row(v))+len(extra))
	kinds := kept.rowKinds(v)
	for i, u := range kept.row(v) {
		row = append(row, mergeCell{u, kinds[i], -1})
	}
	for _, e := range extra {
		row = append(row, mergeCell{through[e].before, through[e].kinds, e})
	}
	sortCells(row)
	return row
}

func sortCells(row []mergeCell) {
	slices.SortFunc(row, func(a, b mergeCell) int { return int(a.to - b.to) })
}
