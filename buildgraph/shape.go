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

// archPlan fills in what an index and the reasons say. The builds of the last
// plan are kept: plans of one set and one index differ only in their reasons.
func (h *shape) archPlan(g *graph, ix *Index) *ArchPlan {
	p := &ArchPlan{Edges: h.edges, Cuts: h.cuts, Chain: h.chain}
	last := h.last.Load()
	if last == nil || last.of != ix.identity {
		p.Builds = h.fill(g, ix)
		h.last.Store(&filledFrame{ix.identity, p.Builds})
		return p
	}
	p.Builds = slices.Clone(last.builds)
	for i := range p.Builds {
		p.Builds[i].Reason = h.reasons[h.builds[i].node]
	}
	return p
}

// fill makes the builds with the commits and versions of an index.
func (h *shape) fill(g *graph, ix *Index) []Build {
	out := make([]Build, len(h.builds))
	for i := range h.builds {
		b := &h.builds[i]
		v := h.nodes[b.node]
		u, source := g.units[v], &ix.sources[g.sources[v]]
		out[i] = Build{
			Pkgbase: u.info.Pkgbase, Stage: b.stage, NoCheck: b.noCheck, Level: int(b.level), Priority: b.priority,
			Source: source.Slug, Commit: source.Commit, Version: u.version, Pkgnames: u.pkgnames, Any: u.any,
			Reason: h.reasons[b.node],
		}
	}
	return out
}

// cells is how much the shape holds beside its frame, for the bound of the
// memo.
func (h *shape) cells() int { return len(h.reasons) + len(h.reach.depth) }
