package views

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"buildbtw"
	"buildbtw/internal/graphlayout"
	"buildbtw/internal/graphview"
)

// linePath draws a line from the box where it begins to the one where it ends.
func linePath(p *graphview.Picture, l graphlayout.Line) string {
	var points []graphlayout.Point
	for at := l.From; at >= 0; at = p.Points[at].Parent {
		points = append(points, p.Points[at])
	}
	slices.Reverse(points)
	e := p.Edges[l.Edge]
	from, to := p.Nodes[e.From], p.Nodes[e.To]
	points = append(points, graphlayout.Point{X: to.X, Y: to.Y + graphlayout.NodeHeight/2})
	x, y := from.X+from.Width, from.Y+graphlayout.NodeHeight/2
	var d strings.Builder
	fmt.Fprintf(&d, "M%d %d", x, y)
	for _, next := range points {
		if next.Y == y {
			fmt.Fprintf(&d, "H%d", next.X)
		} else {
			middle := (x + next.X) / 2
			fmt.Fprintf(&d, "C%d %d %d %d %d %d", middle, y, middle, next.Y, next.X, next.Y)
		}
		x, y = next.X, next.Y
	}
	return d.String()
}

// cutPath draws a cut, which as a rule runs back: an arc below the boxes, from
// the bottom of the one to that of the other. static/src/graph draws it so too.
func cutPath(p *graphview.Picture, c graphview.Cut) string {
	from, to := p.Nodes[c.From], p.Nodes[c.To]
	x1, y1 := from.X+from.Width/3, from.Y+graphlayout.NodeHeight
	x2, y2 := to.X+to.Width*2/3, to.Y+graphlayout.NodeHeight
	low := max(y1, y2) + min(70, 18+max(x1-x2, x2-x1)/16)
	return fmt.Sprintf("M%d %dC%d %d %d %d %d %d", x1, y1, x1, low, x2, low, x2, y2)
}

// lineClass says how an edge is drawn.
func lineClass(s *graphview.State, p *graphview.Picture, e graphview.Edge) string {
	class := [...]string{"edge", "edge edge-dashed", "edge edge-dotted"}[e.StyleOf()]
	if p.Boxes[e.From].Region() || p.Boxes[e.To].Region() {
		return class
	}
	from, to := p.Boxes[e.From].Nodes[0], p.Boxes[e.To].Nodes[0]
	switch at := slices.Index(s.Chain, from); {
	case s.Held[to] && (s.Held[from] || s.Codes[from] == graphview.StatusCode(buildbtw.StatusFailed)):
		return class + " edge-held"
	case at >= 0 && at+1 < len(s.Chain) && s.Chain[at+1] == to:
		return class + " edge-chain"
	}
	return class
}

func edgeWords(e graphview.Edge) string {
	words := strings.Join(e.Kinds.Names(), ", ")
	if len(e.Through) > 0 {
		words += ", through " + strings.Join(e.Through, ", ")
	}
	return words
}

func cutWords(c graphview.Cut) string {
	return strings.Join(c.Kinds.Names(), ", ") + ", ignored: on the cycle " + strings.Join(c.Cycle, " → ")
}

func boxClass(s *graphview.State, p *graphview.Picture, i int) string {
	b := p.Boxes[i]
	if b.Region() {
		return "node node-region node-built"
	}
	v := b.Nodes[0]
	class := "node node-" + string(s.Shown(v))
	if slices.Contains(s.Chain, v) {
		class += " node-chain"
	}
	if i == p.Focus {
		class += " node-focus"
	}
	return class
}

// boxTitle says in words what a box shows.
func boxTitle(s *graphview.State, b graphview.Box) string {
	if b.Region() {
		return Count(len(b.Nodes)) + " builds that are done"
	}
	v := b.Nodes[0]
	link := graphLink(s, v)
	words := link.Name() + " " + s.Nodes[v].Version + ": " + string(link.Status)
	return words + "; " + s.Nodes[v].Reason.String()
}

// shapeID names the shape that tells a box's status without colour.
func shapeID(s *graphview.State, b graphview.Box) string {
	if b.Region() {
		return "shape-built"
	}
	return "shape-" + string(s.Shown(b.Nodes[0]))
}

// shape is a sign of 10 × 10 px; the same as in status.css.
type shape struct{ status, d string }

func shapes() []shape {
	return []shape{
		{"built", "M1.3 4.5 0 6.2 4.2 10 10 2 8.3.5 4 6.8Z"},
		{"failed", "M2 0 0 2 3 5 0 8 2 10 5 7 8 10 10 8 7 5 10 2 8 0 5 3Z"},
		{"building", "M1.2 0 10 5 1.2 10Z"},
		{"pending", "M5 0a5 5 0 1 0 0 10A5 5 0 1 0 5 0Zm0 2a3 3 0 1 1 0 6A3 3 0 1 1 5 2Z"},
		{"scheduled", "M5 0a5 5 0 1 0 0 10A5 5 0 1 0 5 0Zm0 2a3 3 0 1 1 0 6A3 3 0 1 1 5 2ZM4 4h2v2H4Z"},
		{"waiting", "M0 0H10L5.5 5 10 10H0L4.5 5Z"},
		{"blocked", "M3 0H7L10 3V7L7 10H3L0 7V5.8H10V4.2H0V3Z"},
		{"skipped", "M0 1H2L5.5 5 2 9H0L3.5 5ZM4.5 1h2L10 5 6.5 9h-2L8 5Z"},
	}
}

// px writes a number of an SVG attribute.
func px(n int) string { return strconv.Itoa(n) }

// GraphRow is a build in the table that says what the picture shows.
type graphRow struct {
	BuildLink
	node            int32
	level           int
	before, further []BuildLink
}

// rows lists the builds of the picture by level and name.
func (g Graph) rows() []graphRow {
	p, s := g.Picture, g.State
	rows := make([]graphRow, 0, len(p.Boxes))
	for _, b := range p.Boxes {
		if b.Region() {
			continue
		}
		v := b.Nodes[0]
		about := s.About(v)
		rows = append(rows, graphRow{
			BuildLink: graphLink(s, v), node: v, level: s.Nodes[v].Level,
			before: graphLinks(s, about.Dependencies), further: graphLinks(s, about.Dependents),
		})
	}
	slices.SortStableFunc(rows, func(a, b graphRow) int {
		if a.level != b.level {
			return a.level - b.level
		}
		return strings.Compare(a.Pkgbase, b.Pkgbase)
	})
	return rows
}
