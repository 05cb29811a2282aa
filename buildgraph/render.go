package buildgraph

import (
	"cmp"
	"fmt"
	"slices"

	"buildbtw/internal/guard"

	"buildbtw"
	"buildbtw/buildgraph/internal/feedback"
	"buildbtw/buildgraph/internal/link"
	"buildbtw/buildgraph/internal/order"
	"buildbtw/pacman/alpm"
)

// setPlan is the part of an architecture's plan that follows from its set and the
// graph's links alone, whatever brought the packages in. Core libraries that need
// each other have the same set: their plans share one.
type setPlan struct {
	set    []int32 // graph nodes, ascending
	builds []setBuild
	edges  []Edge
	cuts   []Cut
	chain  []string

	contradictions []Warning // see order.Outside
}

// setBuild is a build without the parts that come from its source and its reason.
type setBuild struct {
	order.Job
	level    int
	priority float64
}

// archPlan fills in the commits and versions of an index, and why each of the set
// is in it.
func (s *setPlan) archPlan(ix *Index, g *archGraph, reasons []buildbtw.Reason) *ArchPlan {
	p := &ArchPlan{Builds: make([]Build, len(s.builds)), Edges: s.edges, Cuts: s.cuts, Chain: s.chain}
	for i, b := range s.builds {
		v := s.set[b.Node]
		n, source := g.Nodes[v], ix.source(g, v)
		p.Builds[i] = Build{
			Pkgbase: n.Info.Pkgbase, Stage: b.Stage, NoCheck: b.NoCheck, Level: b.level, Priority: b.priority,
			Source: source.Slug, Commit: source.Commit, Version: n.Version, Pkgnames: n.Pkgnames, Any: n.Any,
			Reason: reasons[b.Node], NotOwned: ix.notOwned(g, v),
		}
	}
	return p
}

// notOwned names the packages of a node that belong to other nodes.
func (ix *Index) notOwned(g *archGraph, v int32) buildbtw.Owners {
	lost, debug := g.LostBy(v), alpm.DebugName(g.Name(v)) // the latter is in no .SRCINFO of the node
	if len(lost) == 0 && !g.HasDebug(debug) {
		return nil
	}
	owners := buildbtw.Owners{}
	for _, d := range lost {
		owners[d.Pkgname] = g.Name(d.Winner)
	}
	if o, found := g.Owner(ix.symbols, debug); found && o != v {
		owners[debug] = g.Name(o)
	}
	if len(owners) == 0 {
		return nil
	}
	return owners
}

// renderer turns the set of an architecture into names.
type renderer struct {
	*order.Set
	outside *order.Outside
	jobs    *order.Jobs
	names   []string // by place in the set: pkgbases
	kinds   [8]*EdgeInfo
}

// newSetPlan chooses the cuts, orders the set and renders both.
func newSetPlan(g *link.Graph, nodes []int32, cycles buildbtw.Cycles, d *durations) *setPlan {
	r := &renderer{Set: order.NewSet(g, nodes), names: make([]string, len(nodes))}
	seconds := make([]float64, len(nodes))
	for l, v := range nodes {
		r.names[l] = g.Name(v)
		seconds[l] = d.of(r.names[l])
	}
	for k := range r.kinds {
		r.kinds[k] = &EdgeInfo{Kinds: slices.Clip(buildbtw.EdgeKinds(k).Names())}
	}
	r.order(cycles, seconds, len(d.known) > 0)

	s := &setPlan{set: nodes}
	if o := r.outside; o.Contradictions > 0 {
		s.contradictions = []Warning{{
			Kind: WarnOrder,
			Message: fmt.Sprintf("%s: %d orders over packages that are not rebuilt lie on cycles and are not kept, for example %s before %s",
				g.Arch, o.Contradictions, r.names[o.FirstBefore], r.names[o.FirstAfter]),
		}}
	}
	var group guard.Group
	group.Go(func() { s.edges = r.edges() })
	s.builds, s.chain = r.builds(seconds)
	s.cuts = r.cuts()
	group.Wait()
	return s
}

// order cuts cycles and puts the packages into build order.
func (r *renderer) order(cycles buildbtw.Cycles, seconds []float64, known bool) {
	if !known {
		seconds = nil
	}
	var group guard.Group
	group.Go(func() { r.outside = order.NewOutside(r.Set) })
	cut := feedback.Cut(weighted(r.Set, seconds))
	group.Wait()
	r.Leave(cut)
	r.outside.Find()
	if cycles == buildbtw.CyclesTwice {
		r.jobs = order.Twice(r.Set, r.outside)
	} else {
		r.jobs = order.Once(r.Set, r.outside)
	}
}

