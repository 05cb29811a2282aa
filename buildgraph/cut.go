package buildgraph

import "buildbtw"

// strongest is the kind that decides what cutting an edge costs.
func strongest(k buildbtw.EdgeKinds) buildbtw.EdgeKinds { return k & -k }

// weightOf is what cutting an edge costs: a build with the base's package
// instead of the new one hurts most when it is linked against, least when only
// the tests need it.
func weightOf(kinds buildbtw.EdgeKinds) int32 {
	switch strongest(kinds) {
	case buildbtw.EdgeDepends:
		return 64
	case buildbtw.EdgeMakedepends:
		return 8
	default:
		return 1
	}
}

// chooseCuts marks the edges (by their place in deps.to) that must be left out
// so that no cycle remains. Only edges on cycles are marked, and putting any
// single one back would close a cycle again.
func chooseCuts(deps *csr, comps *components) []bool {
	cut := make([]bool, len(deps.to))
	local := make([]int32, deps.nodes())
	for _, members := range comps.members() {
		t := newTangle(deps, comps, members, local)
		s := newSequence(t, greedyOrder(t))
		s.settle()
		markCuts(deps, comps, members, s, local, cut)
	}
	return cut
}

// newTangle numbers the members of a component by themselves; local is scratch
// space and holds the new numbers afterwards.
func newTangle(deps *csr, comps *components, members, local []int32) *tangle {
	for l, v := range members {
		local[v] = int32(l)
	}
	n := len(members)
	t := &tangle{off: make([]int32, n+1)}
	each := func(visit func(before, after int32, weight int32)) {
		for _, v := range members {
			for i := deps.off[v]; i < deps.off[v+1]; i++ {
				u := deps.to[i]
				if comps.of[u] != comps.of[v] {
					continue
				}
				if w := netWeight(deps, v, i); w > 0 {
					visit(local[u], local[v], w)
				}
			}
		}
	}
	each(func(before, after, _ int32) {
		t.off[before+1]++
		t.off[after+1]++
	})
	for v := range n {
		t.off[v+1] += t.off[v]
	}
	t.to, t.weight = make([]int32, t.off[n]), make([]int32, t.off[n])
	next := append([]int32(nil), t.off[:n]...)
	each(func(before, after, weight int32) {
		t.to[next[after]], t.weight[next[after]] = before, weight
		t.to[next[before]], t.weight[next[before]] = after, -weight
		next[after]++
		next[before]++
	})
	return t
}

// netWeight is what more is lost when edge i of v is cut than when the edge
// the other way is, if there is one: of two such edges one goes in any case.
func netWeight(deps *csr, v, i int32) int32 {
	w := weightOf(deps.kinds[i])
	if back := deps.find(deps.to[i], v); back >= 0 {
		w -= weightOf(deps.kinds[back])
	}
	return w
}

// markCuts marks the edges of a component that point back in the order.
func markCuts(deps *csr, comps *components, members []int32, s *sequence, local []int32, cut []bool) {
	for _, v := range members {
		for i := deps.off[v]; i < deps.off[v+1]; i++ {
			u := deps.to[i]
			if comps.of[u] == comps.of[v] && s.pos[local[u]] > s.pos[local[v]] {
				cut[i] = true
			}
		}
	}
}
