package buildgraph

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"buildbtw"
)

// Request asks what must be built because of changesets.
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

// Plan computes what a request makes necessary. What is wrong with the request
// is a buildbtw.Invalid error; what is wrong with other sources is a warning of
// the plan. The plan shares memory with the index: it must not be written to.
func (ix *Index) Plan(ctx context.Context, r Request) (*Plan, error) {
	view, err := ix.lay(r.Changesets)
	if err != nil {
		return nil, err
	}
	archs := r.architectures()
	p := &planner{ix: view, request: r, plan: newPlan(r), estimate: newEstimate(r.Durations)}
	for _, arch := range archs {
		if err := p.addArchitecture(ctx, arch); err != nil {
			return nil, err
		}
	}
	p.finish(archs)
	return p.plan, nil
}

// architectures lists what to plan for, sorted.
func (r *Request) architectures() []string {
	archs := slices.Clone(r.Architectures)
	if len(r.Settings.Architectures) > 0 {
		archs = slices.DeleteFunc(archs, func(a string) bool { return !slices.Contains(r.Settings.Architectures, a) })
	}
	slices.Sort(archs)
	return slices.Compact(archs)
}

func newPlan(r Request) *Plan {
	p := &Plan{
		Changesets:    []PlannedChangeset{},
		Scope:         cmp.Or(r.Settings.Scope, buildbtw.ScopeAuto),
		Scopes:        map[string]int{},
		Architectures: map[string]*ArchPlan{},
		Warnings:      []Warning{},
	}
	for _, c := range r.Changesets {
		p.Changesets = append(p.Changesets, PlannedChangeset{Source: c.Slug, Ref: c.Ref, Commit: c.Commit})
	}
	slices.SortFunc(p.Changesets, func(a, b PlannedChangeset) int { return strings.Compare(a.Source, b.Source) })
	return p
}

// planner puts a plan together, architecture by architecture.
type planner struct {
	ix       *Index
	request  Request
	plan     *Plan
	estimate estimate
	views    []view
	warnings []Warning      // about the sets
	unknown  map[string]int // excluded and added names: on how many architectures they are
}

func (p *planner) addArchitecture(ctx context.Context, arch string) error {
	g := p.ix.graph(arch)
	if g == nil {
		return nil
	}
	w, err := p.wanted(g)
	if err != nil || len(w.changesets)+len(w.add) == 0 {
		return err
	}
	h, err := p.shape(ctx, g, w)
	if err != nil {
		return err
	}
	p.views = append(p.views, view{g, h})
	plan, warnings := h.archPlan(g, p.ix)
	p.plan.Architectures[arch] = plan
	p.warnings = append(p.warnings, warnings...)
	return nil
}

// view is a shape with the graph that fills it.
type view struct {
	*graph
	*shape
}

// shape gives what a wish comes to on an architecture, or parts of it, from the
// memo if it was asked for before.
func (p *planner) shape(ctx context.Context, g *graph, w wanted) (*shape, error) {
	key := w.key(p.request.Settings.Cycles, &p.estimate, g)
	if h := g.memo.get(key); h != nil {
		return h, nil
	}
	r := g.memo.reached[key]
	if r == nil {
		r = newReached(g, w)
	}
	h := &shape{reached: r}
	var err error
	together(
		func() { h.frame, err = p.frame(ctx, &skeleton{g: g, nodes: r.set}) },
		func() { r.explain(g) },
	)
	if err != nil {
		return nil, err
	}
	g.memo.put(key, h)
	return h, nil
}

// wanted translates the request into nodes of an architecture.
func (p *planner) wanted(g *graph) (wanted, error) {
	w := wanted{trigger: buildbtw.TriggerKinds(p.request.Settings.Makedepends), scope: p.plan.Scope}
	for _, c := range p.request.Changesets {
		if v, ok := g.find(p.ix.pkgbaseOf(c.Slug)); ok {
			w.changesets = append(w.changesets, v)
		}
	}
	w.exclude = p.named(g, p.request.Settings.Exclude)
	w.add = p.named(g, p.request.Settings.Add)
	slices.Sort(w.changesets)
	w.changesets = slices.Compact(w.changesets)
	for _, v := range w.exclude {
		name := g.units[v].info.Pkgbase
		if slices.Contains(w.changesets, v) {
			return w, buildbtw.Invalid("%s is a changeset and excluded; take it out of one of the two", name)
		}
		if slices.Contains(w.add, v) {
			return w, buildbtw.Invalid("%s is both added and excluded; take it out of one of the two", name)
		}
	}
	return w, nil
}

// named finds the nodes that people named, by pkgbase or else by pkgname,
// ascending. Names that no architecture has become warnings.
func (p *planner) named(g *graph, names []string) []int32 {
	if p.unknown == nil {
		p.unknown = map[string]int{}
	}
	var out []int32
	for _, name := range names {
		v, ok := g.find(name)
		if !ok {
			v, ok = g.byPkgname(name)
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

func (g *graph) byPkgname(name string) (int32, bool) {
	for v, u := range g.units {
		if slices.Contains(u.pkgnames, name) {
			return int32(v), true
		}
	}
	return 0, false
}

// finish counts and warns once all architectures are there.
func (p *planner) finish(archs []string) {
	for _, scope := range countedScopes() {
		p.plan.Scopes[string(scope)] = p.countBuilds(scope)
	}
	p.warn(archs)
}

// countBuilds is how many packages a scope would build. One that is for any
// architecture is built once.
func (p *planner) countBuilds(scope buildbtw.Scope) int {
	if len(p.views) == 1 {
		return p.views[0].counts[scope]
	}
	n := 0
	once := map[string]bool{}
	for _, s := range p.views {
		for _, v := range s.shape.reach.set(scope) {
			if u := s.units[v]; u.any {
				once[u.info.Pkgbase] = true
			} else {
				n++
			}
		}
	}
	return n + len(once)
}
