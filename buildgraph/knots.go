package buildgraph

import (
	"cmp"
	"slices"

	"buildbtw"
)

// knots are the cycles of a set and how they are cut.
type knots struct {
	inner *csr   // the edges that lie on cycles, by place in the set
	cut   []bool // by edge of inner
	cuts  []Cut  // follow from the two above and the names of the set
}

// same reports whether two knots of one set have the same cycles and the same
// edges cut, and so the same cuts.
func (k *knots) same(o *knots) bool {
	return slices.Equal(k.inner.off, o.inner.off) && slices.Equal(k.inner.to, o.inner.to) &&
		slices.Equal(k.inner.kinds, o.inner.kinds) && slices.Equal(k.cut, o.cut)
}

// knots finds a shortest cycle for every cut, if not the same were found
// already.
func (r *renderer) knots() *knots {
	k := r.findKnots()
	if known := r.known.knots; known != nil && k.same(known) {
		return known
	}
	k.cuts = r.cuts(k)
	return k
}

// findKnots leaves out the edges that lie on no cycle.
func (s *skeleton) findKnots() *knots {
	k := &knots{inner: &csr{off: make([]int32, 1, len(s.direct.off))}}
	if known := s.known.knots; known != nil { // nearly as many edges as there were
		n := len(known.cut) + len(known.cut)/8
		k.inner.to, k.inner.kinds, k.cut = make([]int32, 0, n), make([]buildbtw.EdgeKinds, 0, n), make([]bool, 0, n)
	}
	for v := range s.size() {
		for i := s.direct.off[v]; i < s.direct.off[v+1]; i++ {
			if u := s.direct.to[i]; s.comps.of[u] == s.comps.of[v] {
				k.inner.to, k.inner.kinds = append(k.inner.to, u), append(k.inner.kinds, s.direct.kinds[i])
				k.cut = append(k.cut, s.cut[i])
			}
		}
		k.inner.off = append(k.inner.off, int32(len(k.inner.to)))
	}
	return k
}

func (r *renderer) cuts(k *knots) []Cut {
	edges := k.cutEdges()
	out := make([]Cut, len(edges))
	finder := newCycleFinder(k.inner, r.comps)
	for i, e := range edges {
		cycle := finder.find(e.before, e.after)
		out[i] = Cut{From: r.pkgbase(e.before), To: r.pkgbase(e.after), Kinds: r.kinds[e.kinds].Kinds, Cycle: make([]string, len(cycle))}
		for at, v := range cycle {
			out[i].Cycle[at] = r.pkgbase(v)
		}
	}
	return out
}

// cutEdge says that after does not wait for before. Both are places in the set.
type cutEdge struct {
	before, after int32
	kinds         buildbtw.EdgeKinds
}

// cutEdges lists what is cut, by before, then after: as the names are.
func (k *knots) cutEdges() []cutEdge {
	var out []cutEdge
	for v := range k.inner.nodes() {
		for i := k.inner.off[v]; i < k.inner.off[v+1]; i++ {
			if k.cut[i] {
				out = append(out, cutEdge{k.inner.to[i], v, k.inner.kinds[i]})
			}
		}
	}
	slices.SortFunc(out, func(a, b cutEdge) int { return cmp.Or(int(a.before-b.before), int(a.after-b.after)) })
	return out
}
