package store

import (
	"slices"

	"buildbtw"
)

// triggers are the kinds of dependencies that bring dependents into a set.
func triggers(s buildbtw.Settings) buildbtw.EdgeKinds {
	if s.Makedepends {
		return buildbtw.EdgeDepends | buildbtw.EdgeMakedepends
	}
	return buildbtw.EdgeDepends
}

// markSkippable notes which builds the cut-off may apply to: all but the
// changesets, what depends on them directly, and what was added by hand
// (domain.md, "Iterations").
func (g *laidOut) markSkippable(s buildbtw.Settings) {
	kinds := triggers(s)
	for i := range g.builds {
		b := &g.builds[i]
		b.MaySkip = b.Reason.Kind != buildbtw.ReasonChangeset && !slices.Contains(s.Add, b.Pkgbase)
	}
	direct := func(from, to int64, k buildbtw.EdgeKinds) {
		if k&kinds != 0 && g.builds[from-g.first].Reason.Kind == buildbtw.ReasonChangeset {
			g.builds[to-g.first].MaySkip = false
		}
	}
	for _, e := range g.edges {
		if len(e.Through) == 0 {
			direct(e.From, e.To, e.Kinds)
		}
	}
	for _, c := range g.cuts {
		direct(c.From, c.To, c.Kinds)
	}
}
