package release

import "slices"

// world is a view with some packages of units in it.
type world struct {
	*view
	extra   []node            // packages of units; their indexes follow those of the view
	offered [][]offer         // by name: of extra; no shorter than the view's, or nil when there are none
	present []bool            // by index

	replacers []int32 // by package of the view: the unit that takes its place; -1 for none

	// consistent reports whether two packages can be in the repositories at one time; nil
	// when all that are present can.
	consistent func(a, b int32) bool
}

func (w *world) node(i int32) *node {
	if int(i) < len(w.nodes) {
		return &w.nodes[i]
	}
	return &w.extra[int(i)-len(w.nodes)]
}

// candidates calls f for each present package that pacman would find for a dependency, in
// the order of the repositories, its name before provides, until f returns true.
func (w *world) candidates(d dependency, f func(i int32) bool) {
	for _, literal := range []bool{true, false} {
		if int(d.name) < len(w.offers) {
			for _, o := range w.offers[d.name] {
				if o.literal == literal && w.present[o.node] && o.satisfies(d) && f(o.node) {
					return
				}
			}
		}
		for _, o := range w.offersOf(d.name) {
			if o.literal == literal && w.present[o.node] && o.satisfies(d) && f(o.node) {
				return
			}
		}
	}
}

// offersOf returns what packages of units offer of a name.
func (w *world) offersOf(name int32) []offer {
	if int(name) < len(w.offered) {
		return w.offered[name]
	}
	return nil
}

// finder looks for witnesses: sets of packages that can be installed together.
type finder struct {
	*world
	dead         []bool // by index: has a dependency that nothing meets, or only dead packages
	in           []bool // is chosen
	set          []int32
	names        map[int32]int32   // of chosen packages
	bars         map[int32][]int32 // by name: chosen packages that conflict with something of that name
	steps, limit int
	gaveUp       bool // because of limit
}

// Bounds of the packages that are tried for one witness, and to make one larger.
const (
	maxSteps   = 20000
	extraSteps = 500
)

func newFinder(w *world) *finder {
	n := len(w.nodes) + len(w.extra)
	return &finder{world: w, limit: maxSteps, in: make([]bool, n), names: map[int32]int32{}, bars: map[int32][]int32{}}
}

// maxLarge bounds the large witnesses of one view: packages that exclude each other need one each.
const maxLarge = 16

// installable calls found for the packages that can be installed, and missing for the others, of
// those that are present and wanted. One witness is enough for all its members, so one is made
// as large as it goes, then another one of what conflicts with that, and so on.
func (f *finder) installable(wanted func(i int32) bool, found func(i int32), missing func(i int32) (goOn bool)) {
	large, able := newFinder(f.world), make([]bool, len(f.in))
	large.limit = extraSteps
	var left []int32
	for i := range int32(len(f.in)) {
		if f.present[i] && wanted(i) {
			left = append(left, i)
		}
	}
	for round := 0; len(left) > 0; round++ {
		var later []int32
		for _, i := range left {
			if able[i] {
				continue
			}
			mark := len(large.set)
			large.steps = 0
			var members []int32
			if large.add(i) && large.complete(mark, 0) {
				members = large.set[mark:]
			} else {
				large.undo(mark)
				if mark > 0 && round < maxLarge {
					later = append(later, i)
					continue
				}
				if members = f.witness(i); members == nil && !missing(i) {
					return
				}
			}
			for _, m := range members {
				able[m] = true
				found(m)
			}
		}
		left = later
		large.undo(0)
	}
}

// witness returns packages with which a package can be installed, itself among them: all
// dependencies are met and no two conflict. Nil when there are none, or none were
// found in limit steps.
func (f *finder) witness(i int32) []int32 {
	if f.dead != nil && f.dead[i] {
		return nil
	}
	f.steps, f.gaveUp = 0, false
	defer f.undo(0)
	if f.add(i) && f.complete(0, 0) {
		return slices.Clone(f.set)
	}
	if f.dead != nil {
		return nil
	}
	f.findDead() // once; then look again without the dead ends
	f.undo(0)
	return f.witness(i)
}

