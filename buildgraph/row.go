package buildgraph

import (
	"slices"

	"buildbtw"
)

// rowBuilder collects one node's dependencies, each once.
type rowBuilder struct {
	node  int32
	place []int32 // by node: place in cells, -1
	cells []cell
}

type cell struct {
	to     int32
	kinds  buildbtw.EdgeKinds
	label  int32 // the dependency that stands for the edge
	strong buildbtw.EdgeKinds
	match  match
}

func newRowBuilder(nodes int) *rowBuilder {
	r := &rowBuilder{place: make([]int32, nodes)}
	for i := range r.place {
		r.place[i] = -1
	}
	return r
}

func (r *rowBuilder) reset(node int32) {
	for i := range r.cells {
		r.place[r.cells[i].to] = -1
	}
	r.node, r.cells = node, r.cells[:0]
}

// add puts a dependency into the row. One on the node itself is none: packages
// of one pkgbase are built together.
func (r *rowBuilder) add(t target, n need, words []word) {
	if t.node == r.node {
		return
	}
	c := cell{to: t.node, kinds: n.kind, label: n.word, strong: n.kind, match: t.match}
	at := r.place[t.node]
	if at < 0 {
		r.place[t.node] = int32(len(r.cells))
		r.cells = append(r.cells, c)
		return
	}
	have := &r.cells[at]
	c.kinds |= have.kinds
	if !c.tells(have, words) {
		c.label, c.strong, c.match = have.label, have.strong, have.match
	}
	*have = c
}

// tells reports whether c's dependency says more than d's about why the edge
// is there: a stronger kind, then a library before a name before a provide,
// then the first by name.
func (c *cell) tells(d *cell, words []word) bool {
	switch {
	case c.strong != d.strong:
		return c.strong < d.strong
	case c.match != d.match:
		return c.match > d.match
	}
	return words[c.label].text < words[d.label].text
}

// flush appends the row to the graph.
func (r *rowBuilder) flush(g *graph) {
	slices.SortFunc(r.cells, func(a, b cell) int { return int(a.to) - int(b.to) })
	for _, c := range r.cells {
		g.deps.to = append(g.deps.to, c.to)
		g.deps.kinds = append(g.deps.kinds, c.kinds)
		g.label = append(g.label, c.label)
		g.match = append(g.match, c.match)
	}
	g.deps.off = append(g.deps.off, int32(len(g.deps.to)))
}
