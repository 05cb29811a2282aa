package release

import (
	"maps"
	"slices"
	"strings"

	"buildbtw/pacman/alpm"
)

// clause is a disjunction: one of the units in neg stays, or one of those in pos goes. The rest
// says which rule it comes from.
type clause struct {
	neg, pos []int32
	kind     Kind
	view     int
	pkg      *Package // that would be in trouble; nil for rules about units
	owner    int32    // the unit whose package it is; -1 for one of the repositories
	need     string   // the dependency, the library, the file or the name
}

// question is a problem over a base, while it is answered.
type question struct {
	base    *Base
	units   []Unit           // those of the problem, and one for each package to be dropped
	real    int              // units of the problem
	index   map[string]int32 // by pkgbase
	held    []Held           // by unit: why it is no candidate; Kind is empty when it is one
	clauses []clause
	worlds  []*world
	waived  map[string]bool                // pkgnames whose dependencies may become unmet
	owned   map[string]map[string][]string // see Problem
	doubt   bool                           // of a package it was not found out whether it can be installed

	literals []int32 // see keep
}

// receiver returns the index of the repository that a unit names; -1 when the view has it not.
func (v *view) receiver(u Unit) int {
	return slices.IndexFunc(v.Repositories, func(r Repository) bool { return r.Name == u.Repository })
}

// newQuestion finds the candidates and lays out the clauses.
func newQuestion(b *Base, p Problem) *question {
	q := &question{
		base: b, units: slices.Clone(p.Units), real: len(p.Units), index: map[string]int32{}, held: make([]Held, len(p.Units)), waived: map[string]bool{},
		owned: p.Owned,
	}
	slices.SortStableFunc(q.units, func(x, y Unit) int { return strings.Compare(x.Pkgbase, y.Pkgbase) })
	for i, u := range q.units {
		q.index[u.Pkgbase] = int32(i)
		q.held[i] = Held{Pkgbase: u.Pkgbase, Kind: u.NotReady, Detail: u.Detail}
	}
	for _, name := range p.Waivers.Break {
		q.waived[name] = true
	}
	for _, pkgbase := range p.Waivers.Hold {
		if k, ok := q.index[pkgbase]; ok && q.held[k].Kind == "" {
			q.held[k].Kind = ByHand
		}
	}
	nodes, names := b.parsed.of(b.names, q.units)
	q.clauses = make([]clause, 0, len(b.views)*needs(nodes))
	for _, v := range b.views {
		q.worlds = append(q.worlds, q.world(nodes, names, v))
	}
	q.findShared()
	q.dropPackages(p.Waivers.Drop)
	for i, w := range q.worlds {
		w.findReplacers(q)
		t := &translator{question: q, world: w, view: i, touched: make([]bool, names)}
		t.translate()
	}
	for k := range q.units {
		for _, pkgbase := range q.units[k].BuiltWith {
			if l, ok := q.index[pkgbase]; ok && int(l) != k {
				q.add(clause{neg: []int32{int32(k)}, pos: []int32{l}, kind: BuiltAgainst, owner: int32(k)})
			}
		}
	}
	for _, pair := range p.Waivers.Together {
		x, one := q.index[pair[0]]
		y, other := q.index[pair[1]]
		if one && other {
			q.add(clause{neg: []int32{x}, pos: []int32{y}, kind: Together, owner: x})
			q.add(clause{neg: []int32{y}, pos: []int32{x}, kind: Together, owner: y})
		}
	}
	return q
}

// needs counts the dependencies of packages: there are about as many clauses.
func needs(nodes [][]node) (sum int) {
	for _, list := range nodes {
		for i := range list {
			sum += len(list[i].needs)
		}
	}
	return sum
}

// add keeps a clause unless it always holds. The lists of units may be used again for another one.
func (q *question) add(c clause) {
	slices.Sort(c.neg)
	slices.Sort(c.pos)
	c.neg, c.pos = slices.Compact(c.neg), slices.Compact(c.pos)
	for _, k := range c.neg {
		if q.held[k].Kind != "" || slices.Contains(c.pos, k) {
			return
		}
	}
	c.neg, c.pos = q.keep(c.neg), q.keep(c.pos)
	q.clauses = append(q.clauses, c)
}

