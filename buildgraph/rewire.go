package buildgraph

import (
	"slices"

	"buildbtw"
)

// rewire resolves the dependencies of some nodes (ascending) anew and takes all
// other rows from an older graph, which has the same nodes with the same names.
func (g *graph) rewire(old *graph, ix *Index, moved []int32) {
	l := &linker{ix: ix, graph: g}
	l.words = ix.words.snapshot()
	l.learnWords()
	l.constrained, l.bad = slices.Clip(old.constrained), make([]bad, 0, len(old.bad))
	n := len(g.units)
	edges := len(old.deps.to)
	for _, v := range moved {
		edges += len(g.units[v].needs)
	}
	l.deps = &csr{off: make([]int32, 1, n+1), to: make([]int32, 0, edges), kinds: make([]buildbtw.EdgeKinds, 0, edges)}
	l.label, l.match = make([]int32, 0, edges), make([]match, 0, edges)
	row, next := newRowBuilder(n), int32(0)
	for _, v := range moved {
		l.takeRows(old, next, v)
		l.connectNode(row, v)
		next = v + 1
	}
	l.takeRows(old, next, int32(n))
	l.users = l.deps.reversed()
	l.inherit(old)
}

// learnWords makes room for words that came up since the graph was linked.
// Nobody has them as a name or provides them.
func (l *linker) learnWords() {
	more := len(l.words) - len(l.links)
	l.links = append(slices.Grow(slices.Clone(l.links), more), make([]link, more)...)
	if more == 0 {
		return
	}
	l.owner, l.offers.off = slices.Clone(l.owner), slices.Clone(l.offers.off)
	for range more {
		l.owner = append(l.owner, -1)
		l.offers.off = append(l.offers.off, int32(len(l.offers.list)))
	}
}

// takeRows appends the rows of an older graph from a node up to another, and
// what of them cannot be met.
func (l *linker) takeRows(old *graph, from, to int32) {
	a, b := old.deps.off[from], old.deps.off[to]
	shift := int32(len(l.deps.to)) - a
	l.deps.to = append(l.deps.to, old.deps.to[a:b]...)
	l.deps.kinds = append(l.deps.kinds, old.deps.kinds[a:b]...)
	l.label, l.match = append(l.label, old.label[a:b]...), append(l.match, old.match[a:b]...)
	for v := from; v < to; v++ {
		l.deps.off = append(l.deps.off, old.deps.off[v+1]+shift)
	}
	for _, b := range old.bad {
		if from <= b.node && b.node < to {
			l.bad = append(l.bad, b)
		}
	}
}
