package graphview

import (
	"cmp"
	"slices"
	"strconv"

	"buildbtw"
	"buildbtw/internal/graphlayout"
)

// Style is how a line is drawn.
type Style int

// The styles, the strongest first.
const (
	StyleSolid  Style = iota // depends
	StyleDashed              // only to build or check
	StyleDotted              // an order through packages outside the set
)

// StyleOf returns how an edge is drawn.
func (e Edge) StyleOf() Style {
	switch {
	case len(e.Through) > 0:
		return StyleDotted
	case e.Kinds&buildbtw.EdgeDepends == 0:
		return StyleDashed
	}
	return StyleSolid
}

// Picture is a part of a graph with places for its boxes.
type Picture struct {
	*graphlayout.Layout
	Boxes []Box
	Edges []Edge  // between boxes; Layout.Lines are those that are drawn
	Cuts  []Cut   // between boxes
	Style []Style // by Layout.Points
	Focus int     // a box, or -1
}

// Layouter lays graphs out: graphlayout.New, or a cache before it.
type Layouter func(graphlayout.Graph) (*graphlayout.Layout, error)

// Picture shows a part of the graph.
func (s *State) Picture(v View, layOut Layouter) (*Picture, error) {
	nodes := s.nodes(v)
	p := &Picture{Boxes: s.boxes(nodes, v), Focus: -1}
	box := make([]int32, len(s.Builds))
	for i := range box {
		box[i] = -1
	}
	for i, b := range p.Boxes {
		for _, node := range b.Nodes {
			box[node] = int32(i)
		}
	}
	if v.Focus >= 0 {
		p.Focus = int(box[v.Focus])
	}
	p.join(s.Graph, box)
	s.countHidden(p, box)
	l := graphlayout.Graph{Widths: make([]int, len(p.Boxes)), Edges: make([]graphlayout.Edge, len(p.Edges)), Keep: make([]bool, len(p.Edges))}
	for i, b := range p.Boxes {
		l.Widths[i] = labelWidth(s.Label(b))
	}
	for i, e := range p.Edges {
		l.Edges[i] = graphlayout.Edge{From: e.From, To: e.To}
		// In its surroundings, every dependency of the build itself is drawn.
		l.Keep[i] = v.Mode == ModeNear && (int(e.From) == p.Focus || int(e.To) == p.Focus)
	}
	var err error
	if p.Layout, err = layOut(l); err != nil {
		return nil, err
	}
	p.stylePoints()
	return p, nil
}

// join returns the edges and cuts between boxes, each pair once.
func (p *Picture) join(g *Graph, box []int32) {
	for _, e := range g.Edges {
		if from, to := box[e.From], box[e.To]; from >= 0 && to >= 0 && from != to {
			p.Edges = append(p.Edges, Edge{from, to, e.Kinds, e.Through})
		}
	}
	slices.SortStableFunc(p.Edges, func(a, b Edge) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.StyleOf(), b.StyleOf()))
	})
	p.Edges = slices.CompactFunc(p.Edges, func(a, b Edge) bool { return a.From == b.From && a.To == b.To })
	for _, c := range g.Cuts {
		if from, to := box[c.From], box[c.To]; from >= 0 && to >= 0 && from != to {
			p.Cuts = append(p.Cuts, Cut{from, to, c.Kinds, c.Cycle})
		}
	}
	slices.SortStableFunc(p.Cuts, func(a, b Cut) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	p.Cuts = slices.CompactFunc(p.Cuts, func(a, b Cut) bool { return a.From == b.From && a.To == b.To })
}

// countHidden counts, for each box, the direct dependencies and dependents
// outside the picture.
func (s *State) countHidden(p *Picture, box []int32) {
	hidden := func(nodes []int32) (n int) {
		for _, v := range nodes {
			if box[v] < 0 {
				n++
			}
		}
		return n
	}
	for i := range p.Boxes {
		for _, v := range p.Boxes[i].Nodes {
			p.Boxes[i].Before += hidden(s.in.of(v))
			p.Boxes[i].Further += hidden(s.out.of(v))
		}
	}
}

// stylePoints draws a piece that several lines share in the strongest of their
// styles.
func (p *Picture) stylePoints() {
	p.Style = make([]Style, len(p.Points))
	for i := range p.Style {
		p.Style[i] = StyleDotted
	}
	for _, line := range p.Lines {
		style := p.Edges[line.Edge].StyleOf()
		for at := line.From; at >= 0 && p.Style[at] > style; at = p.Points[at].Parent {
			p.Style[at] = style
		}
	}
}

// Label returns the text of a box.
func (s *State) Label(b Box) string {
	if b.Name != "" {
		return Shorten(b.Name, labelRunes-5) + " " + strconv.Itoa(len(b.Nodes))
	}
	if b.Region() {
		return strconv.Itoa(len(b.Nodes)) + " done"
	}
	n := s.Nodes[b.Nodes[0]]
	if n.Stage == 2 {
		return Shorten(n.Pkgbase, labelRunes-1) + "²"
	}
	return Shorten(n.Pkgbase, labelRunes)
}

const (
	labelRunes = 26 // of a name that are shown
	labelSpace = 40 // px for the shape and the margins of a box
	runeWidth  = 7  // px, a little more than letters take on average
	leastWidth = 84 // px
)

func labelWidth(label string) int {
	return max(leastWidth, labelSpace+runeWidth*len([]rune(label)))
}

// Shorten cuts the middle out of a name until it has at most n letters: both
// ends tell packages apart.
func Shorten(name string, n int) string {
	all := []rune(name)
	if len(all) <= n {
		return name
	}
	head := n * 3 / 5
	return string(all[:head]) + "…" + string(all[len(all)-(n-head-1):])
}
