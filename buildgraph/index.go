package buildgraph

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"

	"buildbtw/internal/guard"

	"buildbtw"
	"buildbtw/buildgraph/internal/link"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/srcinfo"
)

// Source is a git repository at one ref, with its .SRCINFO.
type Source struct {
	Slug   string
	Place  string // the directory or group that it comes from, as people know it; empty when there is but one
	Ref    string
	Commit string
	Info   *srcinfo.Info // nil when Err is set
	Keys   []string      // names of the files in keys/pgp; nil: not known
	Notes  []string      // parts of the commit that a build will not have, such as submodules; a sentence each
	Err    error         // why the .SRCINFO is missing or cannot be read; shown to people, so it names the file
}

// Options are the choices that the sources leave open.
type Options struct {
	// Prefer lists slugs, and places that sources come from. Where two sources define
	// the same pkgbase or pkgname, the one that stands first here wins; without one
	// see contest.
	Prefer []string
	// IgnoreArch plans every source for every architecture, as ports do that build
	// with makepkg --ignorearch.
	IgnoreArch bool
	// Built returns the depends and provides of an existing package, in the base or
	// from an earlier build; empty when there is none. They have the word sizes of
	// libraries that its source names without one. The results must not change while
	// the index is used. May be nil.
	Built func(architecture, pkgname string) []string
	// Owned is, by architecture, whose the directories are in which packages have
	// files that exist already: modules of an interpreter depend on it, whether their
	// sources name it or not. It must not be written to while the index is used.
	Owned map[string]alpm.Owned
	// Unlisted has, by architecture, the base repositories whose packages' files are
	// not known. Owned lacks them.
	Unlisted map[string][]string
}

// Index is all sources, numbered and linked; every plan is computed from it.
// It is immutable and safe for concurrent use; Update makes another one.
type Index struct {
	opts       Options
	symbols    *link.Symbols
	sources    []Source        // by slug
	chosen     []int32         // sources that win their pkgbase, by pkgbase
	duplicates []duplicate     // sources that lost theirs
	contested  map[string]bool // the pkgnames of all sources in duplicates

	mu     sync.Mutex
	graphs map[string]*archGraph // nil for an architecture that no source has packages for
}

// archGraph is the graph of an architecture, and plans of sets of its nodes.
type archGraph struct {
	*link.Graph
	plans     *planCache
	disputed  []disputed
	forbidden []int32 // sources that makepkg refuses though some of their packages are for the architecture
}

// disputed is a node whose pkgbase two sources define.
type disputed struct {
	duplicate
	node int32
}

// NewIndex links sources. It never fails: a problem of a source becomes a warning
// of the plans that it concerns.
func NewIndex(sources []Source, opts Options) *Index {
	return newIndex(sources, opts, link.NewSymbols(len(sources)), nil)
}

// newIndex sorts the sources. Those of the slugs in first win their pkgbase.
func newIndex(given []Source, opts Options, symbols *link.Symbols, first []string) *Index {
	var bySlug, byPkgbase []named
	var group guard.Group
	group.Go(func() {
		bySlug = sortedByName(given, func(s *Source) (string, bool) { return s.Slug, true })
	})
	byPkgbase = sortedByName(given, func(s *Source) (string, bool) {
		if s.Info == nil {
			return "", false
		}
		return s.Info.Pkgbase, true
	})
	group.Wait()
	ix := &Index{opts: opts, symbols: symbols, sources: make([]Source, len(given)), graphs: map[string]*archGraph{}}
	place := make([]int32, len(given))
	for i, s := range bySlug {
		ix.sources[i], place[s.at] = given[s.at], int32(i)
	}
	groups, all := make([][]int32, 0, len(byPkgbase)), make([]int32, len(byPkgbase))
	for len(byPkgbase) > 0 {
		n := 1
		for n < len(byPkgbase) && byPkgbase[n].name == byPkgbase[0].name {
			n++
		}
		same := all[:n:n] // sources of one pkgbase
		for i := range same {
			same[i] = place[byPkgbase[i].at]
		}
		groups = append(groups, same)
		byPkgbase, all = byPkgbase[n:], all[n:]
	}
	ix.choose(groups, first)
	return ix
}

// contest is between sources of the index; those of these slugs win above all.
func (ix *Index) contest(first ...string) *contest {
	return &contest{sources: ix.sources, changesets: preference(first), preferred: preference(ix.opts.Prefer)}
}

// choose finds the source that wins each pkgbase. Given are the sources of each, and
// the slugs that win above all.
func (ix *Index) choose(groups [][]int32, first []string) {
	c := ix.contest(first...)
	c.settle(groups)
	ix.chosen = make([]int32, 0, len(groups))
	for _, same := range groups {
		ix.chosen = append(ix.chosen, same[0])
		if len(same) == 1 {
			continue
		}
		on := c.on(same)
		for _, lost := range same[1:] {
			ix.duplicates = append(ix.duplicates, duplicate{ix.sources[lost].Info.Pkgbase, same[0], lost, c.why(same[0], lost, on)})
		}
	}
	ix.contested = c.names
}

