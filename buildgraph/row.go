package buildgraph

import (
	"slices"

	"buildbtw"
)

// rowBuilder makes one node's row after the other, each dependency once.
type rowBuilder struct {
	edgeRows
	bad   []bad
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

func newRowBuilder(nodes int, rows edgeRows) *rowBuilder {
	r := &rowBuilder{edgeRows: rows, place: make([]int32, nodes)}
	for i := range r.place {
		r.place[i] = -1
	}
	return r
}

func (r *rowBuilder) reset(node int32) { r.node, r.cells = node, r.cells[:0] }

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

// flush appends the row.
func (r *rowBuilder) flush() {
	r.sort()
	for i := range r.cells {
		c := &r.cells[i]
		r.place[c.to] = -1
		r.to, r.kinds = append(r.to, c.to), append(r.kinds, c.kinds)
		r.label, r.match = append(r.label, c.label), append(r.match, c.match)
	}
	r.off = append(r.off, int32(len(r.to)))
}

const shortRow = 24 // cells; insertion sorts them quicker than anything else

func (r *rowBuilder) sort() {
	if len(r.cells) > shortRow {
		slices.SortFunc(r.cells, func(a, b cell) int { return int(a.to) - int(b.to) })
		return
	}
	for i := 1; i < len(r.cells); i++ {
		c, j := r.cells[i], i
		for ; j > 0 && r.cells[j-1].to > c.to; j-- {
			r.cells[j] = r.cells[j-1]
		}
		r.cells[j] = c
	}
}
