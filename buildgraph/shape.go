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
	*reached
}

// reached is what the changesets bring in, and why. It follows from the edges
// of the kinds that bring dependents in.
type reached struct {
	reach   *closure
	set     []int32 // graph nodes, ascending
	counts  map[buildbtw.Scope]int
	reasons []buildbtw.Reason // by place in the set; see explain
}

func newReached(g *graph, w wanted) *reached {
	r := &reached{reach: g.reach(w), counts: map[buildbtw.Scope]int{}}
	r.set = r.reach.set(w.scope)
	for _, scope := range countedScopes() {
		r.counts[scope] = r.reach.count(scope)
	}
	return r
}

// explain finds the reasons, unless they are known.
func (r *reached) explain(g *graph) {
	if r.reasons != nil {
		return
	}
	r.reasons = make([]buildbtw.Reason, len(r.set))
	for l, v := range r.set {
		r.reasons[l] = g.reason(r.reach, v)
	}
}

// countedScopes are the scopes whose sizes a plan gives.
func countedScopes() []buildbtw.Scope {
	return []buildbtw.Scope{buildbtw.ScopeNone, buildbtw.ScopeDirect, buildbtw.ScopeAll}
}

// archPlan fills in what an index and the reasons say, and gives the warnings
// about the set. What was filled in last is kept: plans of one set and one index
// differ only in their reasons.
func (h *shape) archPlan(g *graph, ix *Index) (*ArchPlan, []Warning) {
	p := &ArchPlan{Edges: h.edges, Cuts: h.cuts, Chain: h.chain}
	last := h.last.Load()
	if last == nil || last.of != ix.identity {
		last = &filledFrame{ix.identity, h.fill(g, ix), view{g, h}.warnings(ix)}
		h.last.Store(last)
		p.Builds = last.builds
		return p, last.warnings
	}
	p.Builds = slices.Clone(last.builds)
	for i := range p.Builds {
		p.Builds[i].Reason = h.reasons[h.builds[i].node]
	}
	return p, last.warnings
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

// cells is how much is held here, for the bound of the memo.
func (r *reached) cells() int { return len(r.reasons) + len(r.reach.depth) }
