package release

import (
	"slices"

	"buildbtw/pacman/alpm"
)

// Base is the repositories of all views, indexed. It never changes, so that many
// problems can be answered from one.
type Base struct {
	views []*view
	names *symbols

	linksUnknown, filesUnknown int // packages of the views, each once

	parsed *parsed
}

// symbols numbers the names that packages have, provide and depend on, and the sonames
// that they have and link with.
type symbols struct {
	below *symbols // whose numbers stay
	ids   map[string]int32
	next  int32
}

func (s *symbols) id(name string) int32 {
	if s.below != nil {
		if id, ok := s.below.ids[name]; ok {
			return id
		}
	}
	id, ok := s.ids[name]
	if !ok {
		id = s.next
		s.next++
		s.ids[name] = id
	}
	return id
}

// linkPrefix tells the sonames that programs link with from the names that dependencies
// use: the former are met by the files of packages, the latter by what they provide.
const linkPrefix = "\x00"

// dependency is what a package needs: a dependency or, without a version, a library
// that its programs link with.
type dependency struct {
	name int32
	link bool
	text string // as people write it
	alpm.Dep
}

// offer is what a package can meet: its name, a provide, or a library.
type offer struct {
	node    int32 // whose it is; set where offers are listed by name
	name    int32
	own     bool // it is the name, or a provide of it
	literal bool // it is the name with the package's version
	alpm.Provide
}

// node is a package in a view.
type node struct {
	*Package
	name      int32
	fresh     int32 // the unit whose package it is; -1 for packages of the repositories
	needs     []dependency
	offers    []offer
	conflicts []dependency
	repo      int // index of its repository in the view
}

// use is a dependency of a package of the repositories.
type use struct{ node, need int32 }

// view is the packages that pacman would install by their names, in one view.
type view struct {
	View
	nodes  []node
	byName map[int32]int32
	byBase map[string][]int32
	offers [][]offer         // by name
	users  [][]use           // by name
	unmet  map[[2]int32]bool // package and dependency that are tolerated, because nothing met them

	linksUnknown, filesUnknown int

	able      []bool    // by node: it can be installed
	witnesses [][]int32 // sets of nodes that can be installed together, in the order in which they were found
}

// NewBase indexes views. The packages must not be changed afterwards.
func NewBase(views []View) *Base {
	b := &Base{names: &symbols{ids: map[string]int32{}}, parsed: &parsed{}}
	links, files := map[string]bool{}, map[string]bool{} // of which they are not known
	for _, v := range views {
		x := &view{View: v, byName: map[int32]int32{}, byBase: map[string][]int32{}, unmet: map[[2]int32]bool{}}
		for r := range v.Repositories {
			for i := range v.Repositories[r].Packages {
				p := &v.Repositories[r].Packages[i]
				id := b.names.id(p.Name)
				if _, hidden := x.byName[id]; hidden {
					continue
				}
				x.byName[id] = int32(len(x.nodes))
				x.byBase[p.Base] = append(x.byBase[p.Base], int32(len(x.nodes)))
				n := b.names.node(p)
				n.fresh, n.repo = -1, r
				x.nodes = append(x.nodes, n)
				if p.Links == nil {
					x.linksUnknown++
					links[v.Architecture+" "+p.Name+" "+p.Version] = true
				}
				if p.Files == nil {
					x.filesUnknown++
					files[v.Architecture+" "+p.Name+" "+p.Version] = true
				}
			}
		}
		b.views = append(b.views, x)
	}
	b.linksUnknown, b.filesUnknown = len(links), len(files)
	for _, v := range b.views {
		v.index(int(b.names.next))
	}
	return b
}

// node parses a package. What cannot be parsed is taken as a name.
func (s *symbols) node(p *Package) node {
	n := node{Package: p, name: s.id(p.Name)}
	n.offers = make([]offer, 0, 1+len(p.Provides)+len(p.Sonames))
	n.offers = append(n.offers, offer{name: n.name, own: true, literal: true, Provide: alpm.Provide{Name: p.Name, Version: p.Version, Versioned: true}})
	for _, text := range p.Provides {
		provide, err := alpm.ParseProvide(text)
		if err != nil {
			provide = alpm.Provide{Name: text}
		}
		id := s.id(provide.Name)
		n.offers = append(n.offers, offer{name: id, own: id == n.name, Provide: provide})
	}
	for _, soname := range p.Sonames {
		n.offers = append(n.offers, offer{name: s.id(linkPrefix + soname), Provide: alpm.Provide{Name: soname}})
	}
	n.needs = make([]dependency, 0, len(p.Depends)+len(p.Links))
	for _, text := range p.Depends {
		n.needs = append(n.needs, s.dependency(text))
	}
	for _, soname := range p.Links {
		n.needs = append(n.needs, dependency{name: s.id(linkPrefix + soname), link: true, text: soname, Dep: alpm.Dep{Name: soname}})
	}
	for _, text := range p.Conflicts {
		n.conflicts = append(n.conflicts, s.dependency(text))
	}
	return n
}

func (s *symbols) dependency(text string) dependency {
	d, err := alpm.ParseDep(text)
	if err != nil {
		d = alpm.Dep{Name: text}
	}
	return dependency{name: s.id(d.Name), text: text, Dep: d}
}

// index fills in who has and who uses each name, and what is unmet.
func (v *view) index(names int) {
	v.offers, v.users = make([][]offer, names), make([][]use, names)
	for i := range v.nodes {
		for _, o := range v.nodes[i].offers {
			o.node = int32(i)
			v.offers[o.name] = append(v.offers[o.name], o)
		}
		for j, d := range v.nodes[i].needs {
			v.users[d.name] = append(v.users[d.name], use{int32(i), int32(j)})
		}
	}
	for i := range v.nodes {
		n := &v.nodes[i]
		for j := range n.needs {
			d := &n.needs[j]
			if !slices.ContainsFunc(v.offers[d.name], func(o offer) bool { return o.meets(d) }) && !n.meetsItself(d) {
				v.unmet[[2]int32{n.name, d.name}] = true
			}
		}
	}
	all := func(int32) bool { return true }
	v.able, v.witnesses = newFinder(&world{view: v, present: v.all()}).installable(all, all)
}

func (v *view) all() []bool {
	present := make([]bool, len(v.nodes))
	for i := range present {
		present[i] = true
	}
	return present
}

// meets reports whether pacman, looking for a dependency, would find the package through
// this. It does not find one through a provide of its own name in another version
// (ghc 7.8.4 provides ghc=7.8.3): resolvedep in libalpm/deps.c.
func (o *offer) meets(d *dependency) bool {
	return (!o.own || o.literal) && o.satisfies(d)
}

// satisfies reports whether the dependency is met once the package is chosen:
// _alpm_depcmp in libalpm/deps.c.
func (o *offer) satisfies(d *dependency) bool {
	switch {
	case o.name != d.name:
		return false
	case d.Op == "":
		return true
	case o.literal:
		return d.SatisfiedBy(o.Version)
	}
	return d.SatisfiedByProvide(o.Provide)
}

func (n *node) meetsItself(d *dependency) bool {
	for i := range n.offers {
		if n.offers[i].satisfies(d) {
			return true
		}
	}
	return false
}

// against reports whether two packages conflict.
func (n *node) against(other *node) bool {
	return n.name != other.name && (n.conflictsWith(other) || other.conflictsWith(n))
}

func (n *node) conflictsWith(other *node) bool {
	return n.name != other.name && slices.ContainsFunc(n.conflicts, func(c dependency) bool { return other.meetsItself(&c) })
}