// complete adds what the chosen packages from set[at] on need, beginning with this
// need of the first.
func (f *finder) complete(at, need int) bool {
	for ; at < len(f.set); at, need = at+1, 0 {
		n := f.node(f.set[at])
		for ; need < len(n.needs); need++ {
			d := n.needs[need]
			if d.link || f.met(d) {
				continue
			}
			var options []int32
			f.candidates(d, func(i int32) bool {
				if (f.dead == nil || !f.dead[i]) && !slices.Contains(options, i) {
					options = append(options, i)
				}
				return false
			})
			if len(options) == 1 {
				if !f.add(options[0]) {
					return false
				}
				continue
			}
			mark := len(f.set)
			for _, o := range options {
				if f.add(o) && f.complete(at, need+1) {
					return true
				}
				f.undo(mark)
				if f.steps > f.limit {
					return false
				}
			}
			return false
		}
	}
	return true
}

// met reports whether a chosen package satisfies a dependency.
func (f *finder) met(d dependency) bool {
	if int(d.name) < len(f.offers) {
		for i := range f.offers[d.name] {
			if o := &f.offers[d.name][i]; f.in[o.node] && o.satisfies(d) {
				return true
			}
		}
	}
	for _, o := range f.offersOf(d.name) {
		if f.in[o.node] && o.satisfies(d) {
			return true
		}
	}
	return false
}

// add chooses a package, and reports whether nothing is against that.
func (f *finder) add(i int32) bool {
	f.steps++
	if f.steps > f.limit {
		f.gaveUp = true
		return false
	}
	n := f.node(i)
	if _, taken := f.names[n.name]; taken {
		return false
	}
	for _, o := range n.offers {
		for _, other := range f.bars[o.name] {
			if f.node(other).conflictsWith(n) {
				return false
			}
		}
	}
	for _, c := range n.conflicts {
		barred := false
		f.candidates(c, func(j int32) bool { barred = f.in[j] && f.node(j).name != n.name; return barred })
		if barred {
			return false
		}
	}
	if f.consistent != nil && slices.ContainsFunc(f.set, func(j int32) bool { return !f.consistent(i, j) }) {
		return false
	}
	f.in[i], f.names[n.name] = true, i
	f.set = append(f.set, i)
	for _, c := range n.conflicts {
		f.bars[c.name] = append(f.bars[c.name], i)
	}
	return true
}

// undo takes back what was chosen after the first ones.
func (f *finder) undo(mark int) {
	for len(f.set) > mark {
		i := f.set[len(f.set)-1]
		f.set = f.set[:len(f.set)-1]
		n := f.node(i)
		f.in[i] = false
		delete(f.names, n.name)
		for _, c := range n.conflicts {
			f.bars[c.name] = f.bars[c.name][:len(f.bars[c.name])-1]
		}
	}
}

// findDead marks the packages that cannot be installed whatever conflicts.
func (f *finder) findDead() {
	f.dead = make([]bool, len(f.in))
	needing := map[int32][]int32{} // by name of a dependency
	var queue []int32
	check := func(i int32) {
		n := f.node(i)
		for _, d := range n.needs {
			if f.dead[i] || d.link || n.meetsItself(d) {
				continue
			}
			alive := false
			f.candidates(d, func(j int32) bool { alive = !f.dead[j]; return alive })
			if !alive {
				f.dead[i] = true
				queue = append(queue, i)
			}
		}
	}
	for i := range f.in {
		if f.present[i] {
			for _, d := range f.node(int32(i)).needs {
				needing[d.name] = append(needing[d.name], int32(i))
			}
		}
	}
	for i := range f.in {
		if f.present[i] {
			check(int32(i))
		}
	}
	for len(queue) > 0 {
		n := f.node(queue[0])
		queue = queue[1:]
		for _, o := range n.offers {
			for _, i := range needing[o.name] {
				if !f.dead[i] {
					check(i)
				}
			}
		}
	}
}
