package release

import (
	"cmp"
	"slices"

	"buildbtw/pacman/alpm"
)

// Apart is two packages that could be installed beside each other before the release, and of which
// one conflicts with the other after it.
type Apart struct {
	View       string
	One, Other string // names and versions; One is new, or of the repository that was asked about
	Replaces   bool   // one of them replaces the other, so that machines that have both get that one
}

// maxApart bounds the pairs that are listed.
const maxApart = 100

// apart lists the pairs of packages that conflict newly, each once, and counts them. Both could
// be installed before; whether beside each other is decided by their conflicts alone, not by those
// of what they depend on.
func (q *question) apart(s *solver, r *Result) {
	seen := map[[2]int32]bool{}
	for _, w := range q.worlds {
		against := w.conflicting()
		for i := range w.extra {
			if n := &w.extra[i]; s.goes[n.fresh] {
				w.newConflicts(int32(len(w.nodes)+i), against, func(j int32) {
					other := w.node(j)
					pair := [2]int32{min(n.name, other.name), max(n.name, other.name)}
					if seen[pair] {
						return
					}
					seen[pair] = true
					r.Apart = append(r.Apart, Apart{
						View: w.Name, One: n.Name + " " + n.Version, Other: other.Name + " " + other.Version, Replaces: n.replaces(other) || other.replaces(n),
					})
				})
			}
		}
	}
	slices.SortFunc(r.Apart, func(a, b Apart) int { return cmp.Or(cmp.Compare(a.One, b.One), cmp.Compare(a.Other, b.Other)) })
	r.AllApart = len(r.Apart)
	r.Apart = r.Apart[:min(len(r.Apart), maxApart)]
}

// conflicting returns the packages that are present and conflict with something of a name.
func (w *world) conflicting() map[int32][]int32 {
	by := map[int32][]int32{}
	for i := range w.present {
		if w.present[i] {
			for _, c := range w.node(int32(i)).conflicts {
				by[c.name] = append(by[c.name], int32(i))
			}
		}
	}
	return by
}

// newConflicts calls f for the packages that are present and conflict with one of a unit, as
// those of these names did not before.
func (w *world) newConflicts(i int32, against map[int32][]int32, f func(j int32)) {
	n := w.node(i)
	if !w.ableBefore(n) {
		return
	}
	before := &w.nodes[w.byName[n.name]]
	try := func(j int32) {
		if other := w.node(j); n.against(other) && w.ableBefore(other) && !before.against(&w.nodes[w.byName[other.name]]) {
			f(j)
		}
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

// replaces reports whether pacman would put a package in the place of another one.
func (n *node) replaces(other *node) bool {
	return slices.ContainsFunc(n.Replaces, func(text string) bool {
		d, err := alpm.ParseDep(text)
		return err == nil && d.Name == other.Name && d.SatisfiedBy(other.Version)
	})
}
