package handlers

import (
	"strings"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/views"
)

// graphEdges says of each edge what it is, for whoever points at it.
func graphEdges(g store.Graph) []views.GraphEdge {
	edges := make([]views.GraphEdge, 0, len(g.Edges)+len(g.Cuts))
	for _, e := range g.Edges {
		words := strings.Join(e.Kinds.Names(), ", ")
		if len(e.Through) > 0 {
			words += ", through " + strings.Join(e.Through, ", ")
		}
		edges = append(edges, views.GraphEdge{From: e.From, To: e.To, Words: words})
	}
	for _, cut := range g.Cuts {
		words := strings.Join(cut.Kinds.Names(), ", ") + ", cut out of the cycle " + strings.Join(cut.Cycle, " → ")
		edges = append(edges, views.GraphEdge{From: cut.From, To: cut.To, Words: words, Cut: true})
	}
	return edges
}

// longestChain marks the builds that decide how long the whole takes. A build's
// priority is the length of the longest chain that starts at it, so the chain
// begins at the largest and follows the largest.
func longestChain(g store.Graph) map[int64]bool {
	byID := make(map[int64]buildbtw.Build, len(g.Builds))
	var next *buildbtw.Build
	for _, b := range g.Builds {
		byID[b.ID] = b
		next = longer(next, b)
	}
	dependents := map[int64][]int64{}
	for _, e := range g.Edges {
		dependents[e.From] = append(dependents[e.From], e.To)
	}
	chain := map[int64]bool{}
	for next != nil && !chain[next.ID] {
		chain[next.ID] = true
		here := next.ID
		next = nil
		for _, id := range dependents[here] {
			next = longer(next, byID[id])
		}
	}
	return chain
}

// longer picks the build with the longer chain; the first one when equal.
func longer(best *buildbtw.Build, b buildbtw.Build) *buildbtw.Build {
	if best == nil || b.Priority > best.Priority {
		return &b
	}
	return best
}
