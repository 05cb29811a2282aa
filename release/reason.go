package release

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Held is a unit that stays, with the reason.
type Held struct {
	Pkgbase   string
	Changeset bool
	Kind      Kind
	Detail    string // of the caller

	View       string   // where the rule would be broken
	Package    string   // name and version of the package that would be in trouble
	Base       string   // its pkgbase
	New        bool     // it is one that was built, not one of the repositories
	Dependency string   // the dependency that nothing would meet, the library, the file
	Before     string   // the repository that has Package, when it stands before the one that receives units: the package stays
	Via        string   // the unit that would put it right, and stays itself
	Others     []string // of a choice: the units that go instead

	Root     string // the pkgbase where the chain of reasons ends
	RootKind Kind   // why that one stays; empty: nobody built it
}

// Reason returns the reason as a sentence without its subject: "its build failed".
func (h Held) Reason() string {
	what := h.Package
	if h.New {
		what = "its " + what
	}
	via := ""
	if h.Via != "" {
		via = "; " + h.Via + " would help, but is held, too"
	}
	switch h.Kind {
	case Failed:
		return h.or("its build failed")
	case Blocked:
		return h.or("it waits for a build that failed or was cancelled")
	case NotBuilt:
		return h.or("it is not built yet")
	case Check:
		return h.or("a check that blocks failed")
	case Architecture:
		return h.or("it is not built for " + h.View)
	case ByHand:
		return h.or("somebody holds it")
	case NotNewer:
		return fmt.Sprintf("%s is not newer: in %s %s", h.Package, h.View, h.Dependency)
	case Hidden:
		return fmt.Sprintf("%s would be hidden: %s, and comes first (%s)", h.Package, h.Dependency, h.View)
	case SharesName:
		return fmt.Sprintf("%s is built by %s, too", h.Package, h.Via)
	case Moves:
		return fmt.Sprintf("%s moves here from %s, which stays", h.Dependency, h.Base)
	case Together:
		return fmt.Sprintf("it goes only together with %s, which is held", h.Via)
	case BuiltAgainst:
		if h.Dependency == "" {
			return fmt.Sprintf("it was built with %s, which is held", h.Via)
		}
		return fmt.Sprintf("%s was built with the %s of %s, which is held", what, h.Dependency, h.Via)
	case Files:
		return fmt.Sprintf("%s has /%s, too", what, strings.TrimPrefix(h.Dependency, "/"))
	case NotInstalled:
		return fmt.Sprintf("%s could not be installed any more%s", what, via)
	case Choice:
		return fmt.Sprintf("either it goes or %s (%s)", strings.Join(h.Others, ", "), strings.TrimSpace(what+" needs "+h.Dependency))
	}
	return h.need(what, via)
}

// need says which dependency would not be met.
func (h Held) need(what, via string) string {
	verb := "needs"
	if h.Kind == Links {
		verb = "links with"
	}
	switch {
	case h.New && h.Via != "":
		return fmt.Sprintf("%s %s %s, which only the new %s has", what, verb, h.Dependency, h.Via)
	case h.New:
		return fmt.Sprintf("%s %s %s, which nothing in %s has", what, verb, h.Dependency, h.View)
	case h.Before != "":
		return fmt.Sprintf("%s of %s %s %s, which would be gone; release what replaces it to %s first", what, h.Before, verb, h.Dependency, h.Before)
	case h.Via == "":
		return fmt.Sprintf("%s in the repositories %s %s, which would be gone, and was not rebuilt", what, verb, h.Dependency)
	}
	return fmt.Sprintf("%s in the repositories %s %s, which would be gone%s", what, verb, h.Dependency, via)
}

func (h Held) or(words string) string { return cmp.Or(h.Detail, words) }

// Change is a changeset that is held, with all that has to go with it.
type Change struct {
	Pkgbase string
	Needs   int // units, itself included
	Missing []Missing
}

// Missing is a pkgbase without which a changeset cannot go.
type Missing struct {
	Pkgbase string
	Kind    Kind // why its unit is no candidate; empty: it has none
}

func (m Missing) String() string {
	return m.Pkgbase + " (" + cmp.Or(string(m.Kind), "not in the set") + ")"
}

// WayOut is something that a person may do so that more units go.
type WayOut struct {
	Do    Way
	Names []string // pkgbases to mend or to rebuild, pkgnames to break or to drop, or dependencies
	Frees int      // units that go then and do not now
	For   string   // the changeset that goes then; empty when it is about all
}

// Way is the kind of a way out.
type Way string

// The ways out.
const (
	Mend   Way = "fix"    // make the builds succeed, or rebuild what is not in the set
	Drop   Way = "drop"   // take the packages out of the repositories
	Break  Way = "break"  // let their dependencies be unmet
	Compat Way = "compat" // a package that has the old libraries, beside the new ones
)

