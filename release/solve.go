package release

import "slices"

// network is clauses with what is looked up in them.
type network struct {
	clauses      []clause
	weights      []int     // by unit
	posIn, negIn [][]int32 // by unit: clauses with this literal
	pos          []int32   // by clause: units of pos
	only         []int32   // by clause: the unit of pos, where both neg and pos have one; else -1
	hard         []int32   // clauses with several units in neg
	single       []int32   // clauses that forbid a unit
}

// solver finds the largest set of units that satisfies the clauses of a network.
type solver struct {
	*network
	pos, out   []int32 // by clause: units of pos that go, and of neg that stay
	goes, must []bool  // by unit
	why        []int32 // by unit that stays: the clause; -1 when it was no candidate
	total      int     // weight of the units that go
	order      []int32 // units that stay, in the order of their removal
	done       int     // units of order whose clauses have been looked at

	proven bool
	bound  int // no set has more weight
}

// maxNodes bounds the search of one part; what was found until then is safe, too.
const maxNodes = 20000

// newNetwork prepares clauses over units. A unit weighs more than all preferred ones weigh
// more than others, so that no set has more units; those that do not count weigh nothing.
func newNetwork(clauses []clause, preferred, counts []bool) *network {
	n := len(counts)
	net := &network{clauses: clauses, weights: make([]int, n), posIn: make([][]int32, n), negIn: make([][]int32, n), pos: make([]int32, len(clauses)), only: make([]int32, len(clauses))}
	for k := range n {
		if counts[k] {
			net.weights[k] = n + 1
		}
		if counts[k] && preferred[k] {
			net.weights[k]++
		}
	}
	for i := range clauses {
		c := &clauses[i]
		net.pos[i] = int32(len(c.pos))
		for _, k := range c.pos {
			net.posIn[k] = append(net.posIn[k], int32(i))
		}
		for _, k := range c.neg {
			net.negIn[k] = append(net.negIn[k], int32(i))
		}
		net.only[i] = -1
		switch {
		case len(c.neg) == 1 && len(c.pos) == 1:
			net.only[i] = c.pos[0]
		case len(c.neg) > 1:
			net.hard = append(net.hard, int32(i))
		case len(c.pos) == 0:
			net.single = append(net.single, int32(i))
		}
	}
	return net
}

// lifted is added to the units of pos that go, so that a clause forbids nothing.
const lifted = 1 << 30

// solve returns the state with the largest set of candidates, as if the clauses in without
// were not there.
func (net *network) solve(candidate []bool, without []int32) *solver {
	n := len(net.weights)
	s := &solver{
		network: net, pos: slices.Clone(net.pos), out: make([]int32, len(net.clauses)),
		goes: make([]bool, n), must: make([]bool, n), why: make([]int32, n), proven: true,
	}
	for _, i := range without {
		s.pos[i] = lifted + net.pos[i]
	}
	for k := range n {
		s.goes[k] = true
		s.total += s.weights[k]
	}
	for k := range n {
		if !candidate[k] {
			s.remove(int32(k), -1)
		}
	}
	for _, i := range net.single {
		if s.pos[i] == 0 {
			s.remove(net.clauses[i].neg[0], i)
		}
	}
	s.propagate()
	s.bound = s.total
	for _, part := range s.parts() {
		s.decide(part)
	}
	return s
}

// remove takes a unit out of the set, and reports whether that is allowed.
func (s *solver) remove(k, why int32) bool {
	if s.goes[k] {
		if s.must[k] {
			return false
		}
		s.goes[k], s.why[k] = false, why
		s.order = append(s.order, k)
		s.total -= s.weights[k]
	}
	return true
}

// propagate removes what clauses with one negative literal forbid.
func (s *solver) propagate() bool {
	for ; s.done < len(s.order); s.done++ {
		k := s.order[s.done]
		for _, i := range s.negIn[k] {
			s.out[i]++
		}
		for n, i := range s.posIn[k] {
			s.pos[i]--
			c := &s.clauses[i]
			if s.pos[i] == 0 && len(c.neg) == 1 && !s.remove(c.neg[0], i) {
				for _, i := range s.posIn[k][n+1:] {
					s.pos[i]--
				}
				s.done++
				return false
			}
		}
	}
	return true
}

// undo takes back removals.
func (s *solver) undo(mark int) {
	for i := len(s.order) - 1; i >= mark; i-- {
		k := s.order[i]
		s.goes[k] = true
		s.total += s.weights[k]
		if i < s.done {
			for _, i := range s.negIn[k] {
				s.out[i]--
			}
			for _, i := range s.posIn[k] {
				s.pos[i]++
			}
		}
	}
	s.order, s.done = s.order[:mark], min(s.done, mark)
}

