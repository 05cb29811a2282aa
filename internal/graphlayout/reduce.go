package graphlayout

import (
	"cmp"
	"slices"
)

// reachBlock is how many targets are looked at in one pass, so that memory stays
// small on any graph: 8,000 nodes take 4 MB.
const reachBlock = 4096

// reduce reports for each edge whether it is drawn: it is not when a longer way
// leads from its first node to its second, unless it is to be kept.
func reduce(order []int32, out lists, g Graph) []bool {
	n := len(order)
	place := make([]int32, n) // in order
	for i, v := range order {
		place[v] = int32(i)
	}
	// The nearest first: what implies an edge begins with a nearer one.
	sorted := lists{start: out.start, items: slices.Clone(out.items)}
	for v := range int32(n) {
		slices.SortFunc(sorted.of(v), func(a, b int32) int {
			return cmp.Compare(place[g.Edges[a].To], place[g.Edges[b].To])
		})
	}
	drawn := make([]bool, len(g.Edges))
	for first := 0; first < n; first += reachBlock {
		r := reach{first: int32(first), words: (min(reachBlock, n-first) + 63) / 64, place: place}
		r.bits = make([]uint64, n*r.words)
		for _, v := range slices.Backward(order) {
			r.visit(v, sorted.of(v), g.Edges, drawn)
		}
	}
	for e, keep := range g.Keep {
		drawn[e] = drawn[e] || keep
	}
	return drawn
}

// reach has for each node a set of the nodes behind it, as far as their places
// lie in a block that begins with first.
type reach struct {
	first int32
	words int // of 64 nodes each
	place []int32
	bits  []uint64
}

func (r *reach) of(v int32) []uint64 { return r.bits[int(v)*r.words : (int(v)+1)*r.words] }

// visit adds what lies behind v, and notes which of its edges lead to a node of
// the block that no nearer one leads to. Everything behind v was visited before.
func (r *reach) visit(v int32, out []int32, edges []Edge, drawn []bool) {
	behind := r.of(v)
	for _, e := range out {
		to := edges[e].To
		i := int(r.place[to] - r.first)
		if i >= 0 && i < r.words*64 {
			if behind[i/64]&(1<<(i%64)) != 0 {
				continue
			}
			drawn[e] = true
			behind[i/64] |= 1 << (i % 64)
		}
		for w, bits := range r.of(to) {
			behind[w] |= bits
		}
	}
}