// Leaving is a package that nothing takes the place of when the set is released.
type Leaving struct {
	Pkgname, Pkgbase, View string
	ReplacedBy             string // a package of the set that replaces it: machines get that one
}

// change is a decision in thought.
type change struct {
	fixed   []int32 // units that are built after all
	without []int32 // clauses that forbid nothing any more
}

// outside is the pkgbases whose packages of the repositories clauses are about.
type outside struct {
	pkgbases []string  // sorted
	clauses  [][]int32 // of each
	of       []int32   // by clause: index of its pkgbase; -1 when it is about a package of a unit, or none
}

func (net *network) outside() outside {
	o := outside{of: make([]int32, len(net.clauses))}
	by := map[string][]int32{}
	for i := range net.clauses {
		o.of[i] = -1
		if c := &net.clauses[i]; c.pkg != nil && c.owner < 0 {
			by[c.pkg.Base] = append(by[c.pkg.Base], int32(i))
		}
	}
	o.pkgbases = sortedKeys(by)
	o.clauses = make([][]int32, len(o.pkgbases))
	for n, pkgbase := range o.pkgbases {
		o.clauses[n] = by[pkgbase]
		for _, i := range by[pkgbase] {
			o.of[i] = int32(n)
		}
	}
	return o
}

// about returns the clauses about packages of a pkgbase.
func (o *outside) about(pkgbase string) []int32 {
	if n, ok := slices.BinarySearch(o.pkgbases, pkgbase); ok {
		return o.clauses[n]
	}
	return nil
}

// result explains a solution.
func (q *question) result(s *solver, atMost int) *Result {
	r := &Result{Proven: s.proven && !q.doubt}
	position := make([]int, len(q.units))
	for i, k := range s.order {
		position[k] = i
	}
	for k := range q.units {
		switch {
		case k >= q.real && s.goes[k]:
			r.Dropped = append(r.Dropped, strings.TrimPrefix(q.units[k].Pkgbase, linkPrefix))
		case k >= q.real:
		case s.goes[k]:
			r.Goes = append(r.Goes, q.units[k].Pkgbase)
		default:
			r.Held = append(r.Held, q.explain(s, int32(k), position))
		}
	}
	r.AtMost = max(atMost, len(r.Goes))
	if r.Proven {
		r.AtMost = len(r.Goes)
	}
	r.LinksUnknown, r.FilesUnknown = q.base.linksUnknown, q.base.filesUnknown
	o := s.outside()
	q.waysOut(s, &o, r, q.changesets(s, &o, r))
	q.leaves(s, r)
	q.apart(s, r)
	return r
}

// explain returns why a unit stays, and follows the reasons to their root.
func (q *question) explain(s *solver, k int32, position []int) Held {
	h, via := q.direct(s, k, position)
	last, end := h, via
	for via >= 0 { // each was removed before the one that it holds
		end, via = via, q.through(s, via, position)
	}
	if end >= 0 {
		last, _ = q.direct(s, end, position)
	}
	h.Root, h.RootKind = last.Pkgbase, last.Kind
	if l, ok := q.index[last.Pkgbase]; ok && q.held[l].Kind == Blocked && q.units[l].Root != "" {
		h.Root, h.RootKind = q.units[l].Root, Failed
		if root, ok := q.index[h.Root]; ok {
			h.RootKind = q.held[root].Kind
		}
	}
	if outside := last.Base; outside != "" && !last.New && (last.Kind == Unmet || last.Kind == Links || last.Kind == NotInstalled || last.Kind == Moves) {
		h.Root, h.RootKind = outside, ""
	}
	return h
}

// direct returns why a unit stays, without the root, and the unit through which.
func (q *question) direct(s *solver, k int32, position []int) (h Held, via int32) {
	h = q.held[k]
	h.Changeset = q.units[k].Changeset
	if s.why[k] < 0 {
		return h, -1
	}
	c := &s.clauses[s.why[k]]
	h.Kind, h.Dependency, h.New = c.kind, c.need, c.owner >= 0
	if c.pkg != nil {
		h.Package, h.Base, h.View = c.pkg.Name+" "+c.pkg.Version, c.pkg.Base, q.base.views[c.view].Name
		if c.owner < 0 {
			h.Before = q.before(q.base.views[c.view], c.pkg, q.units[k])
		}
	}
	for _, other := range c.neg {
		if other != k && s.goes[other] {
			h.Others = append(h.Others, q.name(other))
		}
	}
	if len(h.Others) > 0 {
		h.Kind = Choice
		return h, -1
	}
	if via = q.through(s, k, position); via >= 0 {
		h.Via = q.name(via)
	}
	return h, via
}

