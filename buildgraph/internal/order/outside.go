package order

import (
	"slices"

	"buildbtw"
	"buildbtw/buildgraph/internal/link"
	"buildbtw/internal/graph"
)

// Through is an order that holds over packages outside the set: Before is needed
// by the first of its way, the last of it is needed by After.
type Through struct {
	Before, After int32 // places in the set
	Kinds         buildbtw.EdgeKinds
	Way           int32 // place in Outside.Ways
}

// Outside is the packages outside the set over which an order can hold: some
// package of the set needs them, and they need some package of the set. All
// kinds of dependencies count.
//
// The edges that Find adds are those of a transitive reduction (Aho, Garey,
// Ullman 1972) of all those orders: no more than the edges inside the set do not
// imply already.
type Outside struct {
	Edges []Through // by after, then before
	Ways  [][]int32 // graph nodes that the edges go over, the one nearest to Before first

	// Contradictions counts the orders, over packages outside, between packages of the
	// set that lie on one cycle. They add no edges: each of the packages could come
	// first, and the order on a cycle is chosen by the edges inside the set. FirstBefore
	// and FirstAfter are the places of the first contradiction.
	Contradictions          int
	FirstBefore, FirstAfter int32

	set    *Set
	nodes  []int32   // graph nodes, ascending
	local  []int32   // by graph node: place in nodes, outside
	users  graph.CSR // who of the nodes needs one, by place
	comps  *graph.Components
	cycles *graph.Components // of all packages
}

// NewOutside finds the packages outside a set over which an order can hold. It
// needs no cuts yet.
func NewOutside(s *Set) *Outside {
	o := &Outside{set: s}
	if len(s.Nodes) < 2 { // there is nothing to order
		return o
	}
	needs, users := s.reach(&s.Graph.Deps.CSR), s.reach(&s.Graph.Users.CSR)
	for v := range int32(len(s.Local)) {
		if s.Local[v] < 0 && users.Has(v) && needs.Has(v) {
			o.nodes = append(o.nodes, v)
		}
	}
	if len(o.nodes) == 0 {
		return o
	}
	o.local = places(len(s.Local), o.nodes)
	deps := s.Graph.Deps.Subgraph(o.nodes, o.local)
	o.comps, o.users = graph.StronglyConnected(&deps.CSR), deps.CSR.Reversed()
	o.cycles = s.Graph.Components()
	return o
}

// reach returns the set and the nodes outside it that edges lead to from it over
// nodes outside it.
func (s *Set) reach(edges *graph.CSR) graph.Bitset {
	seen, queue := graph.NewBitset(len(s.Local)), append(make([]int32, 0, len(s.Local)), s.Nodes...)
	for _, v := range s.Nodes {
		seen.Add(v)
	}
	for head := 0; head < len(queue); head++ {
		for _, u := range edges.Row(queue[head]) {
			if !seen.Has(u) {
				seen.Add(u)
				queue = append(queue, u)
			}
		}
	}
	return seen
}

// cycleOf is the number of the cycle of all packages that a place of the set lies
// on.
func (o *Outside) cycleOf(l int32) int32 { return o.cycles.Of[o.set.Nodes[l]] }

// Find adds the orders that hold over packages outside the set and that the kept
// edges inside it do not imply. The set's packages are walked in one order that
// all edges agree with, dependencies first.
func (o *Outside) Find() {
	if len(o.nodes) == 0 {
		return
	}
	e := newExtension(o)
	e.numberColumns()
	e.collectNeeds()
	need := graph.NewBitset(len(e.columns))
	for pos := range int32(len(e.at)) {
		e.implied(pos)
		if e.neededOver(pos, need) {
			e.addEdges(pos, need)
		}
	}
	o.traceWays()
}

// extension is a linear extension of the set's order: it agrees with all kept
// edges and with all orders over packages outside the set.
type extension struct {
	*Outside
	at    []int32 // by position: place in the set
	place []int32 // by place in the set: position
	first []int32 // by position: first position of the cycle it lies on
	end   []int32 // by position: position behind that cycle

	// Only packages that outside ones need directly can be needed over them. They
	// are the columns of all bitsets, in order of position.
	column  []int32        // by position: the first column that does not lie before it
	columns []int32        // by column: position
	needs   []graph.Bitset // by component outside: the columns it needs, however far
	before  []graph.Bitset // by position: the columns before it that the edges imply
	slab    []uint64       // space for them
}

