package graphlayout

import (
	"math"
	"slices"
)

// Passes over all levels: from the left and from the right in turn, then from
// both sides at once.
const (
	passesOneSide   = 10
	passesBothSides = 4
	passesStraight  = 3
)

// How much a row pulls at its place.
const (
	weightFree = 0.1 // without neighbours on that side
	weightNode = 1
	weightRail = 6 // between two pieces of one rail
)

// relaxer assigns heights to rows. Each row would like to be where its
// neighbours are; those of one level keep their order and their distance, and
// together get as near to their wishes as that allows (least squares, by pooling
// rows that are in each other's way). At the end rails are made straight where
// there is room.
type relaxer struct {
	*rows
	up, down [][]int32 // rows at the other end of links, by row
	y        []float64 // middle, by row
}

// heights returns the middle of every row in px; the topmost is at 0.
func heights(f *rows) []int {
	r := newRelaxer(f)
	for pass := range passesOneSide {
		r.pass(pass%2 == 0, pass%2 == 1)
	}
	for pass := range passesBothSides {
		r.pass(true, true)
		r.straighten(pass)
	}
	for pass := range passesStraight {
		r.straighten(pass)
		r.snap()
	}
	least := math.Inf(1)
	for _, y := range r.y {
		least = min(least, y)
	}
	heights := make([]int, len(r.y))
	for row, y := range r.y {
		heights[row] = int(math.Round(y - least)) // distances are whole, so rounding does not change them
	}
	return heights
}

func newRelaxer(f *rows) *relaxer {
	n := len(f.members)
	r := &relaxer{rows: f, up: make([][]int32, n), down: make([][]int32, n), y: make([]float64, n)}
	for _, e := range f.links {
		from, to := f.row[e.From], f.row[e.To]
		r.down[from] = append(r.down[from], to)
		r.up[to] = append(r.up[to], from)
	}
	for _, layer := range f.layers {
		for i := 1; i < len(layer); i++ {
			r.y[layer[i]] = r.y[layer[i-1]] + float64(f.apart(layer[i-1], layer[i]))
		}
		if len(layer) > 0 {
			half := r.y[layer[len(layer)-1]] / 2
			for _, row := range layer {
				r.y[row] -= half
			}
		}
	}
	return r
}

// pass moves every level once, looking at the neighbours on the left, on the
// right, or both.
func (r *relaxer) pass(left, right bool) {
	var p pool
	for i := range r.layers {
		layer := r.layers[i]
		if !left {
			layer = r.layers[len(r.layers)-1-i]
		}
		p.reset()
		for at, row := range layer {
			if at > 0 {
				p.offset += float64(r.apart(layer[at-1], row))
			}
			wish, weight := r.wish(row, left, right)
			p.add(wish, weight)
		}
		p.write(func(at int, y float64) { r.y[layer[at]] = y })
	}
}

// wish returns where a row would like to be, and how much.
func (r *relaxer) wish(row int32, left, right bool) (y, weight float64) {
	sum := 0.0
	for side, near := range [2][]int32{r.up[row], r.down[row]} {
		if wanted := [2]bool{left, right}[side]; !wanted || len(near) == 0 {
			continue
		}
		w := float64(weightNode)
		if r.isRail(row) && slices.ContainsFunc(near, r.isRail) {
			w = weightRail
			sum += w * r.railAmong(near)
		} else {
			sum += w * r.median(near)
		}
		weight += w
	}
	if weight == 0 {
		return r.y[row], weightFree
	}
	return sum / weight, weight
}

// railAmong returns the height of the piece of the rail that goes on.
func (r *relaxer) railAmong(near []int32) float64 {
	return r.y[near[slices.IndexFunc(near, r.isRail)]]
}

