package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"buildbtw"
	"buildbtw/buildgraph"
)

// Plan makes a plan for x86_64 from lines like "app: lib tool", which says that
// app waits for lib and tool. What is waited for must stand in an earlier line.
// "-name" among what it waits for says that package "name" of it belongs to the
// pkgbase "name". "@2" after a name is its second stage, "*" says that it is for any
// architecture.
func Plan(lines ...string) *buildgraph.Plan { return PlanFor([]string{"x86_64"}, lines...) }

// PlanFor is Plan for several architectures with the same graph.
func PlanFor(archs []string, lines ...string) *buildgraph.Plan {
	p := &buildgraph.Plan{
		Changesets:    []buildgraph.PlannedChangeset{{Source: "lib", Ref: "main", Commit: strings.Repeat("a", 40)}},
		Architectures: map[string]*buildgraph.ArchPlan{},
	}
	for _, arch := range archs {
		p.Architectures[arch] = archPlan(lines)
	}
	return p
}

func archPlan(lines []string) *buildgraph.ArchPlan {
	p := &buildgraph.ArchPlan{}
	levels := map[string]int{}
	for i, line := range lines {
		name, deps, _ := strings.Cut(line, ":")
		b := planBuild(name)
		b.Priority = float64(len(lines) - i)
		for _, dep := range strings.Fields(deps) {
			if owned, other := strings.CutPrefix(dep, "-"); other {
				b.Pkgnames = append(b.Pkgnames, owned)
				b.NotOwned = buildbtw.Owners{owned: owned}
				continue
			}
			if _, known := levels[dep]; !known {
				panic(fmt.Sprintf("storetest: %s waits for %s, which is not planned before", b.Key(), dep))
			}
			b.Level = max(b.Level, levels[dep]+1)
			p.Edges = append(p.Edges, Edge(dep, b.Key(), "depends"))
			b.Reason = buildbtw.Reason{Kind: buildbtw.ReasonDepends, Via: strings.TrimSuffix(dep, "@2"), Name: dep}
		}
		levels[b.Key()] = b.Level
		p.Builds = append(p.Builds, b)
	}
	return p
}

func planBuild(name string) buildgraph.Build {
	name, isAny := strings.CutSuffix(name, "*")
	pkgbase, second := strings.CutSuffix(name, "@2")
	b := buildgraph.Build{
		Pkgbase: pkgbase, Source: pkgbase, Commit: strings.Repeat("a", 40), Version: "1.0-1",
		Pkgnames: []string{pkgbase}, Any: isAny, Stage: 1, Reason: buildbtw.Reason{Kind: buildbtw.ReasonChangeset},
	}
	if second {
		b.Stage = 2
	}
	return b
}

// Synthetic makes a plan of n builds with about the given number of edges, as
// uneven as a distribution's: a few builds have very many dependents.
func Synthetic(n, edges int, seed uint64) *buildgraph.Plan {
	r := rand.New(rand.NewPCG(seed, seed))
	p := PlanFor([]string{"x86_64"})
	a := p.Architectures["x86_64"]
	for i := range n {
		b := planBuild(fmt.Sprintf("pkg%05d", i))
		b.Priority = float64(r.IntN(100000)) / 10
		a.Builds = append(a.Builds, b)
	}
	for i := 1; i < n; i++ {
		for _, dep := range someDependencies(r, i, edges/n) {
			a.Edges = append(a.Edges, Edge(a.Builds[dep].Pkgbase, a.Builds[i].Pkgbase, "depends", "makedepends"))
			a.Builds[i].Level = max(a.Builds[i].Level, a.Builds[dep].Level+1)
		}
	}
	slices.SortStableFunc(a.Edges, func(x, y buildgraph.Edge) int { return strings.Compare(x.From, y.From) })
	return p
}

// someDependencies chooses up to twice the mean number among the builds before
// i, the earlier the likelier.
func someDependencies(r *rand.Rand, i, mean int) []int {
	if mean == 0 {
		return nil
	}
	chosen := map[int]bool{}
	for range r.IntN(2*mean + 2) {
		f := r.Float64()
		chosen[int(f*f*f*float64(i))] = true
	}
	deps := make([]int, 0, len(chosen))
	for dep := range chosen {
		deps = append(deps, dep)
	}
	slices.Sort(deps)
	return deps
}

// Fan makes a plan in which n builds wait for the one called "lib" and for
// nothing else.
func Fan(n int) *buildgraph.Plan {
	lines := make([]string, 0, n+1)
	lines = append(lines, "lib")
	for i := range n {
		lines = append(lines, fmt.Sprintf("app%05d: lib", i))
	}
	return Plan(lines...)
}

// Edge makes an edge of a plan.
func Edge(from, to string, kinds ...string) buildgraph.Edge {
	return buildgraph.Edge{From: from, To: to, EdgeInfo: &buildgraph.EdgeInfo{Kinds: kinds}}
}
