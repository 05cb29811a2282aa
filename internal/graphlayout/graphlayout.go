// Package graphlayout gives a build graph places on a plane: levels from left to
// right in build order, few crossings, long lines straight, nothing on top of
// anything else. It does no I/O, and the same graph is laid out the same.
//
// The way is Sugiyama's. Edges that others imply are left out; nodes get the
// level of the longest way to them; an edge over several levels runs on a rail,
// which all such edges of one node share and branch off from; sweeps by
// barycentre and exchanges of neighbours order each level; levels that are too
// tall are folded into columns; rows pull at each other until they lie well.
package graphlayout

import "buildbtw/internal/graph"

// Edge is the order of two nodes: From comes before To.
type Edge struct{ From, To int32 }

// Graph is the input of a layout. Nodes are numbered from 0.
type Graph struct {
	Widths []int  // px, by node
	Edges  []Edge // no two alike, without a cycle
	Keep   []bool // by edge: to be drawn even when others imply it; nil for none
}

// Sizes in CSS pixels.
const (
	NodeHeight = 28
	Margin     = 28
	gapY       = 12 // between nodes of one column; lanes of folded levels run in it
	gapColumn  = 20 // between the columns of a folded level
	gapLevel   = 44 // between levels with few lines
	railHeight = 6
	laneOut    = 3 // px below a node runs the line out of a folded level
	laneIn     = 3 // px above a node runs the line into it
)

// Layout is a graph with coordinates, in CSS pixels from the upper left.
type Layout struct {
	Width, Height int
	Levels        []Level
	Nodes         []Node  // by node
	Points        []Point // where lines bend or branch
	Lines         []Line  // the edges that are drawn, in the order of Graph.Edges
}

// Level is a band of the picture from top to bottom. None waits for another of
// the same level.
type Level struct{ X, Width, Nodes int }

// Node is the place of a node: its upper left corner.
type Node struct{ X, Y, Width, Level int }

// Point is a place that lines pass on the way from Parent: another point, or the
// middle of the right side of node -1-Parent.
type Point struct {
	X, Y   int
	Parent int
}

// Line is an edge that is drawn: the way to point From, if it is not negative,
// and from there, or from the edge's first node, to the middle of the left side
// of the second.
type Line struct {
	Edge int // in Graph.Edges
	From int // in Points, or -1
}

// New lays a graph out. It is graph.ErrCycle when the edges have a cycle.
func New(g Graph) (*Layout, error) {
	n := len(g.Widths)
	from, to := make([]int32, len(g.Edges)), make([]int32, len(g.Edges))
	for i, e := range g.Edges {
		from[i], to[i] = e.From, e.To
	}
	next := graph.New(n, from, to)
	order, levels, err := graph.TopologicalOrder(&next)
	if err != nil {
		return nil, err
	}
	drawn := reduce(order, edgesFrom(n, g.Edges), g)
	r := newRails(levels, g.Edges, drawn)
	r.reorder()
	return place(r, g), nil
}

// edgesFrom lists for each node the numbers of the edges that leave it.
func edgesFrom(n int, edges []Edge) graph.CSR {
	return byEnd(n, edges, func(e Edge) int32 { return e.From })
}

// byEnd lists for each node the numbers of the edges that have it as one end.
func byEnd(n int, edges []Edge, end func(Edge) int32) graph.CSR {
	ends, numbers := make([]int32, len(edges)), make([]int32, len(edges))
	for i, e := range edges {
		ends[i], numbers[i] = end(e), int32(i)
	}
	return graph.New(n, ends, numbers)
}
