package buildgraph

import (
	"cmp"
	"context"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"buildbtw/internal/guard"

	"buildbtw"
	"buildbtw/buildgraph/internal/link"
)

// Request asks for the builds that changesets make necessary.
type Request struct {
	// Changesets are sources at their own ref, as they are to be built. Those
	// at a commit that the index does not have are laid over it.
	Changesets []Source
	Settings   buildbtw.Settings
	// Architectures are those that the server offers. The settings can only
	// narrow them down.
	Architectures []string
	// Durations are the seconds that a build takes, by pkgbase; may be nil.
	Durations map[string]float64
}

// Plan computes the builds that a request makes necessary. A wrong request is a
// buildbtw.Invalid error; a problem of other sources is a warning of the plan. The plan shares memory with the index: it must not be written to.
func (ix *Index) Plan(ctx context.Context, r Request) (*Plan, error) {
	p, err := newPlanner(ix, r)
	if err != nil {
		return nil, err
	}
	for _, arch := range p.archs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := p.addArchitecture(arch); err != nil {
			return nil, err
		}
	}
	for _, scope := range []buildbtw.Scope{buildbtw.ScopeNone, buildbtw.ScopeDirect, buildbtw.ScopeAll} {
		p.plan.Scopes[string(scope)] = p.countBuilds(scope)
	}
	p.warn()
	return p.plan, nil
}

// Planned is the result of a request.
type Planned struct {
	Plan *Plan
	Err  error
}

// Plans computes the plans of many requests, on all processors. Plans of
// the same set share their work. The results are in the order of the requests,
// each as Plan returns it.
func (ix *Index) Plans(ctx context.Context, requests []Request) []Planned {
	out := make([]Planned, len(requests))
	var next atomic.Int64
	var group guard.Group
	// Twice as many as processors: some wait for a set that another works on.
	for range min(2*runtime.GOMAXPROCS(0), len(requests)) {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(out); i = int(next.Add(1)) - 1 {
				out[i].Err = guard.Run(func() (err error) { // a panic is that of one plan
					out[i].Plan, err = ix.Plan(ctx, requests[i])
					return err
				})
			}
		})
	}
	group.Wait()
	return out
}

// planner puts a plan together, architecture by architecture.
type planner struct {
	ix        *Index
	request   Request
	archs     []string
	plan      *Plan
	durations durations
	closures  []archClosure
	warnings  []Warning      // about the sets
	unknown   map[string]int // excluded and added names: on how many architectures they are
}

type archClosure struct {
	*closure
	graph *archGraph
}

func newPlanner(ix *Index, r Request) (*planner, error) {
	archs := slices.Clone(r.Architectures)
	if len(r.Settings.Architectures) > 0 {
		archs = slices.DeleteFunc(archs, func(a string) bool { return !slices.Contains(r.Settings.Architectures, a) })
	}
	slices.Sort(archs)
	archs = slices.Compact(archs)
	view, err := ix.withChangesets(r.Changesets, archs)
	if err != nil {
		return nil, err
	}
	plan := &Plan{
		Changesets:    []PlannedChangeset{},
		Scope:         cmp.Or(r.Settings.Scope, buildbtw.ScopeAuto),
		Scopes:        map[string]int{},
		Architectures: map[string]*ArchPlan{},
		Warnings:      []Warning{},
	}
	for _, c := range r.Changesets {
		plan.Changesets = append(plan.Changesets, PlannedChangeset{Source: c.Slug, Ref: c.Ref, Commit: c.Commit})
	}
	slices.SortFunc(plan.Changesets, func(a, b PlannedChangeset) int { return strings.Compare(a.Source, b.Source) })
	return &planner{ix: view, request: r, archs: archs, plan: plan, durations: newDurations(r.Durations), unknown: map[string]int{}}, nil
}

