package store

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/internal/graph"
)

// PlanRows are the rows that a plan comes to. They are laid out once: FindReuse
// does it, and CreateIteration writes them.
type PlanRows struct {
	first  int64 // id of builds[0]; the others follow one another
	builds []buildbtw.Build
	edges  []buildbtw.Edge
	cuts   []buildbtw.Cut

	sources map[string]string // by the commits of bumps: of which they were made

	warnings []buildgraph.Warning // besides those of the plan
}

// layOut gives every build of a plan an id, counting from 1 until renumber: by
// architecture, in the plan's order. A build that is for any architecture does
// its work in the first architecture that has it and publishes the same of it; the
// others are its twins and wait for it as for a dependency.
func layOut(plan *buildgraph.Plan, base PlanBase) (*PlanRows, error) {
	g := &PlanRows{first: 1, sources: map[string]string{}}
	leaders := map[string]int64{}
	for _, arch := range slices.Sorted(maps.Keys(plan.Architectures)) {
		ids := map[string]int64{}
		for _, b := range plan.Architectures[arch].Builds {
			row := planned(b, arch)
			row.ID = g.first + int64(len(g.builds))
			if b.SourceCommit != "" {
				g.sources[b.Commit] = b.SourceCommit
			}
			row.BaseInputs, row.BasePackage = base[arch][b.Key()].Inputs, base[arch][b.Key()].Package
			same := b.Key() + " " + b.NotOwned.String()
			if leader := leaders[same]; b.Any && leader != 0 {
				row.TwinOf, row.Waiting = leader, 1
			} else if b.Any {
				leaders[same] = row.ID
			}
			if ids[b.Key()] != 0 {
				return nil, fmt.Errorf("plan has %s for %s twice", b.Key(), arch)
			}
			ids[b.Key()] = row.ID
			g.builds = append(g.builds, row)
		}
		if err := g.connect(plan.Architectures[arch], ids); err != nil {
			return nil, fmt.Errorf("plan for %s: %w", arch, err)
		}
	}
	return g, nil
}

func planned(b buildgraph.Build, arch string) buildbtw.Build {
	return buildbtw.Build{
		Architecture: arch, Pkgbase: b.Pkgbase, Source: b.Source, Commit: b.Commit,
		Version: b.Version, Stage: b.Stage, NoCheck: b.NoCheck, Level: b.Level, Pkgnames: b.Pkgnames,
		NotOwned: b.NotOwned, Reason: b.Reason, Priority: b.Priority, Status: buildbtw.StatusBlocked,
	}
}