// through returns the unit through which another one stays; -1 when there is none, or a choice
// was made.
func (q *question) through(s *solver, k int32, position []int) (via int32) {
	if s.why[k] < 0 {
		return -1
	}
	c := &s.clauses[s.why[k]]
	for _, other := range c.neg {
		if other != k && s.goes[other] {
			return -1
		}
	}
	via = -1
	for _, other := range c.pos {
		if via < 0 || position[other] < position[via] {
			via = other
		}
	}
	return via
}

// before returns the repository that has a package of a view, if it stands before the one that
// receives a unit; else nothing.
func (q *question) before(v *view, p *Package, u Unit) string {
	if repo := v.nodes[v.byName[q.base.names.ids[p.Name]]].repo; repo < v.receiver(u) {
		return v.Repositories[repo].Name
	}
	return ""
}

func (q *question) name(k int32) string { return strings.TrimPrefix(q.units[k].Pkgbase, linkPrefix) }

// changesets tells of each held changeset all that has to go with it: of several units that
// would meet a dependency one that can go, if there is one.
func (q *question) changesets(s *solver, o *outside, r *Result) (unmet []map[string]bool) {
	for k := range q.real {
		if !q.units[k].Changeset || s.goes[k] || q.held[k].Kind != "" {
			continue
		}
		needs, missing, without := q.needs(s, o, int32(k))
		r.Changesets = append(r.Changesets, Change{Pkgbase: q.units[k].Pkgbase, Needs: needs, Missing: missing})
		unmet = append(unmet, without)
	}
	return unmet
}

// maxUnmet bounds the dependencies for which a compat package is a way out.
const maxUnmet = 3

// needs follows the clauses forward from a unit that is to go, and counts the units that have
// to go then. It also returns the dependencies for which something is missing, but not more than
// maxUnmet and one.
func (q *question) needs(s *solver, o *outside, k int32) (many int, missing []Missing, unmet map[string]bool) {
	units, absent := make([]bool, len(q.units)), make([]bool, len(o.pkgbases)) // that are to go; that nobody built
	var lacking []Missing                                                      // units
	units[k], unmet = true, map[string]bool{}
	without := func(need string) {
		if need != "" && len(unmet) <= maxUnmet { // empty: it goes only together with what it was built with
			unmet[need] = true
		}
	}
	there := func(l int32) bool { return units[l] && q.held[l].Kind == "" }
	missed := func(l int32) bool { return !units[l] }
	queue := []int32{k}
	for many = 0; many < len(queue); many++ {
		k := queue[many]
		if q.held[k].Kind != "" {
			lacking = append(lacking, Missing{q.name(k), q.held[k].Kind})
			continue
		}
		lacks := false
		for _, i := range s.negIn[k] {
			if l := s.only[i]; l >= 0 && there(l) {
				continue
			}
			c := &s.clauses[i]
			if len(c.neg) > 1 && slices.ContainsFunc(c.neg, missed) || slices.ContainsFunc(c.pos, there) {
				continue
			}
			best := int32(-1)
			for _, l := range c.pos {
				if best < 0 || q.held[best].Kind != "" && q.held[l].Kind == "" || !s.goes[best] && s.goes[l] {
					best = l
				}
			}
			switch {
			case best < 0 && o.of[i] >= 0:
				absent[o.of[i]] = true
				without(c.need)
			case best < 0 && !lacks:
				lacks = true
				lacking = append(lacking, Missing{q.name(k), c.kind})
			case best >= 0:
				if q.held[best].Kind != "" {
					without(c.need)
				}
				if !units[best] {
					units[best] = true
					queue = append(queue, best)
				}
			}
		}
	}
	slices.SortFunc(lacking, func(a, b Missing) int { return strings.Compare(a.Pkgbase, b.Pkgbase) })
	return many, o.merge(absent, lacking), unmet
}

// merge returns units that are missing, by pkgbase, and those of the pkgbases that nobody built and
// that have no unit either.
func (o *outside) merge(absent []bool, units []Missing) []Missing {
	count := len(units)
	for _, is := range absent {
		if is {
			count++
		}
	}
	if count == 0 {
		return nil
	}
	list := make([]Missing, 0, count)
	for n, is := range absent {
		if !is {
			continue
		}
		for len(units) > 0 && units[0].Pkgbase < o.pkgbases[n] {
			list, units = append(list, units[0]), units[1:]
		}
		if len(units) == 0 || units[0].Pkgbase != o.pkgbases[n] {
			list = append(list, Missing{Pkgbase: o.pkgbases[n]})
		}
	}
	return append(list, units...)
}

// maxWays bounds the changesets for which ways out are looked for.
const maxWays = 8

