package baserepo

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"buildbtw/internal/graph"
	"buildbtw/pacman/alpm"
)

// Digests has digests of packages of the base together with all that they depend
// on when they run. Two are the same exactly when both stand for the same packages with the
// same interfaces, so that builds with either have the same inputs.
type Digests struct {
	graph *packageGraph
	deep  []string // by component
}

// packageGraph has the packages of a snapshot and their dependencies.
type packageGraph struct {
	nodes      []*Entry // that win their name, by name
	place      map[string]int32
	providers  map[string][]int32 // by provided name, in the order of the repositories
	depends    graph.CSR
	components *graph.Components
	members    [][]int32 // by component
	own        []string  // digests of the interfaces
	whole      []string  // Digests.deep without exclusions
}

// Known reports whether every base repository has been read.
func (s *Snapshot) Known() bool { return s.known }

// Digests returns the digests of the packages. Packages that the function excludes
// are replaced by others, and count as if their interface was not known, but their
// dependencies count. A nil function excludes none.
func (s *Snapshot) Digests(excludes func(*Entry) bool) Digests {
	s.graphOnce.Do(func() { s.packageGraph = s.newPackageGraph() })
	if excludes == nil {
		return Digests{s.packageGraph, s.packageGraph.whole}
	}
	return Digests{s.packageGraph, s.packageGraph.deepDigests(excludes)}
}

func (s *Snapshot) newPackageGraph() *packageGraph {
	g := &packageGraph{place: map[string]int32{}, providers: map[string][]int32{}}
	for _, name := range slices.Sorted(maps.Keys(s.byName)) {
		g.place[name] = int32(len(g.nodes))
		g.nodes = append(g.nodes, s.byName[name][0])
	}
	for i, e := range g.nodes {
		g.own = append(g.own, s.interfaceDigest(e))
		for _, p := range e.Provides {
			g.providers[nameOf(p)] = append(g.providers[nameOf(p)], int32(i))
		}
	}
	for _, list := range g.providers {
		slices.SortStableFunc(list, func(a, b int32) int { return cmp.Compare(s.order[g.nodes[a].Repo], s.order[g.nodes[b].Repo]) })
	}
	var from, to []int32
	for i, e := range g.nodes {
		for _, d := range e.Depends {
			if at, ok := g.resolve(d); ok && at != int32(i) {
				from, to = append(from, int32(i)), append(to, at)
			}
		}
	}
	g.depends = graph.New(len(g.nodes), from, to)
	g.components = graph.StronglyConnected(&g.depends)
	g.members = make([][]int32, len(g.components.Size))
	for i := range g.nodes {
		c := g.components.Of[i]
		g.members[c] = append(g.members[c], int32(i))
	}
	g.whole = g.deepDigests(func(*Entry) bool { return false })
	return g
}

// interfaceDigest returns the digest of a package's interface, or of as much as is
// known of it: the names of its libraries, else its version.
func (s *Snapshot) interfaceDigest(e *Entry) string {
	i := s.interfaceOf(e)
	if i.Unknown == "" {
		return i.Digest()
	}
	files, listed := s.files[e.Repo][e.id()]
	if !listed {
		return e.Version
	}
	i.Unknown, i.Sonames = "", slices.Clone(files.libraries)
	return i.Digest()
}

// nameOf returns the name of a dependency or a provide without its version.
func nameOf(dependency string) string {
	if n, ok := alpm.ParseSoname(dependency); ok {
		return n.Library
	}
	if i := strings.IndexAny(dependency, "<>="); i >= 0 {
		return dependency[:i]
	}
	return dependency
}

// resolve returns the package that pacman would install for a dependency: the one
// of that name, else the first that provides it.
func (g *packageGraph) resolve(dependency string) (int32, bool) {
	name := nameOf(dependency)
	if at, ok := g.place[name]; ok {
		return at, true
	}
	providers := g.providers[name]
	if len(providers) == 0 {
		return 0, false
	}
	wanted, soname := alpm.ParseSoname(dependency)
	for _, at := range providers {
		if !soname {
			break
		}
		if slices.ContainsFunc(g.nodes[at].Provides, func(p string) bool {
			n, ok := alpm.ParseSoname(p)
			return ok && n.Matches(wanted)
		}) {
			return at, true
		}
	}
	return providers[0], true
}

// deepDigests returns, by component, the digest of its packages and all that they
// depend on. Dependencies have smaller numbers.
func (g *packageGraph) deepDigests(excludes func(*Entry) bool) []string {
	deep := make([]string, len(g.members))
	for c, members := range g.members {
		var lines []string
		for _, at := range members {
			e := g.nodes[at]
			if excludes(e) {
				lines = append(lines, e.Name)
			} else {
				lines = append(lines, e.Name+" "+g.own[at])
			}
			for _, d := range g.depends.Row(at) {
				if other := g.components.Of[d]; other != int32(c) {
					lines = append(lines, deep[other])
				}
			}
		}
		slices.Sort(lines)
		deep[c] = alpm.ShortDigest(strings.Join(slices.Compact(lines), "\n"))
	}
	return deep
}

// Of returns one digest for the packages that these dependencies mean. Names that
// the base does not have are in it, as such.
func (d Digests) Of(dependencies []string) string {
	lines := make([]string, 0, len(dependencies))
	for _, text := range dependencies {
		at, ok := d.graph.resolve(text)
		if !ok {
			lines = append(lines, nameOf(text)+" is not there")
			continue
		}
		lines = append(lines, d.graph.nodes[at].Name+" "+d.deep[d.graph.components.Of[at]])
	}
	slices.Sort(lines)
	return alpm.ShortDigest(strings.Join(slices.Compact(lines), "\n"))
}

// OfPkgbase is Of for the packages of a pkgbase; empty when the base does not have
// it.
func (s *Snapshot) OfPkgbase(d Digests, pkgbase string) string {
	var names []string
	for _, e := range s.byBase[pkgbase] {
		names = append(names, e.Name)
	}
	if len(names) == 0 {
		return ""
	}
	return d.Of(names)
}
