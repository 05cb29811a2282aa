package buildgraph

import (
	"slices"
)

// lineup is one order of the set that all kept edges and all possible orders
// over packages outside the set agree with.
type lineup struct {
	*middle
	deps   *csr    // the kept edges
	at     []int32 // by position: place in the set
	place  []int32 // by place in the set: position
	group  []int32 // by position: first position of the cycle it lies on
	end    []int32 // by position: position behind that cycle
	before []bitset
	tracer *trace
}

// findThrough adds the orders that hold over packages outside the set and that
// the edges inside it do not imply already.
//
// Two packages of the set that lie on one cycle, over packages outside it,
// could each be said to come first. Those orders are not kept: edges inside the
// set are what the cycle's order is chosen by. All others are.
func (s *skeleton) findThrough() {
	m := s.findMiddle()
	if m == nil {
		return
	}
	p := newLineup(m, s.kept())
	m.collectNeeds(p.place)
	need := newBitset(len(s.nodes))
	for pos := range int32(len(p.at)) {
		p.implied(pos)
		if m.reached(p.at[pos], need) {
			p.addThrough(pos, need)
		}
	}
}

// newLineup sorts the set by the cycles of the whole (the set and the middle),
// inside a cycle by the kept edges.
func newLineup(m *middle, kept *csr) *lineup {
	p := &lineup{middle: m, deps: kept}
	group := m.wholeComponents()
	d := sortTopologically(kept, kept.reversed())
	p.at = slices.Clone(d.order)
	slices.SortStableFunc(p.at, func(a, b int32) int { return int(group[a] - group[b]) })
	n := len(p.at)
	p.place, p.group, p.end = make([]int32, n), make([]int32, n), make([]int32, n)
	for pos, l := range p.at {
		p.place[l], p.group[pos] = int32(pos), int32(pos)
		if pos > 0 && group[p.at[pos-1]] == group[l] {
			p.group[pos] = p.group[pos-1]
		}
	}
	for pos := n - 1; pos >= 0; pos-- {
		p.end[pos] = int32(pos + 1)
		if pos+1 < n && p.group[pos+1] == p.group[pos] {
			p.end[pos] = p.end[pos+1]
		}
	}
	p.before = make([]bitset, n)
	p.tracer = newTrace(len(m.g.units))
	return p
}

// wholeComponents numbers the cycles of the set together with the middle,
// dependencies first; by place in the set.
func (m *middle) wholeComponents() []int32 {
	all := slices.Concat(m.skeleton.nodes, m.nodes)
	slices.Sort(all)
	local := make([]int32, len(m.g.units))
	for v := range local {
		local[v] = -1
	}
	for l, v := range all {
		local[v] = int32(l)
	}
	comps := findComponents(m.g.deps.subgraph(all, local))
	of := make([]int32, len(m.skeleton.nodes))
	for l, v := range m.skeleton.nodes {
		of[l] = comps.of[local[v]]
	}
	return of
}

// implied computes what comes before a position by the kept edges.
func (p *lineup) implied(pos int32) {
	b := newBitset(len(p.at))
	for _, l := range p.deps.row(p.at[pos]) {
		q := p.place[l]
		b.union(p.before[q])
		b.add(q)
	}
	p.before[pos] = b
}

// addThrough adds an edge for everything needed that does not come before pos
// already, the latest first because it implies most.
func (p *lineup) addThrough(pos int32, need bitset) {
	before := p.before[pos]
	need.subtract(before)
	need.remove(pos)
	p.noteLoose(pos, need)
	var added []int32
	for q := need.highest(); q >= 0; q = need.highest() {
		added = append(added, p.at[q])
		before.union(p.before[q])
		before.add(q)
		need.subtract(before)
	}
	if len(added) > 0 {
		p.trace(p.at[pos], added)
	}
}

func (p *lineup) noteLoose(pos int32, need bitset) {
	lo, hi := p.group[pos], p.end[pos]
	if hi-lo < 2 {
		return
	}
	first := need.firstFrom(lo)
	n := need.clearRange(lo, hi)
	if n > 0 && p.loose.count == 0 {
		p.loose.before, p.loose.after = p.at[first], p.at[pos]
	}
	p.loose.count += n
}
