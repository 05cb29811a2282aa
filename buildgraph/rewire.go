package buildgraph

import "slices"

// rewire resolves the dependencies of some nodes (ascending) anew and takes all
// other rows from an older graph, which has the same nodes with the same names.
func (g *graph) rewire(old *graph, ix *Index, moved []int32) {
	l := &linker{ix: ix, graph: g}
	l.words = ix.words.snapshot()
	l.learnWords()
	l.resolveOf(moved)
	n, edges := len(g.units), len(old.deps.to)
	for _, v := range moved {
		edges += len(g.units[v].needs)
	}
	row, next := newRowBuilder(n, newEdgeRows(n, edges)), int32(0)
	for _, v := range moved {
		row.takeOld(old, next, v)
		l.connectNode(row, v)
		next = v + 1
	}
	row.takeOld(old, next, int32(n))
	l.rows, l.bad = row.edgeRows, row.bad
	l.deps = &l.rows.csr
	l.users, l.whole = l.deps.reversed(), &cycles{}
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

// resolveOf looks up what some nodes need and nobody needed before.
func (l *linker) resolveOf(nodes []int32) {
	l.targets, l.constrained = slices.Clip(l.targets), slices.Clip(l.constrained)
	for _, v := range nodes {
		for _, n := range l.units[v].needs {
			if l.links[n.word].state != linkUnknown {
				continue
			}
			l.targets = l.resolve(n.word, l.targets)
			if l.words[n.word].constrained() {
				l.constrained = append(l.constrained, n.word)
			}
		}
	}
}

// takeOld appends the rows of an older graph from a node up to another, and
// what of them cannot be met.
func (r *rowBuilder) takeOld(old *graph, from, to int32) {
	r.take(&old.rows, span{int(from), int(to)})
	for _, b := range old.bad {
		if from <= b.node && b.node < to {
			r.bad = append(r.bad, b)
		}
	}
}
