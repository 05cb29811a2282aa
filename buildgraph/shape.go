package buildgraph

import "buildbtw"

// shape is the plan of one architecture without commits and versions. It
// follows from the graph, the request and the durations alone, so it stays
// while sources move without changing what depends on what.
type shape struct {
	*frame
	reach   *closure
	counts  map[buildbtw.Scope]int
	reasons []buildbtw.Reason // by build
}

func newShape(s *skeleton, f *frame) *shape {
	h := &shape{frame: f, reach: s.reach, counts: map[buildbtw.Scope]int{}}
	for _, scope := range countedScopes() {
		h.counts[scope] = len(s.reach.set(scope))
	}
	h.reasons = make([]buildbtw.Reason, len(f.node))
	for i, v := range f.node {
		h.reasons[i] = s.g.reason(s.reach, v)
	}
	return h
}

// countedScopes are the scopes whose sizes a plan gives.
func countedScopes() []buildbtw.Scope {
	return []buildbtw.Scope{buildbtw.ScopeNone, buildbtw.ScopeDirect, buildbtw.ScopeAll}
}

// archPlan fills in the reasons, and the commits and versions of an index.
func (h *shape) archPlan(g *graph, ix *Index) *ArchPlan {
	p := h.plan
	p.Builds = make([]Build, len(h.builds))
	copy(p.Builds, h.builds)
	for i := range p.Builds {
		u, source := g.units[h.node[i]], &ix.sources[g.sources[h.node[i]]]
		b := &p.Builds[i]
		b.Source, b.Commit, b.Version = source.Slug, source.Commit, u.version
		b.Pkgnames, b.Any, b.Reason = u.pkgnames, u.any, h.reasons[i]
	}
	return &p
}

// cells is how much the shape holds beside its frame, for the bound of the
// memo.
func (h *shape) cells() int { return len(h.reasons) + len(h.reach.depth) }
