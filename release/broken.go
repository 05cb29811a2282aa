package release

import (
	"cmp"
	"slices"
)

// Broken is a package of the repositories that cannot be installed as they are.
type Broken struct {
	View, Package, Base string // Package has name and version
	Dependency          string // that nothing meets; empty: what it depends on cannot be installed, or conflicts
}

// Reason returns what is wrong as a sentence whose subject is the package.
func (b Broken) Reason() string {
	if b.Dependency == "" {
		return "cannot be installed, because of what it depends on or conflicts with"
	}
	return "needs " + b.Dependency + ", which nothing in " + b.View + " has"
}

// Broken lists the packages of the repositories of which a dependency is unmet, or which
// cannot be installed for another reason, in the order of the views and their repositories.
// Libraries that programs link with are looked for only where it is known of all packages
// which they have.
func (b *Base) Broken() []Broken {
	var list []Broken
	for _, v := range b.views {
		for i := range v.nodes {
			n := &v.nodes[i]
			one := Broken{View: v.Name, Package: n.Name + " " + n.Version, Base: n.Base}
			unmet := false
			for _, d := range n.needs {
				if !v.unmet[[2]int32{n.name, d.name}] || d.link && v.linksUnknown > 0 {
					continue
				}
				if one.Dependency = d.text; !d.link {
					unmet = true
				}
				list = append(list, one)
			}
			if !v.able[i] && !unmet {
				one.Dependency = ""
				list = append(list, one)
			}
		}
	}
	return list
}

// Conflicts lists the pairs of packages that can be installed, but not beside each other, because one
// conflicts with the other or with what it provides; and how many there are. Of each pair at
// least one package is in a repository of this name; empty means any repository. Whether two can be
// installed together is decided by their conflicts alone, not by those of what they depend on.
func (b *Base) Conflicts(repository string) (pairs []Apart, all int) {
	type pair struct{ one, other string } // with versions
	seen := map[pair]bool{}
	for _, v := range b.views {
		w := &world{view: v, present: v.all()}
		against := w.conflicting()
		for i := range v.nodes {
			n := &v.nodes[i]
			if !v.able[i] || repository != "" && v.Repositories[n.repo].Name != repository {
				continue
			}
			try := func(j int32) {
				other := &v.nodes[j]
				if !v.able[j] || !n.against(other) {
					return
				}
				p := Apart{View: v.Name, One: n.Name + " " + n.Version, Other: other.Name + " " + other.Version, Replaces: n.replaces(other) || other.replaces(n)}
				if seen[pair{p.One, p.Other}] || seen[pair{p.Other, p.One}] {
					return
				}
				seen[pair{p.One, p.Other}] = true
				pairs = append(pairs, p)
			}
			for _, c := range n.conflicts {
				w.candidates(&c, func(j int32) bool { try(j); return false })
			}
			for _, o := range n.offers {
				for _, j := range against[o.name] {
					try(j)
				}
			}
		}
	}
	slices.SortFunc(pairs, func(a, b Apart) int { return cmp.Or(cmp.Compare(a.One, b.One), cmp.Compare(a.Other, b.Other)) })
	return pairs[:min(len(pairs), maxApart)], len(pairs)
}