// goAfter counts the units that go when something is done.
func (q *question) goAfter(s *solver, x change) (n int) {
	candidate := make([]bool, len(q.units))
	for k := range candidate {
		candidate[k] = q.held[k].Kind == ""
	}
	for _, k := range x.fixed {
		candidate[k] = true
	}
	after := s.network.solve(candidate, x.without)
	for k := range q.real {
		if after.goes[k] {
			n++
		}
	}
	return n
}

// waysOut tries what people can do about all roots together, and about those of each
// changeset, with the dependencies for which something is missing. One root alone often frees
// nothing: a change of a library needs all its users.
func (q *question) waysOut(s *solver, o *outside, r *Result, unmet []map[string]bool) {
	now := len(r.Goes)
	var tried [][]string // roots
	try := func(way WayOut, x change) {
		if way.Frees = q.goAfter(s, x) - now; way.Frees > 0 && len(way.Names) > 0 && !slices.ContainsFunc(r.WaysOut, func(w WayOut) bool { return w.Do == way.Do && slices.Equal(w.Names, way.Names) }) {
			r.WaysOut = append(r.WaysOut, way)
		}
	}
	about := func(of string, roots []string) {
		if slices.ContainsFunc(tried, func(before []string) bool { return slices.Equal(before, roots) }) {
			return
		}
		tried = append(tried, roots)
		var mend, spare change
		for _, root := range roots {
			if k, ok := q.index[root]; ok {
				mend.fixed = append(mend.fixed, k)
			} else {
				mend.without = append(mend.without, o.about(root)...)
			}
			spare.without = append(spare.without, o.about(root)...)
		}
		try(WayOut{Do: Mend, Names: roots, For: of}, mend)
		names, needed := q.packagesOf(roots)
		try(WayOut{Do: Break, Names: names, For: of}, spare)
		if !needed {
			try(WayOut{Do: Drop, Names: names, For: of}, spare)
		}
	}
	compat := func(of string, unmet map[string]bool) {
		if len(unmet) > 0 && len(unmet) <= maxUnmet {
			var offered change
			for i := range s.clauses {
				if unmet[s.clauses[i].need] {
					offered.without = append(offered.without, int32(i))
				}
			}
			try(WayOut{Do: Compat, Names: sortedKeys(unmet), For: of}, offered)
		}
	}
	roots := map[string]bool{}
	for _, h := range r.Held {
		switch h.RootKind {
		case "", Failed, Blocked, NotBuilt, Check, Architecture:
			roots[h.Root] = true
		}
	}
	if len(roots) > 0 {
		about("", sortedKeys(roots))
	}
	for i, c := range r.Changesets {
		if i == maxWays {
			break
		}
		names := make([]string, len(c.Missing))
		for i, m := range c.Missing {
			names[i] = m.Pkgbase
		}
		if len(names) > 0 {
			about(c.Pkgbase, names)
			compat(c.Pkgbase, unmet[i])
		}
	}
	slices.SortStableFunc(r.WaysOut, func(a, b WayOut) int { return b.Frees - a.Frees })
}

// packagesOf lists the packages that the repositories have of pkgbases, and reports whether
// others need them.
func (q *question) packagesOf(pkgbases []string) (names []string, needed bool) {
	of := map[string]bool{}
	for _, pkgbase := range pkgbases {
		of[pkgbase] = true
	}
	for _, v := range q.base.views {
		for pkgbase := range of {
			for _, i := range v.byBase[pkgbase] {
				n := &v.nodes[i]
				names = append(names, n.Name)
				needed = needed || slices.ContainsFunc(n.offers, func(o offer) bool { return v.needs(o.name, of) })
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), needed
}

// needs reports whether a package that is of none of the pkgbases needs something of a name that
// only they have.
func (v *view) needs(name int32, of map[string]bool) bool {
	return slices.ContainsFunc(v.users[name], func(u use) bool {
		user := &v.nodes[u.node]
		return !of[user.Base] && !slices.ContainsFunc(v.offers[name], func(p offer) bool {
			return !of[v.nodes[p.node].Base] && p.meets(&user.needs[u.need])
		})
	})
}

// leaves lists the packages that are in the repositories and are not after the release.
func (q *question) leaves(s *solver, r *Result) {
	for _, w := range q.worlds {
		there, replaced := map[int32]bool{}, map[string]string{}
		for i := range w.extra {
			if n := &w.extra[i]; s.goes[n.fresh] {
				there[n.name] = true
				for _, name := range n.Replaces {
					name, _, _ = strings.Cut(strings.NewReplacer("<", "=", ">", "=").Replace(name), "=")
					replaced[name] = n.Name
				}
			}
		}
		for i := range w.nodes {
			n, k := &w.nodes[i], w.replacers[i]
			if k >= 0 && s.goes[k] && !there[n.name] {
				r.Leaves = append(r.Leaves, Leaving{n.Name, n.Base, w.Name, replaced[n.Name]})
			}
		}
	}
}
