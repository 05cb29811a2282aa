package buildgraph

import (
	"context"

	"buildbtw"
)

// skeleton is the plan of one architecture in numbers: everything that follows
// from the graph and the request, without commits and versions.
type skeleton struct {
	g      *graph
	reach  *closure
	nodes  []int32 // graph nodes of the set, ascending: by pkgbase
	local  []int32 // by graph node: place in nodes, -1 outside
	direct *csr    // dependencies inside the set, by place
	cut    []bool  // by edge of direct
	comps  *components

	through []throughEdge // order over packages outside the set
	loose   looseOrder    // what of it lies on cycles and is not kept
}

// newSkeleton computes what a request means for one architecture.
func newSkeleton(ctx context.Context, g *graph, w wanted) (*skeleton, error) {
	s := &skeleton{g: g, reach: g.reach(w)}
	s.nodes = s.reach.set(w.scope)
	s.local = make([]int32, len(g.units))
	for v := range s.local {
		s.local[v] = -1
	}
	for l, v := range s.nodes {
		s.local[v] = int32(l)
	}
	s.direct = g.deps.subgraph(s.nodes, s.local)
	s.comps = findComponents(s.direct)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.cut = chooseCuts(s.direct, s.comps)
	s.findThrough()
	return s, ctx.Err()
}

func (s *skeleton) size() int32 { return int32(len(s.nodes)) }

func (s *skeleton) pkgbase(l int32) string { return s.g.units[s.nodes[l]].info.Pkgbase }

// kept is the graph of the set without its cut edges.
func (s *skeleton) kept() *csr {
	n := s.size()
	k := &csr{
		off:   make([]int32, 1, n+1),
		to:    make([]int32, 0, len(s.direct.to)),
		kinds: make([]buildbtw.EdgeKinds, 0, len(s.direct.to)),
	}
	for v := range n {
		for i := s.direct.off[v]; i < s.direct.off[v+1]; i++ {
			if !s.cut[i] {
				k.to = append(k.to, s.direct.to[i])
				k.kinds = append(k.kinds, s.direct.kinds[i])
			}
		}
		k.off = append(k.off, int32(len(k.to)))
	}
	return k
}
