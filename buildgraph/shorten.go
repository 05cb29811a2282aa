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
	order   []int32
	done    []float64 // by node: when it is done, at the earliest
	left    []float64 // by node: from its start to the very end
	longest float64
	cost    float64 // the weight of all edges that point back
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
// limited. It returns the best order found.
func (s *sequence) shorten(k clock, rounds int) []int32 {
	c := newChains(k)
	c.measure(s)
	shortest, cost, best := c.longest, c.cost, slices.Clone(c.order)
	for range rounds {
		s.discount(c, c.longest*nearLongest)
		s.journal = s.journal[:0]
		s.settle()
		c.measure(s)
		if c.longest < shortest && c.cost <= costLimit*cost {
			shortest = c.longest
			copy(best, c.order)
		}
		if c.cost > costStop*cost || len(s.journal) == 0 && c.longest <= shortest {
			break
		}
	}
	return best
}

func newChains(k clock) *chains {
	n := len(k.seconds)
	return &chains{clock: k, done: make([]float64, n), left: make([]float64, n)}
}

// measure computes all chains, and what the order breaks.
func (c *chains) measure(s *sequence) {
	c.order = s.appendTo(c.order[:0])
	c.cost = float64(c.forward(s))
	c.longest = c.backward(s)
}

// forward computes what is done when, and returns the weight of all edges that
// point back.
func (c *chains) forward(s *sequence) (broken int64) {
	for _, v := range c.order {
		start, label := c.before[v], s.label[v]
		for _, e := range s.needs(v) {
			if s.label[e.before] > label {
				broken += int64(e.weight)
			} else if d := c.done[e.before]; d > start {
				start = d
			}
		}
		c.done[v] = start + c.seconds[v]
	}
	return broken
}

// backward computes what is left when, and returns the longest chain.
func (c *chains) backward(s *sequence) (longest float64) {
	copy(c.left, c.after)
	for i := len(c.order) - 1; i >= 0; i-- {
		v := c.order[i]
		left, label := c.left[v]+c.seconds[v], s.label[v]
		c.left[v] = left
		longest = max(longest, c.through(v))
		for _, e := range s.needs(v) {
			if s.label[e.before] < label && c.left[e.before] < left {
				c.left[e.before] = left
			}
		}
	}
	return longest
}

// through is the longest chain that goes through a node.
func (c *chains) through(v int32) float64 { return c.done[v] + (c.left[v] - c.seconds[v]) }

const rounding = 1e-9 // more than what is lost in a sum of durations, as a factor

// discount makes the edges on chains of at least that length cheaper.
func (s *sequence) discount(c *chains, length float64) {
	for v := range s.size() {
		if c.through(v) < length*(1-rounding) {
			continue
		}
		row, label := s.row(v), s.label[v]
		for i := range row {
			a := &row[i]
			before := a.weight > 0
			if before != (s.label[a.to] < label) {
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
