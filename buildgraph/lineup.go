package buildgraph

import (
	"slices"
)

// lineup is one order of the set that all kept edges and all possible orders
// over packages outside the set agree with.
type lineup struct {
	*middle
	deps  *csr    // the kept edges
	at    []int32 // by position: place in the set
	place []int32 // by place in the set: position
	group []int32 // by position: first position of the cycle it lies on
	end   []int32 // by position: position behind that cycle

	// Only packages that the middle needs directly can be needed over it. They
	// are the columns of all bitsets, in order of position.
	column  []int32  // by position: the first column that does not lie before it
	columns []int32  // by column: position
	before  []bitset // by position: the columns before it that the edges imply
	slab    []uint64 // space for them
}

// findThrough adds the orders that hold over packages outside the set and that
// the edges inside it do not imply already.
//
// Two packages of the set that lie on one cycle, over packages outside it,
// could each be said to come first. Those orders are not kept: edges inside the
// set are what the cycle's order is chosen by. All others are.
func (s *skeleton) findThrough(m *middle) {
	p := newLineup(m)
	if m.same { // nearly as many edges as there were
		p.through = make([]throughEdge, 0, len(m.known.around.edges)*9/8)
	}
	p.numberColumns()
	p.collectNeeds()
	need := newBitset(len(p.columns))
	for pos := range int32(len(p.at)) {
		p.implied(pos)
		if m.reached(p.at[pos], need) {
			p.addThrough(pos, need)
		}
	}
	p.traceAll()
}

// newLineup sorts the set by the cycles of all packages, dependencies first, inside
// a cycle by the kept edges.
func newLineup(m *middle) *lineup {
	p := &lineup{middle: m, deps: m.kept}
	p.at = p.inGroups(sortTopologically(m.kept, m.kept.reversedPlain()).order)
	n := len(p.at)
	p.place, p.group, p.end = make([]int32, n), make([]int32, n), make([]int32, n)
	for pos, l := range p.at {
		p.place[l], p.group[pos] = int32(pos), int32(pos)
		if pos > 0 && m.group(p.at[pos-1]) == m.group(l) {
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
	return p
}

// inGroups sorts places of the set by the cycle of all packages that they are on;
// those on one cycle stay in their order.
func (m *middle) inGroups(order []int32) []int32 {
	next := make([]int32, len(m.whole.size)+1)
	for l := range m.size() {
		next[m.group(l)+1]++
	}
	for group := range m.whole.size {
		next[group+1] += next[group]
	}
	sorted := make([]int32, len(order))
	for _, l := range order {
		group := m.group(l)
		sorted[next[group]] = l
		next[group]++
	}
	return sorted
}

// numberColumns finds the packages of the set that the middle needs directly.
func (p *lineup) numberColumns() {
	needed := make([]bool, len(p.at))
	for _, v := range p.middle.nodes {
		for _, u := range p.g.deps.row(v) {
			if l := p.skeleton.local[u]; l >= 0 {
				needed[p.place[l]] = true
			}
		}
	}
	p.column = make([]int32, len(p.at)+1)
	for pos, is := range needed {
		p.column[pos] = int32(len(p.columns))
		if is {
			p.columns = append(p.columns, int32(pos))
		}
	}
	p.column[len(p.at)] = int32(len(p.columns))
}

// isColumn reports whether the middle needs the package at a position.
func (p *lineup) isColumn(pos int32) bool { return p.column[pos] != p.column[pos+1] }

// implied computes what comes before a position by the kept edges. That lies at
// smaller positions, so the sets of the first ones are short.
func (p *lineup) implied(pos int32) {
	words := int(p.column[pos]+63) >> 6
	if len(p.slab) < words {
		p.slab = make([]uint64, max(words, slabWords))
	}
	b := bitset(p.slab[:words:words])
	p.slab = p.slab[words:]
	for _, l := range p.deps.row(p.at[pos]) {
		p.addBefore(b, p.place[l])
	}
	p.before[pos] = b
}

// addBefore adds a position and everything before it to a set of columns.
func (p *lineup) addBefore(b bitset, pos int32) {
	b.union(p.before[pos])
	if p.isColumn(pos) {
		b.add(p.column[pos])
	}
}

const slabWords = 1 << 14

// addThrough adds an edge for everything needed that does not come before pos
// already, the latest first because it implies most.
func (p *lineup) addThrough(pos int32, need bitset) {
	before := p.before[pos]
	need.subtract(before)
	if p.isColumn(pos) {
		need.remove(p.column[pos])
	}
	p.noteLoose(pos, need)
	for c := need.highest(); c >= 0; c = need.highest() {
		q := p.columns[c]
		p.through = append(p.through, throughEdge{before: p.at[q], after: p.at[pos], way: untraced})
		p.addBefore(before, q)
		need.subtract(before)
	}
}

// noteLoose takes out of need what lies on the same cycle as pos.
func (p *lineup) noteLoose(pos int32, need bitset) {
	lo, hi := p.column[p.group[pos]], p.column[p.end[pos]]
	if lo == hi {
		return
	}
	first := need.firstFrom(lo)
	n := need.clearRange(lo, hi)
	if n > 0 && p.loose.count == 0 {
		p.loose.before, p.loose.after = p.at[p.columns[first]], p.at[pos]
	}
	p.loose.count += n
}

// collectNeeds computes what of the set every component of the middle needs.
// Components are numbered dependencies first.
func (p *lineup) collectNeeds() {
	m := p.middle
	m.needs = newBitsets(len(m.comps.size), len(p.columns))
	byComp := make([]int32, len(m.nodes))
	for l := range byComp {
		byComp[l] = int32(l)
	}
	slices.SortStableFunc(byComp, func(a, b int32) int { return int(m.comps.of[a] - m.comps.of[b]) })
	for _, l := range byComp {
		p.collectNode(l)
	}
}

func (p *lineup) collectNode(l int32) {
	m := p.middle
	c := m.comps.of[l]
	for _, u := range m.g.deps.row(m.nodes[l]) {
		if in := m.skeleton.local[u]; in >= 0 {
			m.needs[c].add(p.column[p.place[in]])
		} else if o := m.local[u]; o >= 0 && m.comps.of[o] != c {
			m.needs[c].union(m.needs[m.comps.of[o]])
		}
	}
}