// newExtension sorts the set by the cycles of all packages, dependencies first,
// inside a cycle by the kept edges.
func newExtension(o *Outside) *extension {
	e := &extension{Outside: o}
	users := o.set.Kept.CSR.Reversed()
	order, _, _ := graph.TopologicalOrder(&users) // the cuts leave no cycle
	cycle := make([]int32, len(order))
	for i, l := range order {
		cycle[i] = o.cycleOf(l)
	}
	byCycle := graph.New(len(o.cycles.Size), cycle, order)
	e.at = byCycle.To
	n := len(e.at)
	e.place, e.first, e.end = make([]int32, n), make([]int32, n), make([]int32, n)
	for pos, l := range e.at {
		c := o.cycleOf(l)
		e.place[l], e.first[pos], e.end[pos] = int32(pos), byCycle.Off[c], byCycle.Off[c+1]
	}
	e.before = make([]graph.Bitset, n)
	return e
}

// numberColumns finds the packages of the set that outside ones need directly.
func (e *extension) numberColumns() {
	needed := make([]bool, len(e.at))
	for _, v := range e.nodes {
		for _, u := range e.set.Graph.Deps.Row(v) {
			if l := e.set.Local[u]; l >= 0 {
				needed[e.place[l]] = true
			}
		}
	}
	e.column = make([]int32, len(e.at)+1)
	for pos, is := range needed {
		e.column[pos] = int32(len(e.columns))
		if is {
			e.columns = append(e.columns, int32(pos))
		}
	}
	e.column[len(e.at)] = int32(len(e.columns))
}

func (e *extension) isColumn(pos int32) bool { return e.column[pos] != e.column[pos+1] }

// collectNeeds computes the packages of the set that each component outside needs.
// Components are numbered dependencies first.
func (e *extension) collectNeeds() {
	e.needs = graph.NewBitsets(len(e.comps.Size), len(e.columns))
	for _, l := range e.comps.Sorted() {
		c := e.comps.Of[l]
		for _, u := range e.set.Graph.Deps.Row(e.nodes[l]) {
			if in := e.set.Local[u]; in >= 0 {
				e.needs[c].Add(e.column[e.place[in]])
			} else if out := e.local[u]; out >= 0 && e.comps.Of[out] != c {
				e.needs[c].Union(e.needs[e.comps.Of[out]])
			}
		}
	}
}

const slabWords = 1 << 14

// implied computes the set of columns that come before a position by the edges that were
// not cut. They lie at smaller positions, so the sets of the first positions are short.
func (e *extension) implied(pos int32) {
	words := int(e.column[pos]+63) >> 6
	if len(e.slab) < words {
		e.slab = make([]uint64, max(words, slabWords))
	}
	b := graph.Bitset(e.slab[:words:words])
	e.slab = e.slab[words:]
	for _, l := range e.set.Kept.Row(e.at[pos]) {
		e.addBefore(b, e.place[l])
	}
	e.before[pos] = b
}

// addBefore adds a position and everything before it to a set of columns.
func (e *extension) addBefore(b graph.Bitset, pos int32) {
	b.Union(e.before[pos])
	if e.isColumn(pos) {
		b.Add(e.column[pos])
	}
}

// neededOver finds the columns that a position needs over packages outside.
func (e *extension) neededOver(pos int32, into graph.Bitset) bool {
	clear(into)
	found := false
	for _, u := range e.set.Graph.Deps.Row(e.set.Nodes[e.at[pos]]) {
		if l := e.local[u]; l >= 0 {
			into.Union(e.needs[e.comps.Of[l]])
			found = true
		}
	}
	return found
}

// addEdges adds an edge for everything needed that does not come before pos
// already, the latest first because it implies most. A column on the same cycle as pos
// is a contradiction.
func (e *extension) addEdges(pos int32, need graph.Bitset) {
	before := e.before[pos]
	need.Subtract(before)
	if e.isColumn(pos) {
		need.Remove(e.column[pos])
	}
	if lo, hi := e.column[e.first[pos]], e.column[e.end[pos]]; lo < hi {
		first := need.Next(lo)
		n := need.RemoveRange(lo, hi)
		if n > 0 && e.Contradictions == 0 {
			e.FirstBefore, e.FirstAfter = e.at[e.columns[first]], e.at[pos]
		}
		e.Contradictions += n
	}
	for c := need.Max(); c >= 0; c = need.Max() {
		q := e.columns[c]
		e.Edges = append(e.Edges, Through{Before: e.at[q], After: e.at[pos]})
		e.addBefore(before, q)
		need.Subtract(before)
	}
}