func (p *planner) addArchitecture(arch string) error {
	g := p.ix.graph(arch)
	if g == nil {
		return nil
	}
	w, err := p.wanted(g)
	if err != nil || len(w.changesets)+len(w.add) == 0 {
		return err
	}
	c := reach(g.Graph, w)
	set := c.set(w.scope)
	var reasons []buildbtw.Reason
	var warnings []Warning
	var group guard.Group
	group.Go(func() { reasons, warnings = c.reasons(g.Graph, set), p.ix.setWarnings(g, arch, set) })
	shared := g.plans.get(g.plans.key(set, p.request.Settings.Cycles, p.request.Durations), func() *setPlan {
		return newSetPlan(g.Graph, set, p.request.Settings.Cycles, &p.durations)
	})
	p.closures = append(p.closures, archClosure{c, g})
	group.Wait()
	p.plan.Architectures[arch] = shared.archPlan(p.ix, g, reasons)
	p.warnings = slices.Concat(p.warnings, warnings, shared.contradictions)
	return nil
}

// wanted translates the request into nodes of an architecture.
func (p *planner) wanted(g *archGraph) (wanted, error) {
	w := wanted{trigger: buildbtw.TriggerKinds(p.request.Settings.Makedepends), scope: p.plan.Scope}
	for _, c := range p.request.Changesets {
		if v, ok := g.Find(p.ix.pkgbaseOf(c.Slug)); ok {
			w.changesets = append(w.changesets, v)
		}
	}
	w.exclude = p.named(g, p.request.Settings.Exclude)
	w.add = p.named(g, p.request.Settings.Add)
	slices.Sort(w.changesets)
	w.changesets = slices.Compact(w.changesets)
	for _, v := range w.exclude {
		if slices.Contains(w.changesets, v) {
			return w, buildbtw.Invalid("%s is a changeset and excluded; take it out of one of the two", g.Name(v))
		}
		if slices.Contains(w.add, v) {
			return w, buildbtw.Invalid("%s is both added and excluded; take it out of one of the two", g.Name(v))
		}
	}
	return w, nil
}

// named finds the nodes that people named, by pkgbase or else by pkgname,
// ascending. Names that no architecture has become warnings.
func (p *planner) named(g *archGraph, names []string) []int32 {
	var out []int32
	for _, name := range names {
		v, ok := g.Find(name)
		if !ok {
			at := slices.IndexFunc(g.Nodes, func(n *link.Node) bool { return slices.Contains(n.Pkgnames, name) })
			v, ok = int32(at), at >= 0
		}
		if !ok {
			p.unknown[name] += 0
			continue
		}
		p.unknown[name]++
		out = append(out, v)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// countBuilds is how many packages a scope would build. One that is for any
// architecture is built once.
func (p *planner) countBuilds(scope buildbtw.Scope) int {
	if len(p.closures) == 1 {
		return p.closures[0].count(scope)
	}
	n := 0
	once := map[string]bool{}
	for _, c := range p.closures {
		for _, v := range c.set(scope) {
			if c.graph.Nodes[v].Any {
				once[c.graph.Name(v)] = true
			} else {
				n++
			}
		}
	}
	return n + len(once)
}

// durations are the seconds that builds take, by pkgbase; unknown ones take the
// median of the known.
type durations struct {
	known  map[string]float64
	median func() float64 // sorts all: only called when needed
}

// defaultSeconds is how long a build is thought to take while no duration of
// any package is known.
const defaultSeconds = 60

func newDurations(known map[string]float64) durations {
	d := durations{known: known}
	d.median = sync.OnceValue(func() float64 {
		usable := make([]float64, 0, len(known))
		for _, s := range known {
			if usableSeconds(s) {
				usable = append(usable, s)
			}
		}
		if len(usable) == 0 {
			return defaultSeconds
		}
		slices.Sort(usable)
		return usable[len(usable)/2]
	})
	return d
}

// usableSeconds reports whether s is a duration: not negative, infinite or NaN.
func usableSeconds(s float64) bool { return s >= 0 && !math.IsInf(s, 1) }

func (d *durations) of(pkgbase string) float64 {
	if len(d.known) == 0 {
		return defaultSeconds
	}
	if s, ok := d.known[pkgbase]; ok && usableSeconds(s) {
		return s
	}
	return d.median()
}
