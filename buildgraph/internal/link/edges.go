package link

import (
	"slices"

	"buildbtw"
	"buildbtw/internal/graph"
)

// Edges is a graph whose edges have kinds. Rows are sorted.
type Edges struct {
	graph.CSR
	Kinds []buildbtw.EdgeKinds // by place in To
}

// NewEdges makes room for a graph that is filled row by row.
func NewEdges(nodes, edges int) Edges {
	return Edges{
		CSR:   graph.CSR{Off: make([]int32, 1, nodes+1), To: make([]int32, 0, edges)},
		Kinds: make([]buildbtw.EdgeKinds, 0, edges),
	}
}

// Add puts an edge into the last row.
func (e *Edges) Add(to int32, kinds buildbtw.EdgeKinds) {
	e.To, e.Kinds = append(e.To, to), append(e.Kinds, kinds)
}

// AddRow puts edges into the last row.
func (e *Edges) AddRow(to []int32, kinds []buildbtw.EdgeKinds) {
	e.To, e.Kinds = append(e.To, to...), append(e.Kinds, kinds...)
}

// EndRow begins the next row.
func (e *Edges) EndRow() { e.Off = append(e.Off, int32(len(e.To))) }

// RowKinds lists the kinds of a node's edges.
func (e *Edges) RowKinds(v int32) []buildbtw.EdgeKinds { return e.Kinds[e.Off[v]:e.Off[v+1]] }

// Reversed returns the graph with every edge turned round.
func (e *Edges) Reversed() Edges {
	r := Edges{CSR: e.CSR.Reversed(), Kinds: make([]buildbtw.EdgeKinds, len(e.Kinds))}
	next := slices.Clone(r.Off)
	for i, u := range e.To {
		r.Kinds[next[u]] = e.Kinds[i]
		next[u]++
	}
	return r
}

// Subgraph returns the edges between some nodes (ascending), which are numbered
// anew; local is the new number by node, -1 for the others.
func (e *Edges) Subgraph(nodes, local []int32) Edges {
	size := 0
	for _, v := range nodes {
		size += len(e.Row(v))
	}
	s := NewEdges(len(nodes), size)
	for _, v := range nodes {
		kinds := e.RowKinds(v)
		for i, u := range e.Row(v) {
			if l := local[u]; l >= 0 {
				s.Add(l, kinds[i])
			}
		}
		s.EndRow()
	}
	return s
}

// Only returns the graph with some of the edges.
func (e *Edges) Only(keep func(edge int32) bool) Edges {
	k := NewEdges(int(e.Nodes()), len(e.To))
	for v := range e.Nodes() {
		for i := e.Off[v]; i < e.Off[v+1]; i++ {
			if keep(i) {
				k.Add(e.To[i], e.Kinds[i])
			}
		}
		k.EndRow()
	}
	return k
}
