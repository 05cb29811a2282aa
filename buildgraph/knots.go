package buildgraph

import (
	"cmp"
	"slices"
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
	if r.known != nil && k.same(r.known) {
		return r.known
	}
	k.cuts = r.cuts(k)
	return k
}

// findKnots leaves out the edges that lie on no cycle.
func (s *skeleton) findKnots() *knots {
	k := &knots{inner: &csr{off: make([]int32, 1, len(s.direct.off))}}
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
	out := []Cut{}
	finder := newCycleFinder(k.inner, r.comps)
	for v := range r.size() {
		for i := k.inner.off[v]; i < k.inner.off[v+1]; i++ {
			if !k.cut[i] {
				continue
			}
			u := k.inner.to[i]
			c := Cut{From: r.pkgbase(u), To: r.pkgbase(v), Kinds: r.kinds[k.inner.kinds[i]].Kinds}
			for _, w := range finder.find(u, v) {
				c.Cycle = append(c.Cycle, r.pkgbase(w))
			}
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b Cut) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	return out
}
