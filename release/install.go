package release

import "slices"

// world is a view with some packages of units in it.
type world struct {
	*view
	extra   []node    // packages of units; their indexes follow those of the view
	offered [][]offer // by name: of extra; no shorter than the view's, or nil when there are none
	present []bool    // by index

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
func (w *world) candidates(d *dependency, f func(i int32) bool) {
	for _, literal := range []bool{true, false} {
		if int(d.name) < len(w.offers) {
			for i := range w.offers[d.name] {
				o := &w.offers[d.name][i]
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
	taken        []bool            // by name: a chosen package has it
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
	return &finder{world: w, limit: maxSteps, in: make([]bool, n), taken: make([]bool, max(len(w.offers), len(w.offered))), bars: map[int32][]int32{}}
}

// maxLarge bounds the large witnesses of one view: packages that exclude each other need one each.
const maxLarge = 16

// installable returns which packages can be installed, of those that are present and wanted, and
// calls missing for the others until it returns false. One witness is enough for all its members,
// so one is made as large as it goes, then another one of what conflicts with that, and so on; it
// returns these, too. Before, it looks what is left of those of the repositories as they are.
func (f *finder) installable(wanted func(i int32) bool, missing func(i int32) (goOn bool)) (able []bool, witnesses [][]int32) {
	able = make([]bool, len(f.in))
	mark := func(members []int32) {
		for _, m := range members {
			able[m] = true
		}
	}
	large := newFinder(f.world)
	large.limit = extraSteps
	for _, before := range slices.Backward(f.witnesses) { // the first one, most often the largest, grows below
		large.undo(0)
		large.revive(before)
		mark(large.set)
	}
	var left []int32
	for i := range int32(len(f.in)) {
		if f.present[i] && !able[i] && wanted(i) {
			left = append(left, i)
		}
	}
	for round := 0; len(left) > 0; round++ {
		var later []int32
		for _, i := range left {
			if able[i] {
				continue
			}
			before := len(large.set)
			large.steps = 0
			if large.add(i) && large.complete(before, 0) {
				mark(large.set[before:])
				continue
			}
			large.undo(before)
			if before > 0 && round < maxLarge {
				later = append(later, i)
				continue
			}
			alone := f.witness(i)
			if alone == nil && !missing(i) {
				return able, witnesses
			}
			mark(alone)
		}
		left = later
		witnesses = append(witnesses, slices.Clone(large.set))
		large.undo(0)
	}
	return able, witnesses
}

// maxRevive bounds the attempts at one former witness.
const maxRevive = 4

// revive chooses what is left of a witness of the repositories as they were: the packages that are
// still there, and those of units in the place of others, without those of which a dependency is
// unmet then. Nothing is chosen before; nothing may be after it.
func (f *finder) revive(former []int32) {
	barred := map[int32]bool{} // packages of units that conflict with others
	for range maxRevive {
		var old, fresh, gone []int32
		for _, i := range former {
			if f.present[i] {
				f.in[i] = true
				old = append(old, i)
				continue
			}
			gone = append(gone, i)
			for _, o := range f.offersOf(f.nodes[i].name) {
				if o.literal && f.present[o.node] && !barred[o.node] && !f.in[o.node] {
					f.in[o.node] = true
					fresh = append(fresh, o.node)
				}
			}
		}
		f.leaveOut(gone, fresh)
		fits := true
		var chosen []int32
		for _, i := range append(old, fresh...) {
			if f.in[i] {
				f.in[i] = false
				chosen = append(chosen, i)
			}
		}
		for _, i := range chosen {
			f.steps = 0
			if !f.add(i) {
				barred[i], fits = true, false
			}
		}
		if fits {
			return
		}
		f.undo(0)
	}
}

// leaveOut takes out of the chosen packages those of which a dependency is unmet: it was met by
// what is gone, or they are fresh.
func (f *finder) leaveOut(gone, fresh []int32) {
	unmet := func(i int32) bool {
		return slices.ContainsFunc(f.node(i).needs, func(d dependency) bool { return !d.link && !f.met(&d) })
	}
	for len(gone) > 0 {
		for ; len(gone) > 0; gone = gone[1:] {
			for _, o := range f.node(gone[0]).offers {
				if int(o.name) >= len(f.users) {
					continue
				}
				for _, u := range f.users[o.name] {
					if d := &f.nodes[u.node].needs[u.need]; f.in[u.node] && !d.link && !f.met(d) {
						f.in[u.node] = false
						gone = append(gone, u.node)
					}
				}
			}
		}
		for _, i := range fresh {
			if f.in[i] && unmet(i) {
				f.in[i] = false
				gone = append(gone, i)
			}
		}
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
			d := &n.needs[need]
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
func (f *finder) met(d *dependency) bool {
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
	if f.taken[n.name] {
		return false
	}
	for i := range n.offers {
		for _, other := range f.bars[n.offers[i].name] {
			if f.node(other).conflictsWith(n) {
				return false
			}
		}
	}
	for _, c := range n.conflicts {
		barred := false
		f.candidates(&c, func(j int32) bool { barred = f.in[j] && f.node(j).name != n.name; return barred })
		if barred {
			return false
		}
	}
	if f.consistent != nil && slices.ContainsFunc(f.set, func(j int32) bool { return !f.consistent(i, j) }) {
		return false
	}
	f.in[i], f.taken[n.name] = true, true
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
		f.in[i], f.taken[n.name] = false, false
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
		for j := range n.needs {
			d := &n.needs[j]
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
