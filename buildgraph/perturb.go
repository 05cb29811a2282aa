package buildgraph

import "math/rand/v2"

// improve searches on from an order that no single move makes better: it forces
// one broken edge to hold, lets what it passed settle again, and takes it all
// back unless the order is at least as good. The random numbers are the same
// every time.
func (s *sequence) improve(rounds int) {
	random := rand.New(rand.NewPCG(1, uint64(s.size())))
	for range rounds {
		v := int32(random.IntN(int(s.size())))
		other, ok := s.brokenEdge(v, random)
		if !ok {
			continue
		}
		s.journal = s.journal[:0]
		if change := s.force(v, other) - s.settle(); change > 0 {
			s.undo()
		}
	}
}

// brokenEdge picks one of v's edges that point back and returns its other end.
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

// force moves v to the other side of a neighbour and returns what that costs.
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
