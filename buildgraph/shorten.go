package buildgraph

import "slices"

// clock is how long the builds of a tangle take, and what lies around it.
type clock struct {
	seconds []float64 // by node
	before  []float64 // the longest chain outside the tangle that ends at the node
	after   []float64 // the longest chain outside the tangle that starts at it
}

// chains are the longest chains over an order of a tangle.
type chains struct {
	clock
	done []float64 // by node: when it is done, at the earliest
	left []float64 // by node: from its start to the very end
}

const (
	nearLongest = 0.98             // chains of this part of the longest are shortened too
	discount    = 4 * priceUnit    // by how much an edge on them gets cheaper each time
	costLimit   = 1.25             // how much more may be broken in the end, as a factor
	costStop    = 1.15 * costLimit // when to give up, as a factor
)

// shorten looks for an order with a shorter longest chain: again and again, the
// edges on the longest chains become a little cheaper to break, and the nodes
// settle by the new prices. What that breaks more than the given order is
// limited. The best order found stays.
func (s *sequence) shorten(k clock, rounds int) {
	n := len(s.order)
	c := &chains{clock: k, done: make([]float64, n), left: make([]float64, n)}
	longest := c.measure(s)
	shortest, best := longest, slices.Clone(s.order)
	cost := float64(s.cost())
	for range rounds {
		s.discount(c, longest*nearLongest)
		s.journal = s.journal[:0]
		s.settle()
		longest = c.measure(s)
		now := float64(s.cost())
		if longest < shortest && now <= costLimit*cost {
			shortest = longest
			copy(best, s.order)
		}
		if now > costStop*cost || len(s.journal) == 0 && longest <= shortest {
			break
		}
	}
	s.order = best
	for p, v := range best {
		s.pos[v] = int32(p)
	}
}

// measure computes all chains and returns the longest.
func (c *chains) measure(s *sequence) (longest float64) {
	for at, v := range s.order {
		start := c.before[v]
		for _, a := range s.row(v) {
			if a.weight > 0 && int(s.pos[a.to]) < at {
				start = max(start, c.done[a.to])
			}
		}
		c.done[v] = start + c.seconds[v]
	}
	for at, v := range slices.Backward(s.order) {
		left := c.after[v]
		for _, a := range s.row(v) {
			if a.weight < 0 && int(s.pos[a.to]) > at {
				left = max(left, c.left[a.to])
			}
		}
		c.left[v] = left + c.seconds[v]
		longest = max(longest, c.done[v]+left)
	}
	return longest
}

// discount makes the edges on chains of at least that length cheaper.
func (s *sequence) discount(c *chains, length float64) {
	for v := range s.size() {
		row := s.row(v)
		for i := range row {
			a := &row[i]
			before := a.weight > 0
			if before != (s.pos[a.to] < s.pos[v]) {
				continue
			}
			switch {
			case before && c.done[a.to]+c.left[v] >= length:
				a.price -= discount
				s.touch(v)
			case !before && c.done[v]+c.left[a.to] >= length:
				a.price += discount
				s.touch(v)
			}
		}
	}
}
