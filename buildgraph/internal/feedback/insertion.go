package feedback

import (
	"math/rand/v2"
	"slices"
)

// sequence is an order of a component's nodes under improvement.
type sequence struct {
	*component
	*list
	near    []int32 // scratch: the labels of one node's neighbours
	dirty   []bool  // something about the node changed since it was looked at
	todo    []int32 // the dirty nodes
	journal []step  // moves since it was last emptied
}

// step is one move that can be taken back.
type step struct{ node, behind int32 }

// newSequence starts with an order. It sorts the rows of the component by it.
func newSequence(c *component, order []int32) *sequence {
	c.sortRows(order)
	return &sequence{component: c, list: newList(order), dirty: make([]bool, len(order))}
}

// cost is the weight of all edges that point back.
func (s *sequence) cost() (sum int64) {
	for _, e := range s.edges {
		if s.label[e.before] > s.label[e.after] {
			sum += int64(e.weight)
		}
	}
	return sum
}

// insertAll moves every node to its best place, until that helps none of them.
func (s *sequence) insertAll() {
	s.todo = s.appendTo(s.todo[:0])
	for _, v := range s.todo {
		s.dirty[v] = true
	}
	s.insertDirty()
}

func (s *sequence) touch(v int32) {
	if !s.dirty[v] {
		s.dirty[v] = true
		s.todo = append(s.todo, v)
	}
}

// insertDirty moves dirty nodes to their best places until none is left. It
// returns by how much the order got cheaper.
func (s *sequence) insertDirty() (saved int64) {
	for next := 0; next < len(s.todo); { // the list grows
		v := s.todo[next]
		next++
		s.dirty[v] = false
		if behind, gain := s.bestPlace(v); gain > 0 {
			s.put(v, behind)
			saved += gain
		}
	}
	s.todo = s.todo[:0]
	return saved
}

// bestPlace returns the neighbour behind which v breaks the least weight (the end: v comes
// first of all), and the weight that moving there saves. Only passing a neighbour changes
// the cost.
func (s *sequence) bestPlace(v int32) (behind int32, gain int64) {
	row := s.sortRow(v)
	at, label := -1, s.label[v]
	var cost, best int64 // relative to the place before all neighbours
	i := 0
	for ; i < len(row) && s.near[i] < label; i++ {
		cost -= int64(row[i].price)
		if cost < best {
			best, at = cost, i
		}
	}
	here := cost
	for ; i < len(row); i++ {
		cost -= int64(row[i].price)
		if cost < best {
			best, at = cost, i
		}
	}
	if at < 0 {
		return s.end(), here - best
	}
	return row[at].to, here - best
}

// sortRow sorts v's neighbours by their order, and puts their labels into near.
// Few have moved since the last time, so insertion is quick.
func (s *sequence) sortRow(v int32) []arc {
	row := s.row(v)
	near := slices.Grow(s.near[:0], len(row))[:len(row)]
	last := int32(-1)
	for i := range row {
		l := s.label[row[i].to]
		near[i] = l
		if l < last {
			insert(row, near, i)
			continue
		}
		last = l
	}
	s.near = near
	return row
}

// insert moves element i of a row down to its place among the sorted ones
// before it, which mostly is one place down: past a node that moved far up.
func insert(row []arc, near []int32, i int) {
	at, a, l := i-1, row[i], near[i]
	if at > 0 && near[at-1] > l {
		at, _ = slices.BinarySearch(near[:at], l)
		copy(row[at+1:i+1], row[at:i])
		copy(near[at+1:i+1], near[at:i])
	} else {
		row[i], near[i] = row[at], near[at]
	}
	row[at], near[at] = a, l
}

// put moves v right behind another node and marks the neighbours that it
// passed.
func (s *sequence) put(v, behind int32) {
	s.makeRoom(behind)
	s.journal = append(s.journal, step{v, s.prev[v]})
	from := s.label[v]
	s.move(v, behind)
	lo, hi := min(from, s.label[v]), max(from, s.label[v])
	for _, a := range s.row(v) {
		if l := s.label[a.to]; lo < l && l < hi {
			s.touch(a.to)
		}
	}
}

// undo takes back the moves in the journal.
func (s *sequence) undo() {
	for _, step := range slices.Backward(s.journal) {
		s.makeRoom(step.behind)
		s.move(step.node, step.behind)
	}
	s.journal = s.journal[:0]
}

// perturb searches on from an order that no single move makes better: it forces
// one broken edge to hold, inserts the nodes between again, and undoes all of it
// unless the order is at least as good.
func (s *sequence) perturb(rounds int) {
	random := rand.New(rand.NewPCG(1, uint64(s.size())))
	for range rounds {
		v := int32(random.IntN(int(s.size())))
		other, ok := s.brokenEdge(v, random)
		if !ok {
			continue
		}
		s.journal = s.journal[:0]
		if change := s.force(v, other) - s.insertDirty(); change > 0 {
			s.undo()
		}
	}
}

// brokenEdge picks one of v's edges that point back at random and returns its
// other end.
func (s *sequence) brokenEdge(v int32, random *rand.Rand) (other int32, ok bool) {
	n, label := 0, s.label[v]
	for _, a := range s.row(v) {
		if (a.price > 0) == (s.label[a.to] > label) {
			if n++; random.IntN(n) == 0 {
				other = a.to
			}
		}
	}
	return other, n > 0
}

// force moves v to the other side of a neighbour and returns the cost.
func (s *sequence) force(v, other int32) (cost int64) {
	from, to := s.label[v], s.label[other]
	behind := other
	if to < from {
		behind = s.prev[other]
	}
	for _, a := range s.row(v) {
		l := s.label[a.to]
		switch {
		case from < l && l <= to:
			cost -= int64(a.price)
		case to <= l && l < from:
			cost += int64(a.price)
		}
	}
	s.put(v, behind)
	return cost
}