// connect adds an architecture's edges and cuts and counts what each build
// waits for; cuts do not count.
func (g *PlanRows) connect(p *buildgraph.ArchPlan, ids map[string]int64) error {
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

// renumber gives the rows their iteration and their final ids.
func (g *PlanRows) renumber(iteration, first int64) {
	by := first - g.first
	g.first = first
	for i := range g.builds {
		b := &g.builds[i]
		b.IterationID, b.ID = iteration, b.ID+by
		if b.TwinOf != 0 {
			b.TwinOf += by
		}
	}
	for i := range g.edges {
		g.edges[i].From, g.edges[i].To = g.edges[i].From+by, g.edges[i].To+by
	}
	for i := range g.cuts {
		g.cuts[i].From, g.cuts[i].To = g.cuts[i].From+by, g.cuts[i].To+by
	}
}

// digest is the same for plans exactly when their edges and cuts join the same places.
func (g *PlanRows) digest() string {
	hash := sha256.New()
	for _, e := range g.edges {
		fmt.Fprintln(hash, "edge", e.From-g.first, e.To-g.first, e.Kinds, e.Through)
	}
	for _, c := range g.cuts {
		fmt.Fprintln(hash, "cut", c.From-g.first, c.To-g.first, c.Kinds, c.Cycle)
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// Reused is the number of builds that need not be built.
func (g *PlanRows) Reused() int {
	n := 0
	if g != nil {
		for _, b := range g.builds {
			if b.ReusedFrom != 0 {
				n++
			}
		}
	}
	return n
}

// reuseResults goes through a plan in rounds. A round gives the builds that wait
// for nothing their input keys and asks which of them have a result; those are
// built, and what waits for nothing then makes the next round. Afterwards
// Waiting counts what is left to wait for.
func (g *PlanRows) reuseResults(lookup func(keys []string) (map[string]Result, error)) error {
	out, in := g.order(), g.edgesInto()
	var round []int32
	for i := range g.builds {
		if g.builds[i].Waiting == 0 {
			round = append(round, int32(i))
		}
	}
	for len(round) > 0 {
		found, err := lookup(g.setInputKeys(round, in))
		if err != nil {
			return err
		}
		var free []int32
		for _, i := range round {
			if !g.reuseResult(i, found) {
				continue
			}
			for _, to := range out.Row(i) {
				if g.builds[to].Waiting--; g.builds[to].Waiting == 0 {
					free = append(free, to)
				}
			}
		}
		round = free
	}
	return nil
}

// order is what waits for each build, as places in g.builds. A twin waits for
// the build that does its work.
func (g *PlanRows) order() graph.CSR {
	from, to := make([]int32, 0, len(g.edges)), make([]int32, 0, len(g.edges))
	for _, e := range g.edges {
		from, to = append(from, int32(e.From-g.first)), append(to, int32(e.To-g.first))
	}
	for i, b := range g.builds {
		if b.TwinOf != 0 {
			from, to = append(from, int32(b.TwinOf-g.first)), append(to, int32(i))
		}
	}
	return graph.New(len(g.builds), from, to)
}

// edgesInto returns the edges that lead to each build, as places in g.edges, by the
// build's place in g.builds.
func (g *PlanRows) edgesInto() [][]int32 {
	in := make([][]int32, len(g.builds))
	for i, e := range g.edges {
		in[e.To-g.first] = append(in[e.To-g.first], int32(i))
	}
	return in
}

// setInputKeys sets the input keys of builds whose dependencies are all built,
// and lists them.
func (g *PlanRows) setInputKeys(round []int32, in [][]int32) []string {
	keys := make([]string, 0, len(round))
	for _, i := range round {
		b := &g.builds[i]
		deps := make([]input, 0, len(in[i]))
		for _, place := range in[i] {
			e := g.edges[place]
			d := &g.builds[e.From-g.first]
			deps = append(deps, input{
				pkgbase: d.Pkgbase, stage: d.Stage, output: d.OutputDigest, runtime: d.RuntimeInputs, installed: e.Kinds&buildbtw.EdgeDepends != 0,
			})
		}
		slices.SortFunc(deps, func(x, y input) int {
			return cmp.Or(cmp.Compare(x.pkgbase, y.pkgbase), cmp.Compare(x.stage, y.stage))
		})
		b.RuntimeInputs = runtimeInputs(deps)
		if b.TwinOf != 0 {
			continue
		}
		if b.InputKey = inputKey(b, deps); b.InputKey != "" {
			keys = append(keys, b.InputKey)
		}
	}
	return keys
}

// reuseResult makes a build that has a result built, and reports whether it has.
// A twin gets here when the build that does its work is built.
func (g *PlanRows) reuseResult(i int32, found map[string]Result) bool {
	b := &g.builds[i]
	if b.TwinOf != 0 {
		b.OutputDigest = g.builds[b.TwinOf-g.first].OutputDigest
	} else if r, ok := found[b.InputKey]; ok {
		b.OutputDigest, b.ReusedFrom = r.OutputDigest, r.BuildID
	} else {
		return false
	}
	b.Status = buildbtw.StatusBuilt
	return true
}

// links lists what has to be in the iteration's repositories for its reused
// builds. Packages of a first stage do not stay beside those of the second.
func (g *PlanRows) links(results map[string]Result) []Link {
	type place struct{ architecture, pkgbase string }
	second := map[place]bool{}
	twins := map[int64][]string{}
	for _, b := range g.builds {
		if b.Stage == 2 && b.ReusedFrom != 0 {
			second[place{b.Architecture, b.Pkgbase}] = true
		}
		if b.TwinOf != 0 {
			twins[b.TwinOf] = append(twins[b.TwinOf], b.Architecture)
		}
	}
	var links []Link
	for _, b := range g.builds {
		if b.ReusedFrom == 0 || b.Stage == 1 && second[place{b.Architecture, b.Pkgbase}] {
			continue
		}
		links = append(links, Link{From: results[b.InputKey], Architectures: append([]string{b.Architecture}, twins[b.ID]...)})
	}
	return links
}

// begin gives the builds the statuses that they have in a new iteration.
func (g *PlanRows) begin(now time.Time) {
	for i := range g.builds {
		b := &g.builds[i]
		b.ChangedAt = now
		switch {
		case b.Status == buildbtw.StatusBuilt:
			b.FinishedAt = &now
		case b.Waiting == 0:
			b.Status = buildbtw.StatusPending
		}
	}
}

// markSkippable notes which builds the cut-off may apply to: all but the
// changesets, what depends on them directly, and what was added by hand
// (docs/domain.md, "Iterations"). Of packages that only have files in a changeset's
// directory it is known what they notice of it: that the directory moves.
func (g *PlanRows) markSkippable(s buildbtw.Settings) {
	kinds := buildbtw.TriggerKinds(s.Makedepends)
	for i := range g.builds {
		b := &g.builds[i]
		b.MaySkip = b.Reason.Kind != buildbtw.ReasonChangeset && !slices.Contains(s.Add, b.Pkgbase)
	}
	direct := func(from, to int64, k buildbtw.EdgeKinds) {
		of, b := &g.builds[from-g.first], &g.builds[to-g.first]
		byFiles := b.Reason.Kind == buildbtw.ReasonFiles && b.Reason.Via == of.Pkgbase
		if k&kinds != 0 && of.Reason.Kind == buildbtw.ReasonChangeset && !byFiles {
			b.MaySkip = false
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

// PlanDigest is the same for two plans exactly when they build the same commits
// in the same order. Durations, and what follows from them, are not part of it, nor
// are the versions of rebuilds.
func PlanDigest(p *buildgraph.Plan) string {
	hash := sha256.New()
	for _, arch := range slices.Sorted(maps.Keys(p.Architectures)) {
		a := p.Architectures[arch]
		fmt.Fprintf(hash, "architecture %s\n", arch)
		for _, line := range buildLines(a) {
			fmt.Fprintln(hash, line)
		}
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// buildLines says each build, edge and cut in one line, sorted: the plan's own
// order may follow from durations.
func buildLines(a *buildgraph.ArchPlan) []string {
	lines := make([]string, 0, len(a.Builds)+len(a.Edges)+len(a.Cuts))
	for _, b := range a.Builds {
		commit, version := b.Unbumped()
		lines = append(lines, fmt.Sprintf("build %s %s %s %t %t", b.Key(), commit, version, b.NoCheck, b.Any))
	}
	for _, e := range a.Edges {
		lines = append(lines, "edge "+e.From+" "+e.To+" "+strings.Join(e.Kinds, ","))
	}
	for _, c := range a.Cuts {
		lines = append(lines, "cut "+c.From+" "+c.To+" "+strings.Join(c.Kinds, ","))
	}
	slices.Sort(lines)
	return lines
}
