package buildgraph

import "buildbtw/buildgraph/internal/feedback"

// CutAll chooses the cuts of a whole architecture, and does nothing else.
func (ix *Index) CutAll(arch string, durations map[string]float64) {
	g := ix.graph(arch)
	var seconds []float64
	if d := newDurations(durations); durations != nil {
		for v := range g.Nodes {
			seconds = append(seconds, d.of(g.Name(int32(v))))
		}
	}
	feedback.Cut(weighted(&g.Deps, g.Components(), seconds))
}

// Forget makes the next plans compute everything again.
func (ix *Index) Forget(arch string) { ix.graph(arch).plans = newPlanCache() }