// keep copies a list of units. There are tens of thousands of one or two, so that many share
// the memory that was asked for once.
func (q *question) keep(list []int32) []int32 {
	if cap(q.literals)-len(q.literals) < len(list) {
		q.literals = make([]int32, 0, max(4096, len(list)))
	}
	from := len(q.literals)
	q.literals = append(q.literals, list...)
	return q.literals[from:len(q.literals):len(q.literals)]
}

// world adds the packages of units, parsed, to a view, and finds the units that are no candidates
// because of what the view has.
func (q *question) world(nodes [][]node, names int32, v *view) *world {
	w := &world{view: v, offered: make([][]offer, names)}
	for k := range q.units {
		u, has := &q.units[k], false
		for i := range u.Packages {
			p := &u.Packages[i]
			if p.Architecture != "any" && p.Architecture != v.Architecture {
				continue
			}
			has = true
			n := nodes[k][i]
			n.fresh, n.repo = int32(k), -1
			if old, ok := v.byName[n.name]; ok && !q.compare(int32(k), &n, &v.nodes[old], v) {
				continue
			}
			for _, o := range n.offers {
				o.node = int32(len(v.nodes) + len(w.extra))
				w.offered[o.name] = append(w.offered[o.name], o)
			}
			w.extra = append(w.extra, n)
		}
		if !has && len(v.byBase[u.Pkgbase]) > 0 && q.held[k].Kind == "" { // it was not built for here
			q.held[k].Kind, q.held[k].View = Architecture, v.Name
		}
	}
	return w
}

// findReplacers finds which unit takes the place of each package of the view, going. A package of
// a repository before the one that receives the unit stays.
func (w *world) findReplacers(q *question) {
	w.replacers = make([]int32, len(w.nodes))
	for i := range w.replacers {
		w.replacers[i] = -1
	}
	for k := range q.units {
		u := &q.units[k]
		first := w.receiver(*u)
		for _, i := range w.byBase[u.Pkgbase] {
			if w.nodes[i].repo >= first {
				w.replacers[i] = int32(k)
			}
		}
	}
	for k := q.real; k < len(q.units); k++ { // packages to be dropped
		i, ok := w.byName[q.base.names.ids[q.name(int32(k))]]
		if !ok {
			continue
		}
		if w.replacers[i] = -1; w.nodes[i].repo >= w.receiver(q.units[k]) {
			w.replacers[i] = int32(k)
		}
	}
}

// compare holds a unit that pacman would not take for newer, or not see. It reports whether those
// who use the view get the package: one whose version they have already, from a repository before
// the one that receives it, holds nobody, and they keep theirs.
func (q *question) compare(k int32, n, old *node, v *view) (visible bool) {
	visible = old.repo >= v.receiver(q.units[k])
	h := &q.held[k]
	newer := alpm.Vercmp(n.Version, old.Version)
	switch {
	case h.Kind != "", visible && newer > 0, !visible && newer == 0:
		return visible
	case visible:
		h.Kind = NotNewer
	default:
		h.Kind = Hidden
	}
	h.View, h.Package, h.Dependency = v.Name, n.Name+" "+n.Version, v.Repositories[old.repo].Name+" has "+old.Version
	return visible
}

// findShared holds all units that build a pkgname which another candidate builds, too.
func (q *question) findShared() {
	var held []Held
	for _, w := range q.worlds {
		owner := map[int32]int32{}
		for i := range w.extra {
			n := &w.extra[i]
			if q.held[n.fresh].Kind != "" {
				continue
			}
			if k, ok := owner[n.name]; ok && k != n.fresh {
				one, other := q.units[k].Pkgbase, q.units[n.fresh].Pkgbase
				held = append(held,
					Held{Pkgbase: one, Kind: SharesName, View: w.Name, Package: n.Name, Via: other},
					Held{Pkgbase: other, Kind: SharesName, View: w.Name, Package: n.Name, Via: one})
			}
			owner[n.name] = n.fresh
		}
	}
	for _, h := range held {
		if k := q.index[h.Pkgbase]; q.held[k].Kind == "" {
			q.held[k] = h
		}
	}
}

