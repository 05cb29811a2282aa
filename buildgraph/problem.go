package buildgraph

import (
	"slices"
	"sync"
)

// problem is all that the order of a tangle follows from. The same problem has
// the same solution, in whatever graph it stands.
type problem struct {
	size    int
	edges   []tangleEdge
	improve int // rounds
	shorten int // rounds; 0 in small tangles, where no chain is long
	widen   int // rounds; 0 too when no durations are known
	clock   clock
}

// solve gives every member its place in the order.
func (p *problem) solve() []int32 {
	t := newTangle(p.size, p.edges)
	s := newSequence(t, greedyOrder(t))
	s.settleAll()
	s.improve(p.improve)
	order, cost := s.appendTo(nil), s.cost()
	if p.shorten > 0 {
		order = s.shorten(p.clock, p.shorten)
	}
	if p.widen > 0 {
		s = newSequence(newTangle(p.size, p.edges), order) // at full prices again
		order = s.widen(p.clock, p.widen, widenLimit*float64(cost))
	}
	place := make([]int32, p.size)
	for at, v := range order {
		place[v] = int32(at)
	}
	return place
}

func (p *problem) same(q *problem) bool {
	return p.size == q.size && p.improve == q.improve && p.shorten == q.shorten && p.widen == q.widen &&
		slices.Equal(p.edges, q.edges) && slices.Equal(p.clock.seconds, q.clock.seconds) &&
		slices.Equal(p.clock.before, q.clock.before) && slices.Equal(p.clock.after, q.clock.after)
}

// solutions keeps the orders of the large tangles that were searched last. A
// change outside a tangle, and another set with the same tangle, then costs no
// search. The zero value is ready; nil keeps nothing.
type solutions struct {
	mu   sync.Mutex
	last []solution // newest last
}

type solution struct {
	problem *problem
	place   []int32
}

const (
	maxSolutions = 24
	solvedFrom   = 16 // nodes; smaller tangles are searched quicker than found
)

func (s *solutions) find(p *problem) ([]int32, bool) {
	if s == nil || p.size < solvedFrom {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.last, func(have solution) bool { return have.problem.same(p) })
	if i < 0 {
		return nil, false
	}
	found := s.last[i]
	s.last = append(slices.Delete(s.last, i, i+1), found)
	return found.place, true
}

func (s *solutions) keep(p *problem, place []int32) {
	if s == nil || p.size < solvedFrom {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.last) == maxSolutions {
		s.last = slices.Delete(s.last, 0, 1)
	}
	s.last = append(s.last, solution{p, place})
}