func (s *solver) violated(i int32) bool { return s.pos[i] == 0 && s.out[i] == 0 }

// part is the clauses that can be violated because of units about which can be decided
// without the others.
type part []int32

// parts splits what can follow from the violated clauses: whatever has to be removed
// because of one is in its part.
func (s *solver) parts() []part {
	parent := make([]int32, len(s.goes))
	for k := range parent {
		parent[k] = int32(k)
	}
	find := func(k int32) int32 {
		for parent[k] != k {
			parent[k] = parent[parent[k]]
			k = parent[k]
		}
		return k
	}
	left := slices.Clone(s.pos) // units of pos that are never removed
	reached := make([]bool, len(s.goes))
	var queue []int32
	trigger := func(i int32) {
		c := &s.clauses[i]
		first := find(c.neg[0])
		for _, list := range [][]int32{c.neg, c.pos} {
			for _, k := range list {
				if s.goes[k] {
					parent[find(k)] = first
				}
			}
		}
		for _, k := range c.neg {
			if !reached[k] {
				reached[k] = true
				queue = append(queue, k)
			}
		}
	}
	for _, i := range s.hard {
		if s.violated(i) {
			trigger(i)
		}
	}
	for len(queue) > 0 {
		k := queue[0]
		queue = queue[1:]
		for _, i := range s.posIn[k] {
			if left[i]--; left[i] == 0 && s.out[i] == 0 {
				trigger(i)
			}
		}
	}
	byRoot := map[int32]int{}
	var all []part
	for _, i := range s.hard {
		if left[i] > 0 || s.out[i] > 0 {
			continue
		}
		root := find(s.clauses[i].neg[0])
		n, known := byRoot[root]
		if !known {
			n = len(all)
			byRoot[root] = n
			all = append(all, nil)
		}
		all[n] = append(all[n], i)
	}
	return all
}

// search is branch and bound on a part (Land and Doig 1960): in each branch another unit of a
// violated clause stays.
type search struct {
	*solver
	hard  part
	mark  int // removals of before
	nodes int
	best  int // weight of all units that go
	found []removal
}

type removal struct{ unit, why int32 }

// decide removes the lightest units of a part with which no clause is violated.
func (s *solver) decide(p part) {
	x := &search{solver: s, hard: p, mark: len(s.order), best: -1}
	before := s.total
	least := x.least()
	x.branch()
	for _, r := range x.found {
		s.remove(r.unit, r.why)
	}
	s.propagate()
	if x.nodes > maxNodes {
		s.proven = false
		s.bound -= least
	} else {
		s.bound -= before - s.total
	}
}

// least returns a weight that any solution loses: that of the lightest unit of each of some
// violated clauses that share none. It is negative when there is no solution.
func (x *search) least() int {
	sum := 0
	used := map[int32]bool{}
	for _, i := range x.hard {
		if !x.violated(i) {
			continue
		}
		lightest, free := -1, true
		for _, k := range x.clauses[i].neg {
			if !x.must[k] && (lightest < 0 || x.weights[k] < lightest) {
				lightest = x.weights[k]
			}
			free = free && !used[k]
		}
		if lightest < 0 {
			return -1
		}
		if !free {
			continue
		}
		for _, k := range x.clauses[i].neg {
			used[k] = true
		}
		sum += lightest
	}
	return sum
}

func (x *search) branch() {
	x.nodes++
	if x.nodes > maxNodes && x.best >= 0 {
		return
	}
	least := x.least()
	if least < 0 || x.total-least <= x.best {
		return
	}
	chosen := int32(-1)
	for _, i := range x.hard {
		if x.violated(i) && (chosen < 0 || x.free(i) < x.free(chosen)) {
			chosen = i
		}
	}
	if chosen < 0 {
		x.best, x.found = x.total, x.found[:0]
		for _, k := range x.order[x.mark:] {
			x.found = append(x.found, removal{k, x.why[k]})
		}
		return
	}
	type option struct {
		unit   int32
		weight int
	}
	var options []option
	mark := len(x.order)
	for _, k := range x.clauses[chosen].neg {
		if x.must[k] {
			continue
		}
		if x.remove(k, chosen) && x.propagate() {
			options = append(options, option{k, x.total})
		}
		x.undo(mark)
	}
	slices.SortStableFunc(options, func(a, b option) int { return b.weight - a.weight })
	for _, o := range options {
		if x.remove(o.unit, chosen) && x.propagate() {
			x.branch()
		}
		x.undo(mark)
		x.must[o.unit] = true
	}
	for _, o := range options {
		x.must[o.unit] = false
	}
}

// free counts the units of a clause that may still stay.
func (x *search) free(i int32) int {
	n := 0
	for _, k := range x.clauses[i].neg {
		if !x.must[k] {
			n++
		}
	}
	return n
}
