package buildgraph

// priceUnit is the price of a weight of 1. Prices are finer than weights
// because shorten changes them little by little.
const priceUnit = 16

// sequence is an order of a tangle's nodes under improvement.
type sequence struct {
	*tangle
	order   []int32 // by position
	pos     []int32 // by node
	near    []int32 // scratch: the positions of one node's neighbours
	dirty   []bool  // something about the node changed since it was looked at
	todo    []int32 // the dirty nodes
	journal []step  // moves since it was last emptied
}

// step is one move that can be taken back.
type step struct{ node, from int32 }

func newSequence(t *tangle, order []int32) *sequence {
	s := &sequence{tangle: t, order: order, pos: make([]int32, len(order)), dirty: make([]bool, len(order))}
	for p, v := range order {
		s.pos[v] = int32(p)
	}
	return s
}

// cost is the weight of all edges that point back.
func (s *sequence) cost() int64 {
	var sum int64
	for v := range s.size() {
		for _, a := range s.row(v) {
			if a.weight > 0 && s.pos[a.to] > s.pos[v] {
				sum += int64(a.weight)
			}
		}
	}
	return sum
}

// settleAll moves every node to its best place, until that helps none of them.
func (s *sequence) settleAll() {
	for _, v := range s.order {
		s.touch(v)
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
		if to, gain := s.bestPlace(v); gain > 0 {
			s.move(v, to)
			saved += gain
		}
	}
	s.todo = s.todo[:0]
	return saved
}

// bestPlace finds the position at which v breaks least, and what moving there
// saves. Only passing a neighbour changes the cost.
func (s *sequence) bestPlace(v int32) (at int32, gain int64) {
	s.sortRow(v)
	from, passed := s.pos[v], false
	var cost, here, best int64 // relative to the place before all neighbours
	at = -1
	row := s.row(v)
	for i, p := range s.near {
		if p > from && !passed {
			here, passed = cost, true
		}
		cost -= int64(row[i].price)
		if cost < best {
			best, at = cost, p
		}
	}
	if !passed {
		here = cost
	}
	if at < from {
		at++ // right behind the neighbour at that position, which does not move
	}
	return at, here - best
}

// sortRow sorts v's neighbours by position, and puts their positions into
// near. Few have moved since the last time, so insertion is quick.
func (s *sequence) sortRow(v int32) {
	row, near := s.row(v), s.near[:0]
	for i, a := range row {
		p := s.pos[a.to]
		near = append(near, p)
		j := i
		for ; j > 0 && near[j-1] > p; j-- {
			near[j], row[j] = near[j-1], row[j-1]
		}
		if j < i {
			near[j], row[j] = p, a
		}
	}
	s.near = near
}

// move puts v at a position, shifts what lies between, and marks the
// neighbours that it passed.
func (s *sequence) move(v, to int32) {
	from := s.pos[v]
	s.journal = append(s.journal, step{v, from})
	s.place(v, to)
	lo, hi := min(from, to), max(from, to)
	for _, a := range s.row(v) {
		if p := s.pos[a.to]; lo <= p && p <= hi {
			s.touch(a.to)
		}
	}
}

func (s *sequence) place(v, to int32) {
	from := s.pos[v]
	if from < to {
		copy(s.order[from:to], s.order[from+1:to+1])
	} else {
		copy(s.order[to+1:from+1], s.order[to:from])
	}
	s.order[to] = v
	for p := min(from, to); p <= max(from, to); p++ {
		s.pos[s.order[p]] = p
	}
}

// undo takes back the moves in the journal.
func (s *sequence) undo() {
	for i := len(s.journal) - 1; i >= 0; i-- {
		s.place(s.journal[i].node, s.journal[i].from)
	}
	s.journal = s.journal[:0]
}
