package buildgraph

import (
	"slices"

	"buildbtw/pacman/srcinfo"
)

// replaceQuietly gives the index with sources in the place of the ones with the
// same slugs, provided that this changes nothing but commits, versions and what
// the sources themselves need. It costs a small part of linking.
func (ix *Index) replaceQuietly(changed []Source) (*Index, bool) {
	places := make([]int, len(changed))
	for i := range changed {
		at, ok := ix.find(changed[i].Slug)
		if !ok || !ix.replaceable(at, &changed[i]) {
			return nil, false
		}
		places[i] = at
	}
	out := &Index{
		identity: &identity{},
		opts:     ix.opts, words: ix.words, ranks: ix.ranks, names: ix.names, chosen: ix.chosen, dups: ix.dups,
		sources: slices.Clone(ix.sources), graphs: map[string]*graphSlot{},
	}
	for i, at := range places {
		out.sources[at] = changed[i]
	}
	for arch, g := range ix.linked() {
		next, ok := g.replaceQuietly(ix, out, places)
		if !ok {
			return nil, false
		}
		slot := &graphSlot{g: next}
		slot.once.Do(func() { slot.ready.Store(true) })
		out.graphs[arch] = slot
	}
	return out, true
}

// replaceable reports whether a source may stand in another's place as far as
// names, architectures and duplicates go.
func (ix *Index) replaceable(at int, with *Source) bool {
	have := &ix.sources[at]
	only := at+1 == len(ix.sources) || ix.sources[at+1].Slug != have.Slug
	return only && have.Info != nil && with.Info != nil && ix.isNode(at) &&
		have.Info.Pkgbase == with.Info.Pkgbase &&
		slices.EqualFunc(have.Info.Packages, with.Info.Packages, func(a, b srcinfo.Package) bool {
			return a.Name == b.Name && slices.Equal(a.Arch, b.Arch)
		})
}

// linked lists the graphs that have been computed and have nodes.
func (ix *Index) linked() map[string]*graph {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	out := map[string]*graph{}
	for arch, slot := range ix.graphs {
		if slot.ready.Load() && slot.g != nil {
			out[arch] = slot.g
		}
	}
	return out
}

// replaceQuietly gives the graph with new units for the sources at places.
func (g *graph) replaceQuietly(ix, out *Index, places []int) (*graph, bool) {
	next := *g
	next.units = slices.Clone(g.units)
	var moved []int32 // nodes with other dependencies
	for _, at := range places {
		info := out.sources[at].Info
		v, ok := g.find(info.Pkgbase)
		if !ok {
			continue
		}
		u := compileOne(ix.words, g.arch, info)
		if !u.sameOffers(g.units[v]) || !g.sameVersion(u, g.units[v]) {
			return nil, false
		}
		if !slices.Equal(u.needs, g.units[v].needs) {
			moved = append(moved, v)
		}
		next.units[v] = u
	}
	if len(moved) > 0 {
		slices.Sort(moved)
		next.rewire(g, out, moved)
	}
	return &next, true
}

// sameOffers reports whether two units are the same to all who need them.
func (u *unit) sameOffers(o *unit) bool {
	return u.any == o.any && slices.Equal(u.names, o.names) && slices.Equal(u.provides, o.provides)
}

// sameVersion reports whether every constraint on the unit's names is met by
// both versions or by none.
func (g *graph) sameVersion(u, old *unit) bool {
	if u.version == old.version {
		return true
	}
	for _, id := range g.constrained {
		w := &g.words[id]
		if slices.Contains(u.names, w.name) && w.dep().SatisfiedBy(u.version) != w.dep().SatisfiedBy(old.version) {
			return false
		}
	}
	return true
}