// named is a source with a name that it has.
type named struct {
	name string
	at   int32
}

// sortedByName sorts the sources that have a name by it; equal names stay in
// their order.
func sortedByName(sources []Source, name func(*Source) (string, bool)) []named {
	list := make([]named, 0, len(sources))
	for i := range sources {
		if text, ok := name(&sources[i]); ok {
			list = append(list, named{text, int32(i)})
		}
	}
	slices.SortFunc(list, func(a, b named) int { return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.at, b.at)) })
	return list
}

// find returns the place of the first source of a slug.
func (ix *Index) find(slug string) (at int, ok bool) {
	return slices.BinarySearchFunc(ix.sources, slug, func(s Source, slug string) int { return strings.Compare(s.Slug, slug) })
}

// pkgbaseOf is the pkgbase of a slug's source, empty when there is none.
func (ix *Index) pkgbaseOf(slug string) string {
	s, ok := ix.Source(slug)
	if !ok || s.Info == nil {
		return ""
	}
	return s.Info.Pkgbase
}

// source is the source behind a node.
func (ix *Index) source(g *archGraph, v int32) *Source { return &ix.sources[g.Sources[v]] }

// graph returns the graph of an architecture, linked on first use. nil: no
// package exists there.
func (ix *Index) graph(arch string) *archGraph {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	g, ok := ix.graphs[arch]
	if !ok {
		g = ix.link(arch, nil)
		ix.graphs[arch] = g
	}
	return g
}

// link makes the graph of an architecture, with the nodes of an older one for
// sources that did not change.
func (ix *Index) link(arch string, old *link.Graph) *archGraph {
	sources := make([]link.Source, len(ix.chosen))
	for i, at := range ix.chosen {
		sources[i] = link.Source{Info: ix.sources[at].Info, Place: at}
	}
	g := link.New(arch, ix.symbols, sources, link.Options{IgnoreArch: ix.opts.IgnoreArch, Built: ix.opts.Built, Owned: ix.opts.Owned}, ix.contest().compare, old)
	if g == nil {
		return nil
	}
	out := &archGraph{Graph: g, plans: newPlanCache()}
	for _, d := range ix.duplicates {
		if v, ok := g.Find(d.pkgbase); ok {
			out.disputed = append(out.disputed, disputed{d, v})
		}
	}
	nodes := g.Sources // those of chosen that are built, in the same order
	for _, at := range ix.chosen {
		switch {
		case len(nodes) > 0 && nodes[0] == at:
			nodes = nodes[1:]
		case len(ix.forbidden(&ix.sources[at], arch)) > 0:
			out.forbidden = append(out.forbidden, at)
		}
	}
	return out
}

// Update returns an index in which the sources of the same slugs are replaced by
// changed and those of the slugs in removed are gone: the one that NewIndex would
// make, but unchanged sources are not compiled again.
func (ix *Index) Update(changed []Source, removed []string) *Index {
	return ix.replace(changed, removed, nil)
}

func (ix *Index) replace(changed []Source, removed, first []string) *Index {
	if len(removed) == 0 {
		if out, ok := ix.withVersions(changed); ok {
			return out
		}
	}
	gone := make(map[string]bool, len(changed)+len(removed))
	for i := range changed {
		gone[changed[i].Slug] = true
	}
	for _, slug := range removed {
		gone[slug] = true
	}
	sources := make([]Source, 0, len(ix.sources)+len(changed))
	for i := range ix.sources {
		if !gone[ix.sources[i].Slug] {
			sources = append(sources, ix.sources[i])
		}
	}
	out := newIndex(append(sources, changed...), ix.opts, ix.symbols, first)
	for arch, g := range ix.linked() {
		out.graphs[arch] = out.link(arch, g.Graph)
	}
	return out
}

// withVersions replaces sources that stay the same but for commits and versions,
// as nearly every push leaves them: the graphs keep their links and their plans.
func (ix *Index) withVersions(changed []Source) (out *Index, ok bool) {
	out = &Index{
		opts: ix.opts, symbols: ix.symbols, chosen: ix.chosen, duplicates: ix.duplicates, contested: ix.contested,
		sources: slices.Clone(ix.sources), graphs: map[string]*archGraph{},
	}
	infos := make([]*srcinfo.Info, len(changed))
	for i := range changed {
		at, found := ix.find(changed[i].Slug)
		if !found || !ix.replaceable(at, &changed[i]) {
			return nil, false
		}
		out.sources[at], infos[i] = changed[i], changed[i].Info
	}
	for arch, g := range ix.linked() {
		next, ok := g.WithVersions(ix.symbols, infos)
		if !ok {
			return nil, false
		}
		out.graphs[arch] = &archGraph{next, g.plans, g.disputed, g.forbidden}
	}
	return out, true
}

