package buildgraph

import "buildbtw"

// edgeRows are the rows of some nodes in a row: what a graph's deps are made
// of. Beside every edge stands the dependency that made it, for reasons. Of
// several the strongest counts (see tells).
type edgeRows struct {
	csr
	label []int32
	match []match
}

func newEdgeRows(nodes, edges int) edgeRows {
	return edgeRows{
		csr:   csr{off: make([]int32, 1, nodes+1), to: make([]int32, 0, edges), kinds: make([]buildbtw.EdgeKinds, 0, edges)},
		label: make([]int32, 0, edges),
		match: make([]match, 0, edges),
	}
}

// take appends some rows of another.
func (r *edgeRows) take(from *edgeRows, s span) {
	a, b := from.off[s.from], from.off[s.to]
	shift := int32(len(r.to)) - a
	r.to, r.kinds = append(r.to, from.to[a:b]...), append(r.kinds, from.kinds[a:b]...)
	r.label, r.match = append(r.label, from.label[a:b]...), append(r.match, from.match[a:b]...)
	for _, off := range from.off[s.from+1 : s.to+1] {
		r.off = append(r.off, off+shift)
	}
}

const leastConnected = 512 // nodes of a part

// connect fills the rows of deps, on all processors.
func (l *linker) connect() {
	parts := spans(len(l.units), leastConnected)
	rows := make([]*rowBuilder, len(parts))
	each(parts, func(i int, s span) { rows[i] = l.connectPart(s) })
	edges := 0
	for _, r := range rows {
		edges += len(r.to)
	}
	l.rows = newEdgeRows(len(l.units), edges)
	for i, s := range parts {
		l.rows.take(&rows[i].edgeRows, span{0, s.to - s.from})
		l.bad = append(l.bad, rows[i].bad...)
	}
	l.deps = &l.rows.csr
}

// connectPart makes the rows of some nodes.
func (l *linker) connectPart(s span) *rowBuilder {
	needs := 0
	for _, u := range l.units[s.from:s.to] {
		needs += len(u.needs)
	}
	row := newRowBuilder(len(l.units), newEdgeRows(s.to-s.from, needs))
	for v := s.from; v < s.to; v++ {
		l.connectNode(row, int32(v))
	}
	return row
}

// connectNode appends a node's row.
func (l *linker) connectNode(row *rowBuilder, v int32) {
	row.reset(v)
	for _, need := range l.units[v].needs {
		found := &l.links[need.word]
		for _, t := range l.targets[found.from:found.to] {
			row.add(t, need, l.words)
		}
		if found.state != linkMet {
			row.bad = append(row.bad, bad{v, need.word})
		}
	}
	row.flush()
}
