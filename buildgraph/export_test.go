package buildgraph

import (
	"buildbtw/buildgraph/internal/feedback"
	"buildbtw/buildgraph/internal/order"
)

// CutAll chooses the cuts of a whole architecture, and does nothing else.
func (ix *Index) CutAll(arch string, durations map[string]float64) {
	g := ix.graph(arch)
	var seconds []float64
	nodes := make([]int32, len(g.Nodes))
	for v := range nodes {
		nodes[v] = int32(v)
	}
	if d := newDurations(durations); durations != nil {
		for v := range g.Nodes {
			seconds = append(seconds, d.of(g.Name(int32(v))))
		}
	}
	feedback.Cut(weighted(order.NewSet(g.Graph, nodes), seconds))
}

// Forget makes the next plans compute everything again.
func (ix *Index) Forget(arch string) { ix.graph(arch).plans = newPlanCache() }