// weighted is a set as its cycles are cut.
func weighted(s *order.Set, seconds []float64) *feedback.Graph {
	weight := make([]int32, len(s.Direct.Kinds))
	for i, kinds := range s.Direct.Kinds {
		weight[i] = weightOf(kinds)
	}
	for _, e := range s.Graph.ByFiles {
		if from, to := s.Local[e.From], s.Local[e.To]; from >= 0 && to >= 0 {
			weight[s.Direct.Find(from, to)]++
		}
	}
	return &feedback.Graph{Deps: &s.Direct.CSR, Weight: weight, Components: s.Components, Seconds: seconds}
}

// strongest is the kind that decides the weight of an edge.
func strongest(k buildbtw.EdgeKinds) buildbtw.EdgeKinds { return k & -k }

// weightOf is the cost of cutting an edge: a build with the base's package
// instead of the new one hurts most when it is linked against, least when only
// the tests need it. A package that has modules of an interpreter is worth a little
// more: with the base's it is put where the new one does not look, while the
// interpreter does with the base's libraries.
func weightOf(kinds buildbtw.EdgeKinds) int32 {
	switch strongest(kinds) {
	case buildbtw.EdgeDepends:
		return 64
	case buildbtw.EdgeMakedepends:
		return 8
	default:
		return 1
	}
}

func (r *renderer) key(job int32) string {
	j := r.jobs.List[job]
	return key(r.names[j.Node], j.Stage)
}

// builds lists the builds by level, then pkgbase, then stage, and the longest
// chain. Given are the seconds by place in the set.
func (r *renderer) builds(seconds []float64) (builds []setBuild, chain []string) {
	list := r.jobs.List
	times, jobs := make([]float64, len(list)), make([]int32, len(list))
	for i, j := range list {
		times[i], jobs[i] = seconds[j.Node], int32(i)
	}
	total, next := r.jobs.Remaining(times)
	for _, job := range order.LongestChain(total, next) {
		chain = append(chain, r.key(job))
	}
	slices.SortFunc(jobs, func(a, b int32) int {
		return cmp.Or(cmp.Compare(r.jobs.Level[a], r.jobs.Level[b]), cmp.Compare(list[a].Node, list[b].Node), cmp.Compare(list[a].Stage, list[b].Stage))
	})
	builds = make([]setBuild, len(list))
	for i, job := range jobs {
		builds[i] = setBuild{list[job], int(r.jobs.Level[job]), total[job]}
	}
	return builds, chain
}

// edges lists the edges by from, then to.
func (r *renderer) edges() []Edge {
	deps, next := &r.jobs.Deps, slices.Clone(r.jobs.Users.Off)
	out := make([]Edge, len(deps.To))
	keys := make([]string, len(r.jobs.List))
	for job := range keys {
		keys[job] = r.key(int32(job))
	}
	ways := make([]wayInfo, len(r.outside.Ways))
	for v := range deps.Nodes() {
		for i := deps.Off[v]; i < deps.Off[v+1]; i++ {
			u := deps.To[i]
			e := &out[next[u]]
			next[u]++
			e.From, e.To, e.EdgeInfo = keys[u], keys[v], r.info(ways, i)
		}
	}
	if len(r.jobs.List) > len(r.Nodes) { // with two stages, jobs are not in the order of their names
		slices.SortFunc(out, func(a, b Edge) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	}
	return out
}

// wayInfo is shared by the edges over one way outside the set, by their kinds.
type wayInfo struct {
	names []string
	infos [8]*EdgeInfo
}

// info returns the kinds of an edge between jobs, and the packages outside the
// set that it goes over.
func (r *renderer) info(ways []wayInfo, edge int32) *EdgeInfo {
	kinds, via := r.jobs.Deps.Kinds[edge], r.jobs.Via[edge]
	if via < 0 {
		return r.kinds[kinds]
	}
	at := r.outside.Edges[via].Way
	way := &ways[at]
	if way.names == nil {
		for _, v := range r.outside.Ways[at] {
			way.names = append(way.names, r.Graph.Name(v))
		}
	}
	if way.infos[kinds] == nil {
		way.infos[kinds] = &EdgeInfo{Kinds: r.kinds[kinds].Kinds, Through: way.names}
	}
	return way.infos[kinds]
}
