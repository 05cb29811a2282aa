package buildgraph

import "slices"

// priceUnit is the price of a weight of 1. Prices are finer than weights
// because shorten changes them little by little.
const priceUnit = 16

// sequence is an order of a tangle's nodes under improvement.
type sequence struct {
	*tangle
	*line
	near    []int32 // scratch: the labels of one node's neighbours
	dirty   []bool  // something about the node changed since it was looked at
	todo    []int32 // the dirty nodes
	journal []step  // moves since it was last emptied
}

// step is one move that can be taken back.
type step struct{ node, behind int32 }

// newSequence starts with an order. It sorts the rows of the tangle by it.
func newSequence(t *tangle, order []int32) *sequence {
	t.sortRows(order)
	return &sequence{tangle: t, line: newLine(order), dirty: make([]bool, len(order))}
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

// settleAll moves every node to its best place, until that helps none of them.
func (s *sequence) settleAll() {
	s.todo = s.appendTo(s.todo[:0])
	for _, v := range s.todo {
		s.dirty[v] = true
	}
	s.settle()
}

func (s *sequence) touch(v int32) {
	if !s.dirty[v] {
		s.dirty[v] = true
		s.todo = append(s.todo, v)
	}
}

// settle moves dirty nodes to their best places until none is left. It returns
// what that saved.
func (s *sequence) settle() (saved int64) {
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

// bestPlace finds the neighbour behind which v breaks least (the end: v comes
// first of all), and what moving there saves. Only passing a neighbour changes
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
