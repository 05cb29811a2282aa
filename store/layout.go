package store

import (
	"fmt"
	"maps"
	"slices"

	"buildbtw"
	"buildbtw/buildgraph"
)

// laidOut is a plan as rows.
type laidOut struct {
	first  int64 // id of builds[0]; the others follow one another
	builds []buildbtw.Build
	edges  []buildbtw.Edge
	cuts   []buildbtw.Cut
}

// layOut gives every build of a plan an id, counting from first: by
// architecture, in the plan's order. A build that is for any architecture does
// its work in the first architecture that has it; the others are its twins and
// wait for it as for a dependency.
func layOut(plan *buildgraph.Plan, iteration, first int64) (laidOut, error) {
	g := laidOut{first: first}
	leaders := map[string]int64{}
	for _, arch := range slices.Sorted(maps.Keys(plan.Architectures)) {
		ids := map[string]int64{}
		for _, b := range plan.Architectures[arch].Builds {
			row := planned(b, iteration, arch)
			row.ID = first + int64(len(g.builds))
			if leader := leaders[b.Key()]; b.Any && leader != 0 {
				row.TwinOf, row.Waiting = leader, 1
			} else if b.Any {
				leaders[b.Key()] = row.ID
			}
			if ids[b.Key()] != 0 {
				return g, fmt.Errorf("plan has %s for %s twice", b.Key(), arch)
			}
			ids[b.Key()] = row.ID
			g.builds = append(g.builds, row)
		}
		if err := g.connect(plan.Architectures[arch], ids); err != nil {
			return g, fmt.Errorf("plan for %s: %w", arch, err)
		}
	}
	return g, nil
}

func planned(b buildgraph.Build, iteration int64, arch string) buildbtw.Build {
	return buildbtw.Build{
		IterationID: iteration, Architecture: arch, Pkgbase: b.Pkgbase, Source: b.Source, Commit: b.Commit,
		Version: b.Version, Stage: b.Stage, NoCheck: b.NoCheck, Level: b.Level, Pkgnames: b.Pkgnames,
		Reason: b.Reason, Priority: b.Priority, Status: buildbtw.StatusBlocked,
	}
}

// connect adds an architecture's edges and cuts and counts what each build
// waits for; cuts do not count.
func (g *laidOut) connect(p *buildgraph.ArchPlan, ids map[string]int64) error {
	for _, e := range p.Edges {
		from, to := ids[e.From], ids[e.To]
		if from == 0 || to == 0 {
			return fmt.Errorf("edge %s to %s has an end that is no build", e.From, e.To)
		}
		kinds, err := edgeKinds(e.Kinds)
		if err != nil {
			return err
		}
		g.edges = append(g.edges, buildbtw.Edge{From: from, To: to, Kinds: kinds, Through: e.Through})
		g.builds[to-g.first].Waiting++
	}
	for _, c := range p.Cuts {
		from, to := ids[c.From], ids[c.To]
		if from == 0 || to == 0 {
			return fmt.Errorf("cut %s to %s has an end that is no build", c.From, c.To)
		}
		kinds, err := edgeKinds(c.Kinds)
		if err != nil {
			return err
		}
		g.cuts = append(g.cuts, buildbtw.Cut{From: from, To: to, Kinds: kinds, Cycle: c.Cycle})
	}
	return nil
}

// edgeKinds is the reverse of EdgeKinds.Names.
func edgeKinds(names []string) (buildbtw.EdgeKinds, error) {
	var kinds buildbtw.EdgeKinds
	for _, name := range names {
		switch name {
		case "depends":
			kinds |= buildbtw.EdgeDepends
		case "makedepends":
			kinds |= buildbtw.EdgeMakedepends
		case "checkdepends":
			kinds |= buildbtw.EdgeCheckdepends
		default:
			return 0, fmt.Errorf("unknown kind of dependency %q", name)
		}
	}
	if kinds == 0 {
		return 0, fmt.Errorf("an edge has no kind")
	}
	return kinds, nil
}