// dropPackages adds a unit without packages for each package to be dropped. It takes the
// place of the unit of that pkgbase, unless that is a candidate, which replaces it.
func (q *question) dropPackages(names []string) {
	for _, name := range names {
		for _, w := range q.worlds {
			for i := range w.nodes {
				n := &w.nodes[i]
				if n.Name != name {
					continue
				}
				if k, ok := q.index[n.Base]; ok && (int(k) >= q.real || q.held[k].Kind == "") {
					continue
				}
				key := linkPrefix + name
				if _, known := q.index[key]; !known {
					q.index[key] = int32(len(q.units))
					q.units = append(q.units, Unit{Pkgbase: key, Repository: w.Repositories[n.repo].Name})
					q.held = append(q.held, Held{Pkgbase: key})
				}
			}
		}
	}
}

// translator makes the clauses of one view.
type translator struct {
	*question
	*world
	view    int
	touched []bool // by name: units have or replace something that offers it

	neg, pos []int32 // room for those of one clause, which most often turns out not to be needed
}

func (t *translator) translate() {
	for i, k := range t.replacers {
		if k >= 0 {
			t.touch(&t.nodes[i])
		}
	}
	for i := range t.extra {
		if t.held[t.extra[i].fresh].Kind == "" {
			t.touch(&t.extra[i])
		}
	}
	for name, touched := range t.touched {
		if !touched || name >= len(t.users) {
			continue
		}
		for _, u := range t.users[name] {
			n := &t.nodes[u.node]
			t.need(n, u.node, &n.needs[u.need])
		}
	}
	for i := range t.extra {
		n := &t.extra[i]
		if t.held[n.fresh].Kind != "" {
			continue
		}
		t.move(n)
		for j := range n.needs {
			d := &n.needs[j]
			t.need(n, int32(len(t.nodes)+i), d)
			if d.link {
				t.builtAgainst(n, d)
			}
		}
	}
	t.shareFiles()
}

func (t *translator) touch(n *node) {
	for _, o := range n.offers {
		t.touched[o.name] = true
	}
}

// need adds the clause of one dependency: the package is not there, or one that meets
// it is.
func (t *translator) need(n *node, i int32, d *dependency) {
	if t.waived[n.Name] || n.meetsItself(d) || t.unmet[[2]int32{n.name, d.name}] {
		return
	}
	c := clause{neg: t.neg[:0], pos: t.pos[:0], kind: Unmet, view: t.view, pkg: n.Package, owner: n.fresh, need: d.text}
	if d.link {
		c.kind = Links
	}
	if int(d.name) < len(t.users) {
		for j := range t.offers[d.name] {
			o := &t.offers[d.name][j]
			if !o.meets(d) {
				continue
			}
			k := t.replacers[o.node]
			if k < 0 || t.held[k].Kind != "" {
				return // it stays
			}
			c.neg = append(c.neg, k)
		}
	}
	for _, o := range t.offersOf(d.name) {
		if o.meets(d) {
			c.pos = append(c.pos, t.node(o.node).fresh)
		}
	}
	if n.fresh >= 0 {
		c.neg = append(c.neg, n.fresh)
	} else if k := t.replacers[i]; k >= 0 {
		c.pos = append(c.pos, k)
	}
	t.neg, t.pos = c.neg, c.pos
	if d.link && t.mayBeThere(c, i) {
		return
	}
	t.add(c)
}

