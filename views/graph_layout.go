package views

import (
	"cmp"
	"fmt"
	"slices"

	"buildbtw"
)

// Layout is a graph with coordinates, in CSS pixels.
type Layout struct {
	Width, Height int
	Nodes         []PlacedNode
	Edges         []PlacedEdge
}

// PlacedNode is a node with its upper left corner.
type PlacedNode struct {
	GraphNode
	X, Y int
	Held bool // waits for a failed build, directly or not
}

// PlacedEdge runs from the right side of one node to the left side of another.
type PlacedEdge struct {
	GraphEdge
	X1, Y1, X2, Y2 int
	OnChain        bool
	Held           bool // leads from a failure to what it holds up
	Back           bool // runs from right to left, as an edge does that was cut out of a cycle
}

const (
	nodeWidth  = 156
	nodeHeight = 28
	gapX       = 50 // between columns, for the curves
	gapY       = 10
	margin     = 12
	besides    = 7  // px by which an edge back lies below the one forth
	labelRunes = 16 // what fits into a node
	sweeps     = 8  // passes of the crossing reduction; more changed nothing on real graphs
)

// LayOut places nodes in columns by level. The order within a column follows
// the mean position of neighbours (barycentre), swept right and left, which
// keeps crossings low.
func LayOut(nodes []GraphNode, edges []GraphEdge) Layout {
	columns := byLevel(nodes)
	position := firstPositions(columns)
	forward, backward := neighbours(edges, position)
	for i := range sweeps {
		if i%2 == 0 {
			for _, column := range columns {
				reorder(column, backward, position)
			}
		} else {
			for _, column := range slices.Backward(columns) {
				reorder(column, forward, position)
			}
		}
	}
	return place(columns, edges)
}

// byLevel splits nodes into levels, lowest first; within a level by name.
func byLevel(nodes []GraphNode) [][]GraphNode {
	sorted := slices.SortedFunc(slices.Values(nodes), func(a, b GraphNode) int {
		return cmp.Or(cmp.Compare(a.Level, b.Level), cmp.Compare(a.Pkgbase, b.Pkgbase), cmp.Compare(a.Stage, b.Stage))
	})
	var levels [][]GraphNode
	for i, n := range sorted {
		if i == 0 || n.Level != sorted[i-1].Level {
			levels = append(levels, nil)
		}
		levels[len(levels)-1] = append(levels[len(levels)-1], n)
	}
	return levels
}

// firstPositions centres each column on zero.
func firstPositions(columns [][]GraphNode) map[int64]float64 {
	position := map[int64]float64{}
	for _, column := range columns {
		setPositions(column, position)
	}
	return position
}

func setPositions(column []GraphNode, position map[int64]float64) {
	for i, n := range column {
		position[n.ID] = float64(i) - float64(len(column)-1)/2
	}
}

// neighbours leaves out edges whose ends are not in the picture.
func neighbours(edges []GraphEdge, known map[int64]float64) (forward, backward map[int64][]int64) {
	forward, backward = map[int64][]int64{}, map[int64][]int64{}
	for _, e := range edges {
		_, from := known[e.From]
		_, to := known[e.To]
		if from && to && !e.Cut {
			forward[e.From] = append(forward[e.From], e.To)
			backward[e.To] = append(backward[e.To], e.From)
		}
	}
	return forward, backward
}

func reorder(column []GraphNode, neighbours map[int64][]int64, position map[int64]float64) {
	centre := map[int64]float64{}
	for _, n := range column {
		centre[n.ID] = position[n.ID]
		if near := neighbours[n.ID]; len(near) > 0 {
			sum := 0.0
			for _, id := range near {
				sum += position[id]
			}
			centre[n.ID] = sum / float64(len(near))
		}
	}
	slices.SortStableFunc(column, func(a, b GraphNode) int { return cmp.Compare(centre[a.ID], centre[b.ID]) })
	setPositions(column, position)
}

func place(columns [][]GraphNode, edges []GraphEdge) Layout {
	tallest := 0
	for _, column := range columns {
		tallest = max(tallest, len(column))
	}
	l := Layout{
		Width:  2*margin + len(columns)*nodeWidth + max(0, len(columns)-1)*gapX,
		Height: 2*margin + tallest*(nodeHeight+gapY) - gapY,
	}
	at := map[int64]PlacedNode{}
	held := heldUp(slices.Concat(columns...), edges)
	for x, column := range columns {
		top := margin + (tallest-len(column))*(nodeHeight+gapY)/2
		for y, n := range column {
			p := PlacedNode{GraphNode: n, X: margin + x*(nodeWidth+gapX), Y: top + y*(nodeHeight+gapY), Held: held[n.ID]}
			at[n.ID] = p
			l.Nodes = append(l.Nodes, p)
		}
	}
	for _, e := range edges {
		from, okFrom := at[e.From]
		to, okTo := at[e.To]
		if okFrom && okTo {
			l.Edges = append(l.Edges, placeEdge(e, from, to))
		}
	}
	// What matters is drawn over the rest.
	slices.SortStableFunc(l.Edges, func(a, b PlacedEdge) int { return rank(a) - rank(b) })
	return l
}

func rank(e PlacedEdge) int {
	switch {
	case e.Held:
		return 3
	case e.OnChain:
		return 2
	case e.Cut:
		return 1
	}
	return 0
}

func placeEdge(e GraphEdge, from, to PlacedNode) PlacedEdge {
	if from.X > to.X {
		return PlacedEdge{
			GraphEdge: e, Back: true,
			X1: from.X, Y1: from.Y + nodeHeight/2 + besides, X2: to.X + nodeWidth, Y2: to.Y + nodeHeight/2 + besides,
		}
	}
	return PlacedEdge{
		GraphEdge: e,
		X1:        from.X + nodeWidth, Y1: from.Y + nodeHeight/2,
		X2: to.X, Y2: to.Y + nodeHeight/2,
		OnChain: from.OnChain && to.OnChain && !e.Cut && to.Level == from.Level+1,
		Held:    to.Held && !e.Cut && (from.Held || from.Status == buildbtw.StatusFailed),
	}
}

// path draws a curve that leaves and arrives level.
func (e PlacedEdge) path() string {
	bend := max((e.X2-e.X1)/2, gapX/2)
	if e.Back {
		bend = min((e.X2-e.X1)/2, -gapX/2)
	}
	return fmt.Sprintf("M%d %dC%d %d %d %d %d %d", e.X1, e.Y1, e.X1+bend, e.Y1, e.X2-bend, e.Y2, e.X2, e.Y2)
}

// label is the name, with its middle cut out until it fits: both ends tell
// packages apart.
func (n PlacedNode) label() string {
	name := []rune(n.Pkgbase)
	if n.Stage == 2 {
		name = append(name, '²')
	}
	if len(name) > labelRunes {
		head, tail := labelRunes*3/5, labelRunes-labelRunes*3/5-1
		return string(name[:head]) + "…" + string(name[len(name)-tail:])
	}
	return string(name)
}
