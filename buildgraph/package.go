package buildgraph

import (
	"cmp"
	"slices"
	"strings"

	"buildbtw"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/srcinfo"
)

// Package is what the sources say of a package on an architecture. It shares
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
	Optional []string // optional dependencies, with what for
	Needs    []Need   // by kind, then as written
	Users    []User   // by pkgbase
}

// Need is a dependency of a package, with what meets it.
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
	v, ok := g.ownerOf(ix.words, name)
	if !ok {
		if v, ok = g.find(name); !ok {
			return Package{}, false
		}
	}
	u, s := g.units[v], &ix.sources[g.sources[v]]
	p := Package{Pkgbase: u.info.Pkgbase, Version: u.version, Source: s.Slug, Commit: s.Commit, Pkgnames: u.pkgnames}
	a := about{g: g, node: v, packages: u.info.Packages}
	if i := slices.IndexFunc(u.info.Packages, func(p srcinfo.Package) bool { return p.Name == name }); i >= 0 {
		p.Pkgname, a.packages = name, u.info.Packages[i:i+1]
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

// ownerOf gives the node that has a pkgname.
func (g *graph) ownerOf(w *words, pkgname string) (int32, bool) {
	id, ok := w.lookUp(pkgname)
	if !ok || int(id) >= len(g.owner) || g.owner[id] < 0 {
		return 0, false
	}
	return g.owner[id], true
}

// about looks at some packages of a node.
type about struct {
	g        *graph
	node     int32
	packages []srcinfo.Package
}

// needs lists what the packages depend on, and what building them takes.
func (a about) needs() []Need {
	own := map[string]bool{}
	for _, p := range a.packages {
		for _, text := range p.Depends.For(a.g.arch) {
			own[text] = true
		}
	}
	var list []Need
	place := map[int32]int{}
	for _, n := range a.g.units[a.node].needs {
		text := a.g.words[n.word].text
		if n.kind == buildbtw.EdgeDepends && !own[text] {
			continue // of another package of the pkgbase
		}
		if i, ok := place[n.word]; ok {
			list[i].Kinds |= n.kind
			continue
		}
		place[n.word] = len(list)
		list = append(list, Need{Dependency: text, Kinds: n.kind, By: a.metBy(n.word)})
	}
	slices.SortFunc(list, func(x, y Need) int {
		return cmp.Or(cmp.Compare(strongest(x.Kinds), strongest(y.Kinds)), strings.Compare(x.Dependency, y.Dependency))
	})
	return list
}

func (a about) metBy(word int32) []string {
	var names []string
	for _, t := range a.g.meaning(word) {
		names = append(names, a.g.units[t.node].info.Pkgbase)
	}
	return names
}

// users lists who depends on the packages.
func (a about) users(p Package) []User {
	keys := a.keys(p)
	var list []User
	for _, v := range a.g.users.row(a.node) {
		u := User{Pkgbase: a.g.units[v].info.Pkgbase}
		for _, n := range a.g.units[v].needs {
			w := &a.g.words[n.word]
			means := slices.ContainsFunc(a.g.meaning(n.word), func(t target) bool { return t.node == a.node })
			named := keys[w.dep().Name] || w.isLib() && keys[w.parts.soname.Library]
			if !means || p.Pkgname != "" && !named {
				continue
			}
			u.Kinds |= n.kind
			u.Dependencies = append(u.Dependencies, w.text)
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