// traceWays finds a shortest way for every edge. Many packages need few of the
// set: one search from each of those few serves them all.
func (o *Outside) traceWays() {
	n := len(o.set.Nodes)
	o.Edges = sortThrough(o.Edges, n, func(e *Through) int32 { return e.After })
	byBefore := sortThrough(o.Edges, n, func(e *Through) int32 { return e.Before })
	t, searched := newTrace(o), int32(outside)
	for i := range byBefore {
		if e := &byBefore[i]; e.Before != searched {
			t.search(e.Before)
			searched = e.Before
		}
		t.trace(&byBefore[i])
	}
	o.Edges = sortThrough(byBefore, n, func(e *Through) int32 { return e.After })
}

// sortThrough sorts edges by a number below n; equal ones stay in their order.
func sortThrough(edges []Through, n int, number func(*Through) int32) []Through {
	next := make([]int32, n+1)
	for i := range edges {
		next[number(&edges[i])+1]++
	}
	for v := range n {
		next[v+1] += next[v]
	}
	out := make([]Through, len(edges))
	for i := range edges {
		at := &next[number(&edges[i])]
		out[*at] = edges[i]
		*at++
	}
	return out
}

// trace is a breadth-first search backwards from one package of the set after
// the other. Slices are by place outside, and valid where mark is the round.
type trace struct {
	*Outside
	mark  []int32
	next  []int32 // the node that this one needs on its way; outside: the end
	far   []int32 // edges to the end
	way   []int32 // the way that begins here, as place in Ways; -1
	round int32
	queue []int32
}

func newTrace(o *Outside) *trace {
	n := len(o.nodes)
	return &trace{Outside: o, mark: make([]int32, n), next: make([]int32, n), far: make([]int32, n), way: make([]int32, n)}
}

// search finds, for all outside that need a package of the set, how far away it
// is.
func (t *trace) search(before int32) {
	t.round++
	t.queue = t.queue[:0]
	reach := func(l, next, far int32) {
		t.mark[l], t.next[l], t.far[l], t.way[l] = t.round, next, far, -1
		t.queue = append(t.queue, l)
	}
	for _, u := range t.set.Graph.Users.Row(t.set.Nodes[before]) {
		if l := t.local[u]; l >= 0 {
			reach(l, outside, 1)
		}
	}
	for head := 0; head < len(t.queue); { // the queue grows
		v := t.queue[head]
		head++
		for _, u := range t.users.Row(v) {
			if t.mark[u] != t.round {
				reach(u, v, t.far[v]+1)
			}
		}
	}
}

// trace sets the way of an edge: over the nearest direct dependency, the first by name
// among equally near ones.
func (t *trace) trace(e *Through) {
	after, first := t.set.Nodes[e.After], int32(-1)
	kinds := t.set.Graph.Deps.RowKinds(after)
	for i, u := range t.set.Graph.Deps.Row(after) {
		if l := t.local[u]; l >= 0 && t.mark[l] == t.round && (first < 0 || t.far[l] < t.far[first]) {
			first, e.Kinds = l, kinds[i]
		}
	}
	if t.way[first] < 0 {
		t.way[first] = int32(len(t.Ways))
		way := make([]int32, t.far[first])
		for i, l := len(way)-1, first; i >= 0; i, l = i-1, t.next[l] {
			way[i] = t.nodes[l]
		}
		t.Ways = append(t.Ways, way)
	}
	e.Way = t.way[first]
}

// merged returns the kept edges with the orders over outside packages among them,
// and by edge the place of its order in Edges, -1 for a kept one.
func (o *Outside) merged() (edges link.Edges, via []int32) {
	kept, next, n := &o.set.Kept, 0, len(o.set.Kept.To)+len(o.Edges)
	edges, via = link.NewEdges(len(o.set.Nodes), n), slices.Repeat([]int32{-1}, n)
	for v := range kept.Nodes() {
		row, kinds := kept.Row(v), kept.RowKinds(v)
		for ; next < len(o.Edges) && o.Edges[next].After == v; next++ {
			e := &o.Edges[next]
			at, _ := slices.BinarySearch(row, e.Before)
			edges.AddRow(row[:at], kinds[:at])
			via[len(edges.To)] = int32(next)
			edges.Add(e.Before, e.Kinds)
			row, kinds = row[at:], kinds[at:]
		}
		edges.AddRow(row, kinds)
		edges.EndRow()
	}
	return edges, via
}
