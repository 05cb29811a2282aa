package buildgraph

import "slices"

// tangle is one strongly connected component, numbered by itself, for the
// search of an order that breaks as little of it as possible. A neighbour with
// a positive weight must be built before the node, one with a negative weight
// after it.
type tangle struct {
	off    []int32
	to     []int32
	weight []int32
}

func (t *tangle) size() int32 { return int32(len(t.off)) - 1 }

// sequence is an order of a tangle's nodes under improvement.
type sequence struct {
	*tangle
	order []int32 // by position
	pos   []int32 // by node
	dirty []bool  // some neighbour moved since the node was looked at
	todo  []int32 // the dirty nodes
	near  []uint64
}

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
		for i := s.off[v]; i < s.off[v+1]; i++ {
			if s.weight[i] > 0 && s.pos[s.to[i]] > s.pos[v] {
				sum += int64(s.weight[i])
			}
		}
	}
	return sum
}

// settle moves every node to its best place until no single move helps.
func (s *sequence) settle() {
	for _, v := range s.order {
		s.touch(v)
	}
	s.drain()
}

func (s *sequence) touch(v int32) {
	if !s.dirty[v] {
		s.dirty[v] = true
		s.todo = append(s.todo, v)
	}
}

func (s *sequence) drain() {
	for head := 0; head < len(s.todo); head++ {
		v := s.todo[head]
		s.dirty[v] = false
		if to, gain := s.bestPlace(v); gain > 0 {
			s.move(v, to)
			for i := s.off[v]; i < s.off[v+1]; i++ {
				s.touch(s.to[i])
			}
		}
	}
	s.todo = s.todo[:0]
}

// bestPlace finds the position at which v breaks least, and what moving there
// saves. It walks over v's neighbours in order: only passing one of them
// changes the cost.
func (s *sequence) bestPlace(v int32) (at int32, gain int64) {
	s.near = s.near[:0]
	for i := s.off[v]; i < s.off[v+1]; i++ {
		s.near = append(s.near, uint64(s.pos[s.to[i]])<<32|uint64(i))
	}
	slices.Sort(s.near)
	// relative to the place before all neighbours
	var cost, here, best int64
	from := s.pos[v]
	at, passed := -1, false
	for _, packed := range s.near {
		p := int32(packed >> 32)
		if p > from && !passed {
			here, passed = cost, true
		}
		cost -= int64(s.weight[uint32(packed)])
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

// move puts v at a position and shifts what lies between.
func (s *sequence) move(v, to int32) {
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
