package graphlayout

import (
	"cmp"
	"slices"
)

// How much work the order of the levels may take.
const (
	sweepsSmall  = 24
	sweepsLarge  = 10
	smallGraph   = 4000 // vertices
	patience     = 4    // sweeps without fewer crossings until it is given up
	exchangeWork = 4 << 20
)

// reorder orders the vertices of each level so that few links cross, and leaves
// them in the best order found.
func (r *rails) reorder() {
	r.firstOrder(false)
	best, fewest := r.copyOrder(), r.crossings()
	best, fewest = r.improve(best, fewest)
	if len(r.level) <= smallGraph && fewest > 0 {
		r.firstOrder(true)
		best, _ = r.improve(best, fewest)
	}
	for _, layer := range best {
		r.number(layer)
	}
	r.layers = best
	r.exchange()
}

// improve sweeps from the order that there is, and returns the best one: an order
// that it met, or the one that was the best before.
func (r *rails) improve(best [][]int32, fewest int) ([][]int32, int) {
	if c := r.crossings(); c < fewest {
		best, fewest = r.copyOrder(), c
	}
	sweeps := sweepsLarge
	if len(r.level) <= smallGraph {
		sweeps = sweepsSmall
	}
	idle := 0
	for i := 0; i < sweeps && idle < patience && fewest > 0; i++ {
		r.sweep(i%2 == 0)
		if len(r.level) <= smallGraph {
			r.exchange()
		}
		idle++
		if c := r.crossings(); c < fewest {
			best, fewest, idle = r.copyOrder(), c, 0
		}
	}
	return best, fewest
}

// firstOrder puts connected vertices side by side, by depth-first search from
// the left: along the links, or along them in both directions. The latter
// starts at the vertices with the fewest links, the ends of a component.
func (r *rails) firstOrder(bothWays bool) {
	levels := int32(0)
	roots := make([]int32, len(r.level))
	for v, l := range r.level {
		levels = max(levels, l+1)
		roots[v] = int32(v)
	}
	if bothWays {
		slices.SortStableFunc(roots, func(a, b int32) int {
			return len(r.in.Row(a)) + len(r.out.Row(a)) - len(r.in.Row(b)) - len(r.out.Row(b))
		})
	}
	r.layers, r.pos = make([][]int32, levels), make([]int32, len(r.level))
	seen := make([]bool, len(r.level))
	var stack []int32
	for _, root := range roots {
		stack = append(stack, root)
		for len(stack) > 0 {
			v := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if seen[v] {
				continue
			}
			seen[v] = true
			r.layers[r.level[v]] = append(r.layers[r.level[v]], v)
			if bothWays {
				for _, link := range slices.Backward(r.in.Row(v)) {
					stack = append(stack, r.links[link].From)
				}
			}
			for _, link := range slices.Backward(r.out.Row(v)) {
				stack = append(stack, r.links[link].To)
			}
		}
	}
	for _, layer := range r.layers {
		r.number(layer)
	}
}

func (r *rails) number(layer []int32) {
	for i, v := range layer {
		r.pos[v] = int32(i)
	}
}

func (r *rails) copyOrder() [][]int32 {
	c := make([][]int32, len(r.layers))
	for i, layer := range r.layers {
		c[i] = slices.Clone(layer)
	}
	return c
}

// sweep sorts every level by the barycentre of its vertices' neighbours on the
// level before (or, from right to left, behind).
func (r *rails) sweep(forth bool) {
	type ranked struct {
		v      int32
		centre float64
	}
	var line []ranked
	for i := range r.layers {
		layer := r.layers[i]
		if !forth {
			layer = r.layers[len(r.layers)-1-i]
		}
		line = line[:0]
		for _, v := range layer {
			line = append(line, ranked{v, r.centre(v, forth)})
		}
		slices.SortStableFunc(line, func(a, b ranked) int { return cmp.Compare(a.centre, b.centre) })
		for p, x := range line {
			layer[p], r.pos[x.v] = x.v, int32(p)
		}
	}
}

// centre returns the mean place of a vertex's neighbours, as a share of their level:
// levels differ in height. Without neighbours it is its own.
func (r *rails) centre(v int32, forth bool) float64 {
	links, at := r.in.Row(v), r.level[v]-1
	if !forth {
		links, at = r.out.Row(v), r.level[v]+1
	}
	if len(links) == 0 {
		return (float64(r.pos[v]) + 0.5) / float64(len(r.layers[r.level[v]]))
	}
	sum := 0
	for _, l := range links {
		if forth {
			sum += int(r.pos[r.links[l].From])
		} else {
			sum += int(r.pos[r.links[l].To])
		}
	}
	return (float64(sum)/float64(len(links)) + 0.5) / float64(len(r.layers[at]))
}

// crossings counts the pairs of links that cross, with a Fenwick tree.
func (r *rails) crossings() int {
	total := 0
	var ends []int32
	for i := 0; i+1 < len(r.layers); i++ {
		tree := make(fenwick, len(r.layers[i+1])+1)
		before := 0
		for _, v := range r.layers[i] {
			ends = ends[:0]
			for _, l := range r.out.Row(v) {
				ends = append(ends, r.pos[r.links[l].To])
			}
			for _, p := range ends {
				total += before - tree.sum(p)
			}
			for _, p := range ends {
				tree.add(p)
			}
			before += len(ends)
		}
	}
	return total
}

// fenwick counts numbers and how many are not above one.
type fenwick []int

func (f fenwick) add(i int32) {
	for i++; int(i) < len(f); i += i & -i {
		f[i]++
	}
}

func (f fenwick) sum(i int32) (s int) {
	for i++; i > 0; i -= i & -i {
		s += f[i]
	}
	return s
}

// exchange swaps neighbours on a level as long as that removes crossings, within
// a bound of comparisons.
func (r *rails) exchange() {
	work := exchangeWork
	for better := true; better && work > 0; {
		better = false
		for _, layer := range r.layers {
			for i := 0; i+1 < len(layer) && work > 0; i++ {
				a, b := layer[i], layer[i+1]
				now, then := r.between(a, b, &work)
				if then < now {
					layer[i], layer[i+1] = b, a
					r.pos[a], r.pos[b] = int32(i+1), int32(i)
					better = true
				}
			}
		}
	}
}

// between counts the crossings between the links of two neighbours as they are
// and if they were exchanged.
func (r *rails) between(a, b int32, work *int) (now, then int) {
	count := func(as, bs []int32, end func(Edge) int32) {
		*work -= len(as) * len(bs)
		for _, x := range as {
			px := r.pos[end(r.links[x])]
			for _, y := range bs {
				switch py := r.pos[end(r.links[y])]; {
				case px > py:
					now++
				case px < py:
					then++
				}
			}
		}
	}
	count(r.in.Row(a), r.in.Row(b), func(e Edge) int32 { return e.From })
	count(r.out.Row(a), r.out.Row(b), func(e Edge) int32 { return e.To })
	*work--
	return now, then
}
