package graphlayout

import (
	"cmp"
	"slices"

	"buildbtw/internal/graph"
)

// reachBlock is how many targets are looked at in one pass, so that memory stays
// small on any graph: 8,000 nodes take 4 MB.
const reachBlock = 4096

// reduce reports for each edge whether it is drawn: it is not when a longer way
// leads from its first node to its second, unless it is to be kept. It is the
// transitive reduction (Aho, Garey, Ullman, 1972), found with a set of the nodes
// behind every node.
func reduce(order []int32, out graph.CSR, g Graph) []bool {
	n := len(order)
	place := make([]int32, n) // in order
	for i, v := range order {
		place[v] = int32(i)
	}
	// The nearest first: a path that implies an edge begins with a nearer one.
	sorted := graph.CSR{Off: out.Off, To: slices.Clone(out.To)}
	for v := range int32(n) {
		slices.SortFunc(sorted.Row(v), func(a, b int32) int {
			return cmp.Compare(place[g.Edges[a].To], place[g.Edges[b].To])
		})
	}
	drawn := make([]bool, len(g.Edges))
	for first := int32(0); first < int32(n); first += reachBlock {
		size := min(reachBlock, int32(n)-first)
		behind := graph.NewBitsets(n, int(size)) // by node: those that its edges lead to, by place less first
		for _, v := range slices.Backward(order) {
			for _, e := range sorted.Row(v) {
				to := g.Edges[e].To
				if at := place[to] - first; at >= 0 && at < size {
					if behind[v].Has(at) {
						continue
					}
					drawn[e] = true
					behind[v].Add(at)
				}
				behind[v].Union(behind[to])
			}
		}
	}
	for e, keep := range g.Keep {
		drawn[e] = drawn[e] || keep
	}
	return drawn
}
