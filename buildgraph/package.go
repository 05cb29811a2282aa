package buildgraph

import (
	"cmp"
	"slices"
	"strings"

	"buildbtw"
	"buildbtw/buildgraph/internal/link"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/srcinfo"
)

// Package is a package on an architecture, as its source defines it. It shares
// memory with the index: it must not be written to.
type Package struct {
	Pkgname  string // empty when only a pkgbase is called so: then it is about all its packages
	Pkgbase  string
	Version  string
	Source   string // slug
	Commit   string
	Desc     string
	URL      string
	Pkgnames []string // that come out of the pkgbase
	Provides []string // as written, sorted
	Optional []string // optional dependencies, with their purpose
	Needs    []Need   // by kind, then as written
	Users    []User   // by pkgbase
}

// Need is a dependency of a package, with the pkgbases that meet it.
type Need struct {
	Dependency string // as written
	Kinds      buildbtw.EdgeKinds
	By         []string // pkgbases in the sources; none: the base must
}

// User is a pkgbase that depends on a package.
type User struct {
	Pkgbase      string
	Kinds        buildbtw.EdgeKinds
	Dependencies []string // as written, sorted
}

// Package finds a package by pkgname, else by pkgbase.
func (ix *Index) Package(arch, name string) (Package, bool) {
	g := ix.graph(arch)
	if g == nil {
		return Package{}, false
	}
	v, ok := g.Owner(ix.symbols, name)
	if !ok {
		if v, ok = g.Find(name); !ok {
			return Package{}, false
		}
	}
	n, s := g.Nodes[v], ix.source(g, v)
	p := Package{Pkgbase: n.Info.Pkgbase, Version: n.Version, Source: s.Slug, Commit: s.Commit, Pkgnames: n.Pkgnames}
	a := about{g: g.Graph, node: v, packages: n.Info.Packages}
	if i := slices.IndexFunc(n.Info.Packages, func(p srcinfo.Package) bool { return p.Name == name }); i >= 0 {
		p.Pkgname, a.packages = name, n.Info.Packages[i:i+1]
	}
	p.Desc, p.URL = a.packages[0].Pkgdesc, a.packages[0].URL
	for _, one := range a.packages {
		p.Provides = append(p.Provides, one.Provides.For(arch)...)
		p.Optional = append(p.Optional, one.OptDepends.For(arch)...)
	}
	slices.Sort(p.Provides)
	p.Provides, p.Needs, p.Users = slices.Compact(p.Provides), a.needs(), a.users(p)
	return p, true
}

// Brief is a pkgbase in a few words.
type Brief struct {
	Source     string   // slug
	Version    string   // of the source
	Pkgnames   []string // that come out of it
	Dependents int      // pkgbases that depend on it in any way
}

// Brief finds a pkgbase without looking at each of its dependents, as Package does.
func (ix *Index) Brief(arch, pkgbase string) (Brief, bool) {
	g := ix.graph(arch)
	if g == nil {
		return Brief{}, false
	}
	v, ok := g.Find(pkgbase)
	if !ok {
		return Brief{}, false
	}
	return Brief{Source: ix.source(g, v).Slug, Version: g.Nodes[v].Version, Pkgnames: g.Nodes[v].Pkgnames, Dependents: len(g.Users.Row(v))}, true
}

// about looks at some packages of a node.
type about struct {
	g        *link.Graph
	node     int32
	packages []srcinfo.Package
}

// needs lists the dependencies of the packages, and those of building them.
func (a about) needs() []Need {
	own := map[string]bool{}
	for _, p := range a.packages {
		for _, text := range p.Depends.For(a.g.Arch) {
			own[text] = true
		}
		for _, dir := range a.g.DirectoriesOf(p.Name) {
			own[dir] = true
		}
	}
	var list []Need
	place := map[link.Symbol]int{}
	for _, n := range a.g.Nodes[a.node].Needs {
		text := a.g.Text(n.Symbol)
		if n.Kind == buildbtw.EdgeDepends && !own[text] {
			continue // of another package of the pkgbase
		}
		if i, ok := place[n.Symbol]; ok {
			list[i].Kinds |= n.Kind
			continue
		}
		place[n.Symbol] = len(list)
		list = append(list, Need{Dependency: text, Kinds: n.Kind, By: a.metBy(n.Symbol)})
	}
	slices.SortFunc(list, func(x, y Need) int {
		return cmp.Or(cmp.Compare(strongest(x.Kinds), strongest(y.Kinds)), strings.Compare(x.Dependency, y.Dependency))
	})
	return list
}

func (a about) metBy(dependency link.Symbol) []string {
	var names []string
	targets, _ := a.g.Resolve(dependency)
	for _, t := range targets {
		names = append(names, a.g.Name(t.Node))
	}
	return names
}

// users lists who depends on the packages.
func (a about) users(p Package) []User {
	keys := a.keys(p)
	var list []User
	for _, v := range a.g.Users.Row(a.node) {
		u := User{Pkgbase: a.g.Name(v)}
		for _, n := range a.g.Nodes[v].Needs {
			targets, _ := a.g.Resolve(n.Symbol)
			means := slices.ContainsFunc(targets, func(t link.Target) bool { return t.Node == a.node })
			name, library := a.g.NameOf(n.Symbol)
			named := keys[name] || library != "" && keys[library] || keys[a.g.OwnerOf(name)]
			if !means || p.Pkgname != "" && !named {
				continue
			}
			u.Kinds |= n.Kind
			u.Dependencies = append(u.Dependencies, a.g.Text(n.Symbol))
		}
		if len(u.Dependencies) > 0 {
			slices.Sort(u.Dependencies)
			u.Dependencies = slices.Compact(u.Dependencies)
			list = append(list, u)
		}
	}
	return list
}

// keys are the names under which a package can be depended on.
func (a about) keys(p Package) map[string]bool {
	keys := map[string]bool{p.Pkgname: true}
	for _, text := range p.Provides {
		if n, ok := alpm.ParseSoname(text); ok {
			keys[n.Library] = true
		}
		if provide, err := alpm.ParseProvide(text); err == nil {
			keys[provide.Name] = true
		}
	}
	return keys
}