// replaceable reports whether a source may stand in another's place as far as
// names, architectures and duplicates go.
func (ix *Index) replaceable(at int, with *Source) bool {
	have := &ix.sources[at]
	only := at+1 == len(ix.sources) || ix.sources[at+1].Slug != have.Slug
	return only && have.Info != nil && with.Info != nil && ix.isChosen(at) &&
		have.Info.Pkgbase == with.Info.Pkgbase && slices.Equal(have.Info.Base.Arch, with.Info.Base.Arch) &&
		slices.EqualFunc(have.Info.Packages, with.Info.Packages, func(a, b srcinfo.Package) bool {
			return a.Name == b.Name && slices.Equal(a.Arch, b.Arch)
		}) && have.Place == with.Place && ix.decidesNothing(have, with)
}

// decidesNothing reports whether a source may stand in another's place as far as
// contests for a pkgbase go: it takes part in none, and asks for the same versions.
func (ix *Index) decidesNothing(have, with *Source) bool {
	if len(ix.duplicates) == 0 {
		return true
	}
	return !slices.ContainsFunc(ix.duplicates, func(d duplicate) bool { return d.pkgbase == have.Info.Pkgbase }) &&
		slices.Equal(constraintsOn(have.Info, ix.contested), constraintsOn(with.Info, ix.contested))
}

// isChosen reports whether the source at a place won its pkgbase.
func (ix *Index) isChosen(at int) bool {
	place, found := slices.BinarySearchFunc(ix.chosen, ix.sources[at].Info.Pkgbase, func(s int32, name string) int {
		return strings.Compare(ix.sources[s].Info.Pkgbase, name)
	})
	return found && ix.chosen[place] == int32(at)
}

// linked lists the graphs that have been made and have nodes.
func (ix *Index) linked() map[string]*archGraph {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	out := maps.Clone(ix.graphs)
	maps.DeleteFunc(out, func(_ string, g *archGraph) bool { return g == nil })
	return out
}

// withChangesets returns the index with changesets in the place of the sources
// they belong to; the index itself when it has them all at their commits.
func (ix *Index) withChangesets(changesets []Source, archs []string) (*Index, error) {
	if err := checkChangesets(changesets); err != nil {
		return nil, err
	}
	slugs, same := make([]string, len(changesets)), true
	for i := range changesets {
		slugs[i] = changesets[i].Slug
		same = same && ix.has(&changesets[i])
	}
	if same {
		return ix, nil
	}
	for _, arch := range archs {
		ix.graph(arch) // linked here, it serves every request
	}
	return ix.replace(changesets, nil, slugs), nil
}

func checkChangesets(changesets []Source) error {
	if len(changesets) == 0 {
		return buildbtw.Invalid("no changeset given; name at least one source, for example \"curl\" or \"curl/my-branch\"")
	}
	seen := map[string]bool{}
	for i := range changesets {
		c := &changesets[i]
		switch {
		case seen[c.Slug]:
			return buildbtw.Invalid("source %q is named twice; a buildspace has each source once", c.Slug)
		case c.Err != nil:
			return buildbtw.Invalid("changeset %s cannot be built: %w", describe(c), c.Err)
		case c.Info == nil:
			return buildbtw.Invalid("changeset %s cannot be built, it has no .SRCINFO; run \"makepkg --printsrcinfo > .SRCINFO\" and commit it", describe(c))
		}
		seen[c.Slug] = true
	}
	return nil
}

// has reports whether the index has just this as the source of its pkgbase.
func (ix *Index) has(c *Source) bool {
	i, ok := ix.find(c.Slug)
	for ; ok && i < len(ix.sources) && ix.sources[i].Slug == c.Slug; i++ {
		have := &ix.sources[i]
		same := have.Info == c.Info || have.Commit == c.Commit && c.Commit != ""
		if have.Info != nil && same && have.Commit == c.Commit && ix.isChosen(i) {
			return true
		}
	}
	return false
}

// Source returns the source of a slug: of several in different places the one that
// won its pkgbase.
func (ix *Index) Source(slug string) (Source, bool) {
	first, ok := ix.find(slug)
	if !ok {
		return Source{}, false
	}
	for i := first; i < len(ix.sources) && ix.sources[i].Slug == slug; i++ {
		if ix.sources[i].Info != nil && ix.isChosen(i) {
			return ix.sources[i], true
		}
	}
	return ix.sources[first], true
}

func describe(s *Source) string {
	if s.Ref == "" {
		return s.Slug
	}
	return s.Slug + "/" + s.Ref
}
