package graphlayout

import "buildbtw/internal/graph"

// placed is a layout in the making.
type placed struct {
	*rows
	*Layout
	middle []int   // by row: px
	column []int32 // by node
}

// place assigns coordinates to nodes and lines.
func place(r *rails, g Graph) *Layout {
	f := fold(r)
	p := &placed{rows: f, Layout: &Layout{Nodes: make([]Node, r.nodes)}, middle: heights(f), column: make([]int32, r.nodes)}
	p.placeLevels(g.Widths)
	for row, members := range f.members {
		if !f.isRail(int32(row)) {
			p.placeRow(row, members)
		}
		p.Height = max(p.Height, Margin+p.middle[row]+NodeHeight+Margin)
	}
	p.Height = max(p.Height, 2*Margin)
	p.drawLines()
	return p.Layout
}

// placeLevels sets the width of each level to that of the widest node, for every
// column. Gaps with many lines are wider.
func (p *placed) placeLevels(widths []int) {
	p.Levels = make([]Level, len(p.rows.layers))
	busy := make([]int, len(p.Levels)+1) // lines into each level
	for _, l := range p.links {
		busy[p.level[l.To]]++
	}
	for v, w := range widths {
		level := &p.Levels[p.level[v]]
		level.Width = max(level.Width, w)
		level.Nodes++
	}
	x := Margin
	for i := range p.Levels {
		level := &p.Levels[i]
		if i > 0 {
			x += gapLevel + min(busy[i]/3, 2*gapLevel)
		}
		level.X = x
		level.Width = level.Width*p.columns[i] + gapColumn*(p.columns[i]-1)
		x += level.Width
	}
	p.Width = x + Margin
}

func (p *placed) placeRow(row int, members []int32) {
	l := p.level[members[0]]
	level := p.Levels[l]
	width := (level.Width + gapColumn) / p.columns[l]
	for c, v := range members {
		p.column[v] = int32(c)
		p.Nodes[v] = Node{
			X: level.X + c*width, Y: Margin + p.middle[row], Width: width - gapColumn, Level: int(l),
		}
	}
}

// pen draws the lines that leave one node: where it is now.
type pen struct{ at, y int }

// drawLines adds the points of all lines. Lines of one node share points as far
// as possible.
func (p *placed) drawLines() {
	out := edgesFrom(p.nodes, p.edges)
	last := make([]int, len(p.edges))
	for v := range int32(p.nodes) {
		start := p.leave(v)
		along := p.follow(v, start, p.branches(v, out))
		for _, i := range out.Row(v) {
			if !p.drawn[i] {
				continue
			}
			e := p.edges[i]
			from := start
			if s := p.span(e); s > 1 && s <= p.longer {
				from = along[s-2]
			}
			last[i] = p.enter(e.To, from)
		}
	}
	for i, drawn := range p.drawn {
		if drawn {
			p.Lines = append(p.Lines, Line{Edge: i, From: last[i]})
		}
	}
}

func (p *placed) add(at, x, y int) pen {
	p.Points = append(p.Points, Point{X: x, Y: y, Parent: at})
	return pen{at: len(p.Points) - 1, y: y}
}

// leave brings the pen from a node to the right edge of its level: below the
// other columns, if there are any on its right.
func (p *placed) leave(v int32) pen {
	n := p.Nodes[v]
	start := pen{at: -1 - int(v), y: n.Y + NodeHeight/2}
	l := p.level[v]
	if int(p.column[v]) == p.columns[l]-1 {
		return start
	}
	below := n.Y + NodeHeight + laneOut
	turn := p.add(start.at, n.X+n.Width+gapColumn/2, below)
	return p.add(turn.at, p.Levels[l].X+p.Levels[l].Width, below)
}

// branches reports for each stop of a node's rail whether an edge leaves there.
func (p *placed) branches(v int32, out graph.CSR) []bool {
	branch := make([]bool, len(p.rail[v]))
	for _, i := range out.Row(v) {
		if s := p.span(p.edges[i]); p.drawn[i] && s > 1 && s <= p.longer {
			branch[s-2] = true
		}
	}
	return branch
}

// follow draws a node's rail and returns the pen's place behind each stop.
// There is no point where the rail goes straight on and nothing branches off.
func (p *placed) follow(v int32, at pen, branch []bool) []pen {
	along := make([]pen, len(branch))
	for i, stop := range p.rail[v] {
		level := p.Levels[p.level[stop]]
		y := p.stopY(stop)
		if y != at.y {
			at = p.add(at.at, level.X, y)
		}
		bends := i+1 < len(branch) && p.stopY(p.rail[v][i+1]) != y
		if branch[i] || bends {
			at = p.add(at.at, level.X+level.Width, y)
		}
		along[i] = at
	}
	return along
}

func (p *placed) stopY(stop int32) int { return Margin + p.middle[p.row[stop]] + NodeHeight/2 }

// enter moves the pen to a node of a later column, above the others, and
// returns the point from which the last piece leads to the node; -1 for none.
func (p *placed) enter(v int32, from pen) int {
	if p.column[v] > 0 {
		n := p.Nodes[v]
		above := n.Y - laneIn
		from = p.add(from.at, p.Levels[n.Level].X, above)
		from = p.add(from.at, n.X-gapColumn/2, above)
	}
	return max(from.at, -1)
}