// median of the neighbours' heights; the mean of the two middle ones.
func (r *relaxer) median(near []int32) float64 {
	if len(near) == 1 {
		return r.y[near[0]]
	}
	all := make([]float64, len(near))
	for i, n := range near {
		all[i] = r.y[n]
	}
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// straighten sets the longest possible pieces of each rail to one height.
func (r *relaxer) straighten(pass int) {
	for i := range r.rail {
		v := i
		if pass%2 == 1 {
			v = len(r.rail) - 1 - v
		}
		stops := r.rail[v]
		for len(stops) > 0 {
			stops = stops[r.levelOut(v, stops):]
		}
	}
}

// levelOut puts as many of the first stops on one height as there is room for,
// and returns their number. The height is as near as possible to the node's, or
// else to the stops' own.
func (r *relaxer) levelOut(v int, stops []int32) int {
	low, high := math.Inf(-1), math.Inf(1)
	sum, n := 0.0, 0
	for _, stop := range stops {
		l, h := r.room(r.row[stop])
		if max(low, l) > min(high, h) {
			break
		}
		low, high = max(low, l), min(high, h)
		sum += r.y[r.row[stop]]
		n++
	}
	y := sum / float64(n)
	if n == len(r.rail[v]) {
		y = (y + 2*r.y[r.row[v]]) / 3
		if at := r.y[r.row[v]]; at >= low && at <= high {
			y = at
		}
	}
	y = min(max(y, low), high)
	for _, stop := range stops[:n] {
		r.y[r.row[stop]] = y
	}
	return n
}

// nearly is how far in px a line may be from level to be made so.
const nearly = 12

// snap makes lines level that nearly are: those from each row to the one on its
// left that is nearest in height, or on its right for a row without.
func (r *relaxer) snap() {
	for _, layer := range r.layers {
		for _, row := range layer {
			near := r.up[row]
			if len(near) == 0 {
				near = r.down[row]
			}
			if r.isRail(row) || len(near) == 0 {
				continue
			}
			y := r.y[near[0]]
			for _, n := range near {
				if math.Abs(r.y[n]-r.y[row]) < math.Abs(y-r.y[row]) {
					y = r.y[n]
				}
			}
			low, high := r.room(row)
			if math.Abs(y-r.y[row]) < nearly && y >= low && y <= high {
				r.y[row] = y
			}
		}
	}
}

// room is between which heights a row can be moved while the others stay.
func (r *relaxer) room(row int32) (low, high float64) {
	layer, at := r.layers[r.level[r.members[row][0]]], r.pos[row]
	low, high = math.Inf(-1), math.Inf(1)
	if at > 0 {
		low = r.y[layer[at-1]] + float64(r.apart(layer[at-1], row))
	}
	if int(at) < len(layer)-1 {
		high = r.y[layer[at+1]] - float64(r.apart(row, layer[at+1]))
	}
	// Rounding must not make the room too small for the present place.
	return min(low, r.y[row]), max(high, r.y[row])
}

// pool places the rows of a level from top to bottom: rows whose wishes are too
// near to each other form a group, which gets the weighted mean.
type pool struct {
	offset  float64 // distance of the latest row from the first
	offsets []float64
	groups  []group
}

type group struct{ sum, weight, rows float64 }

func (p *pool) reset() { p.offset, p.offsets, p.groups = 0, p.offsets[:0], p.groups[:0] }

func (p *pool) add(wish, weight float64) {
	p.offsets = append(p.offsets, p.offset)
	g := group{sum: (wish - p.offset) * weight, weight: weight, rows: 1}
	for last := len(p.groups) - 1; last >= 0 && p.groups[last].mean() >= g.mean(); last-- {
		g.sum, g.weight, g.rows = g.sum+p.groups[last].sum, g.weight+p.groups[last].weight, g.rows+p.groups[last].rows
		p.groups = p.groups[:last]
	}
	p.groups = append(p.groups, g)
}

func (g group) mean() float64 { return g.sum / g.weight }

func (p *pool) write(set func(at int, y float64)) {
	at := 0
	for _, g := range p.groups {
		for range int(g.rows) {
			set(at, g.mean()+p.offsets[at])
			at++
		}
	}
}