// mayBeThere reports whether a library may be in a package of the repositories of which
// it is not known: in one that a unit with the library replaces, or in any when no
// package is known to have it. user is the one that links with it.
func (t *translator) mayBeThere(c clause, user int32) bool {
	if t.linksUnknown == 0 {
		return false
	}
	if c.owner >= 0 && len(c.neg) == 1 && len(c.pos) == 0 {
		return true
	}
	for i := range t.nodes {
		if k := t.replacers[i]; k >= 0 && t.nodes[i].Sonames == nil && slices.Contains(c.pos, k) && (c.owner >= 0 || k != t.replacers[user]) {
			return true
		}
	}
	return false
}

// move ties a name that moves to another pkgbase to the unit that gives it up.
func (t *translator) move(n *node) {
	old, ok := t.byName[n.name]
	if !ok || t.nodes[old].Base == t.units[n.fresh].Pkgbase {
		return
	}
	c := clause{neg: []int32{n.fresh}, kind: Moves, view: t.view, pkg: t.nodes[old].Package, owner: -1, need: n.Name}
	if k := t.replacers[old]; k >= 0 {
		c.pos = []int32{k}
	}
	t.add(c)
}

// builtAgainst ties a package to the new version of a library that it was built with, unless
// both versions export the same symbols.
func (t *translator) builtAgainst(n *node, d *dependency) {
	for _, o := range t.offersOf(d.name) {
		l := t.node(o.node)
		if l.fresh == n.fresh || int(d.name) >= len(t.users) {
			continue
		}
		for _, before := range t.offers[d.name] {
			old := &t.nodes[before.node]
			exports, known := old.Exports[d.Name]
			if t.replacers[before.node] != l.fresh || known && exports == l.Exports[d.Name] {
				continue
			}
			t.add(clause{neg: []int32{n.fresh}, pos: []int32{l.fresh}, kind: BuiltAgainst, view: t.view, pkg: n.Package, owner: n.fresh, need: d.Name})
		}
	}
}

// shareFiles forbids that a file gets a second owner, unless the owners conflict or shared
// a file before.
func (t *translator) shareFiles() {
	owners := map[string][]int32{}
	for i := range t.extra {
		if t.held[t.extra[i].fresh].Kind != "" {
			continue
		}
		for _, file := range t.extra[i].Files {
			owners[file] = append(owners[file], int32(len(t.nodes)+i))
		}
	}
	if len(owners) == 0 {
		return
	}
	before := map[[2]int32]bool{} // names of packages that shared a file already
	owned := t.owned[t.Name]
	for i := range t.nodes {
		n := &t.nodes[i]
		for _, file := range n.Files {
			t.alsoOwns(int32(i), file, owners, before)
		}
		for _, file := range owned[n.Name] {
			t.alsoOwns(int32(i), file, owners, before)
		}
	}
	done := map[[2]int32]bool{}
	for _, file := range sortedKeys(owners) {
		list := owners[file]
		for x, i := range list {
			for _, j := range list[x+1:] {
				a, b := t.node(i), t.node(j)
				if a.fresh < 0 { // at least one is new, or it was so before
					a, b, i, j = b, a, j, i
				}
				if a.fresh < 0 || a.name == b.name || done[[2]int32{i, j}] || before[[2]int32{a.name, b.name}] || a.against(b) {
					continue
				}
				done[[2]int32{i, j}] = true
				c := clause{neg: []int32{a.fresh}, kind: Files, view: t.view, pkg: b.Package, owner: b.fresh, need: file}
				if b.fresh >= 0 {
					c.neg = append(c.neg, b.fresh)
				} else if k := t.replacers[j]; k >= 0 {
					c.pos = append(c.pos, k)
				}
				t.add(c)
			}
		}
	}
}

// alsoOwns adds a package of the repositories to the owners of a file that units have, and
// its pairs with others of the repositories to before.
func (t *translator) alsoOwns(i int32, file string, owners map[string][]int32, before map[[2]int32]bool) {
	list, ok := owners[file]
	if !ok {
		return
	}
	for _, j := range list {
		if int(j) < len(t.nodes) {
			x, y := t.nodes[i].name, t.nodes[j].name
			before[[2]int32{x, y}], before[[2]int32{y, x}] = true, true
		}
	}
	owners[file] = append(list, i)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
