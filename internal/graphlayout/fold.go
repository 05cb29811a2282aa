package graphlayout

// squeeze bounds how much taller than wide a picture gets: levels that are
// taller are folded into several columns.
const (
	squeeze  = 0.55
	fewRows  = 24 // columns are at least so tall
	typicalW = 150
)

// rows are the rows of a layout from top to bottom: each has some nodes of one
// level side by side, or one stop of a rail.
type rows struct {
	*rails
	columns []int     // by level
	members [][]int32 // by row: vertices from left to right
	row     []int32   // by vertex
	layers  [][]int32 // rows by level, from top to bottom
	pos     []int32   // by row
}

// fold packs the nodes of each level into rows.
func fold(r *rails) *rows {
	f := &rows{rails: r, columns: columns(r), row: make([]int32, len(r.level)), layers: make([][]int32, len(r.layers))}
	for i, layer := range r.layers {
		f.foldLevel(i, layer)
	}
	f.pos = make([]int32, len(f.members))
	for _, layer := range f.layers {
		for p, row := range layer {
			f.pos[row] = int32(p)
		}
	}
	return f
}

// columns returns the number of columns into which each level is folded.
func columns(r *rails) []int {
	count := make([]int, len(r.layers))
	tallest := 0
	for v := range r.nodes {
		l := r.level[v]
		count[l]++
		tallest = max(tallest, count[l])
	}
	tall := tallest
	for tall > fewRows && !fits(count, tall) {
		tall -= max(1, tall/20)
	}
	for i, n := range count {
		count[i] = max(1, (n+tall-1)/max(tall, 1))
	}
	return count
}

func fits(count []int, tall int) bool {
	width := 0
	for _, n := range count {
		width += (n+tall-1)/tall*(typicalW+gapColumn) + gapLevel
	}
	return float64(tall*(NodeHeight+gapY)) <= squeeze*float64(width)
}

// foldLevel fills rows in the order of the level; the stops between the nodes of
// one row come below it.
func (f *rows) foldLevel(level int, layer []int32) {
	var nodes, stops []int32
	flush := func() {
		if len(nodes) > 0 {
			f.add(level, nodes...)
		}
		for _, s := range stops {
			f.add(level, s)
		}
		nodes, stops = nil, nil
	}
	for _, v := range layer {
		switch {
		case !f.isStop(v):
			if nodes = append(nodes, v); len(nodes) == f.columns[level] {
				flush()
			}
		case len(nodes) == 0:
			f.add(level, v)
		default:
			stops = append(stops, v)
		}
	}
	flush()
}

func (f *rows) add(level int, vertices ...int32) {
	row := int32(len(f.members))
	f.members = append(f.members, append([]int32(nil), vertices...))
	f.layers[level] = append(f.layers[level], row)
	for _, v := range vertices {
		f.row[v] = row
	}
}

func (f *rows) isRail(row int32) bool { return f.isStop(f.members[row][0]) }

// apart returns how far the middles of two rows that follow each other are at least
// apart, in px.
func (f *rows) apart(a, b int32) int {
	half := func(row int32) int {
		if f.isRail(row) {
			return railHeight / 2
		}
		return NodeHeight / 2
	}
	gap := gapY
	if f.isRail(a) && f.isRail(b) {
		gap = railHeight / 2
	}
	return half(a) + gap + half(b)
}
