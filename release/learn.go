package release

import "slices"

// Largest returns the largest set of units that is safe.
func (b *Base) Largest(p Problem) *Result {
	q := newQuestion(b, p)
	candidate := make([]bool, len(q.units))
	for k := range candidate {
		candidate[k] = q.held[k].Kind == ""
	}
	atMost := -1 // as it was known before packages for which it was not found out whether they can be installed
	for {
		s := q.network().solve(candidate, nil)
		if atMost < 0 || !q.doubt {
			atMost = s.bound / (len(q.units) + 1)
		}
		if !q.learn(s) {
			return q.result(s, atMost)
		}
	}
}

func (q *question) network() *network {
	preferred, counts := make([]bool, len(q.units)), make([]bool, len(q.units))
	for k := range q.units {
		preferred[k], counts[k] = q.units[k].Changeset, k < q.real
	}
	return newNetwork(q.clauses, preferred, counts)
}

// maxLearned bounds the clauses that are added before the next attempt: often one
// explains many packages.
const maxLearned = 8

// learn looks for packages that could be installed before and cannot be any more, adds
// clauses that forbid it, and reports whether there were any.
func (q *question) learn(s *solver) bool {
	learned := 0
	for view, w := range q.worlds {
		w.present = make([]bool, len(w.nodes)+len(w.extra))
		for i := range w.nodes {
			w.present[i] = w.replacers[i] < 0 || !s.goes[w.replacers[i]]
		}
		for i := range w.extra {
			w.present[len(w.nodes)+i] = s.goes[w.extra[i].fresh]
		}
		wanted := func(i int32) bool { n := w.node(i); return !q.waived[n.Name] && w.ableBefore(n) }
		newFinder(w).installable(wanted, func(i int32) bool {
			n := w.node(i)
			c := clause{kind: NotInstalled, view: view, pkg: n.Package, owner: n.fresh}
			if q.supersede(w, n, s, &c) {
				return true
			}
			needed, installable := q.needed(w, i)
			if installable {
				return true
			}
			require(w, &c, i, needed)
			q.clauses = append(q.clauses, c)
			learned++
			return learned < maxLearned
		})
	}
	return learned > 0
}

// ableBefore reports whether a package of this name could be installed before.
func (w *world) ableBefore(n *node) bool {
	old, ok := w.byName[n.name]
	return ok && w.able[old]
}

// supersede reports whether a package of a unit that goes conflicts with this one and
// provides it, as it did not before: it is superseded then. Of other units it adds
// to the clause that they go.
func (q *question) supersede(w *world, n *node, s *solver, c *clause) bool {
	for _, o := range w.offersOf(n.name) {
		by := w.node(o.node)
		if !by.conflictsWith(n) || q.held[by.fresh].Kind != "" {
			continue
		}
		if old, ok := w.byName[by.name]; ok && w.nodes[old].conflictsWith(n) && slices.ContainsFunc(w.nodes[old].offers, func(o offer) bool { return o.name == n.name }) {
			continue
		}
		if s.goes[by.fresh] {
			return true
		}
		c.pos = append(c.pos, by.fresh)
	}
	return false
}

// needed returns few packages, none of which is in the repositories now and without which
// the package cannot be installed, whichever units go. It is installable if it turns out
// to be, all the same.
func (q *question) needed(w *world, i int32) (absent []int32, installable bool) {
	every := make([]bool, len(w.present))
	for j := range every {
		every[j] = j < len(w.nodes) || q.held[w.extra[j-len(w.nodes)].fresh].Kind == ""
	}
	without := func(list []int32) *finder {
		x := *w
		x.present = slices.Clone(every)
		for _, j := range list {
			x.present[j] = false
		}
		x.consistent = x.together
		return newFinder(&x)
	}
	for {
		f := without(absent)
		members := f.witness(i)
		if members == nil {
			if f.gaveUp {
				q.doubt = true
				return w.reach(i, every), false
			}
			break
		}
		before := len(absent)
		for _, m := range members {
			if !w.present[m] {
				absent = append(absent, m)
			}
		}
		if len(absent) == before {
			return nil, true
		}
	}
	for j := len(absent) - 1; j >= 0; j-- {
		fewer := slices.Delete(slices.Clone(absent), j, j+1)
		if f := without(fewer); f.witness(i) == nil && !f.gaveUp {
			absent = fewer
		}
	}
	return absent, false
}

// together reports whether two packages can be in the repositories at one time: not the old
// packages and the new ones of a unit.
func (w *world) together(a, b int32) bool {
	if (int(a) < len(w.nodes)) == (int(b) < len(w.nodes)) {
		return true
	}
	a, b = min(a, b), max(a, b)
	return w.replacers[a] != w.node(b).fresh
}

// reach lists what is absent of all that a package could be installed with.
func (w *world) reach(i int32, every []bool) (absent []int32) {
	x := *w
	x.present = every
	seen := map[int32]bool{i: true}
	queue := []int32{i}
	for len(queue) > 0 {
		n := x.node(queue[0])
		queue = queue[1:]
		for _, d := range n.needs {
			x.candidates(&d, func(j int32) bool {
				if !seen[j] {
					seen[j] = true
					queue = append(queue, j)
					if !w.present[j] {
						absent = append(absent, j)
					}
				}
				return false
			})
		}
	}
	return absent
}

// require completes a clause: the package is not there, or one of these is.
func require(w *world, c *clause, i int32, needed []int32) {
	there := func(j int32, is bool) {
		k, old := w.node(j).fresh, false
		if int(j) < len(w.nodes) {
			k, old = w.replacers[j], true
		}
		switch {
		case k < 0: // always there
		case is != old:
			c.pos = append(c.pos, k)
		default:
			c.neg = append(c.neg, k)
		}
	}
	there(i, false)
	for _, j := range needed {
		there(j, true)
	}
	slices.Sort(c.neg)
	slices.Sort(c.pos)
	c.neg, c.pos = slices.Compact(c.neg), slices.Compact(c.pos)
}
