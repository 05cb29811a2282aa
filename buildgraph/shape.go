package buildgraph

import (
	"slices"

	"buildbtw"
)

// shape is the plan of one architecture without commits and versions. It
// follows from the graph, the request and the durations alone, so it stays
// while sources move without changing what depends on what.
type shape struct {
	*frame
	reach   *closure
	counts  map[buildbtw.Scope]int
	reasons []buildbtw.Reason // by place in the set
}

// newShape finds everything but the frame.
func newShape(s *skeleton) *shape {
	h := &shape{reach: s.reach, counts: map[buildbtw.Scope]int{}, reasons: make([]buildbtw.Reason, len(s.nodes))}
	for _, scope := range countedScopes() {
		h.counts[scope] = s.reach.count(scope)
	}
	for l, v := range s.nodes {
		h.reasons[l] = s.g.reason(s.reach, v)
	}
	return h
}

// countedScopes are the scopes whose sizes a plan gives.
func countedScopes() []buildbtw.Scope {
	return []buildbtw.Scope{buildbtw.ScopeNone, buildbtw.ScopeDirect, buildbtw.ScopeAll}
}

// archPlan fills in the reasons.
func (h *shape) archPlan(g *graph, ix *Index) *ArchPlan {
	p := &ArchPlan{Builds: slices.Clone(h.filled(g, ix)), Edges: h.edges, Cuts: h.cuts, Chain: h.chain}
	for i := range p.Builds {
		p.Builds[i].Reason = h.reasons[h.builds[i].node]
	}
	return p
}

// cells is how much the shape holds beside its frame, for the bound of the
// memo.
func (h *shape) cells() int { return len(h.reasons) + len(h.reach.depth) }
