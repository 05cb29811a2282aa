package feedback

import "slices"

// chains are the longest chains over an order of a component.
type chains struct {
	times
	order   []int32
	done    []float64 // by node: when it is done, at the earliest
	left    []float64 // by node: from its start to the very end
	longest float64
	cost    float64 // the weight of all edges that point back
}

const (
	nearLongest = 0.98             // chains of this part of the longest are shortened too
	discount    = 4 * priceUnit    // by how much an edge on them gets cheaper each time
	costLimit   = 1.4              // how much more may be broken in the end, as a factor
	costStop    = 1.15 * costLimit // when to give up, as a factor
)

// shorten looks for an order with a shorter longest chain: again and again, the
// edges on the longest chains become a little cheaper to break, and the nodes
// are inserted by the new prices. The cost of the broken edges may exceed that of
// the given order by costLimit at most. It returns the best order found.
func (s *sequence) shorten(t times, rounds int) []int32 {
	c := newChains(t)
	c.measure(s)
	shortest, cost, best := c.longest, c.cost, slices.Clone(c.order)
	for range rounds {
		s.discount(c, c.longest*nearLongest)
		s.journal = s.journal[:0]
		s.insertDirty()
		c.measure(s)
		if c.longest < shortest && c.cost <= costLimit*cost {
			shortest = c.longest
			copy(best, c.order)
		}
		if c.cost > costStop*cost {
			break
		}
	}
	return best
}

func newChains(t times) *chains {
	n := len(t.seconds)
	return &chains{times: t, done: make([]float64, n), left: make([]float64, n)}
}

// measure computes all chains, and the cost of the order.
func (c *chains) measure(s *sequence) {
	c.order = s.appendTo(c.order[:0])
	c.cost = float64(c.forward(s))
	c.longest = c.backward(s)
}

// forward computes when each node is done, and returns the weight of all edges that
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

// backward computes the longest remaining time from each node on, and returns the length
// of the longest chain.
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

const rounding = 1e-9 // relative error of a sum of durations, at most

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

// startEarlier searches for an order in which more builds can start at the beginning,
// when many machines would be idle. A build is delayed by the edge to its dependency that
// is built last; these edges form a forest. In each round the edges that delay most work
// become cheaper to break, and the nodes are inserted again by the new costs. The result
// is the order with the earliest average start whose cost is within the limit and whose
// longest chain has hardly grown.
func (s *sequence) startEarlier(t times, rounds int, limit float64) []int32 {
	c := newChains(t)
	c.measure(s)
	earliest, longest, best := c.waiting(), c.longest, slices.Clone(c.order)
	h := &holders{by: make([]int32, s.size()), work: make([]float64, s.size())}
	for range rounds {
		h.find(s, c)
		s.discountHeavy(h)
		s.insertDirty()
		c.measure(s)
		if c.cost > giveUp*limit {
			break
		}
		if w := c.waiting(); w < earliest && c.cost <= limit && c.longest <= longerAllowed*longest {
			earliest = w
			copy(best, c.order)
		}
	}
	return best
}

const (
	costlier      = 1.5  // how much more may be broken than before the chains were shortened, as a factor
	giveUp        = 1.15 // as a factor of that
	longerAllowed = 1.1
	heavyHold     = 0.3 // edges with this part of the most work get cheaper
)

// waiting is the sum of all work, each second of it times its start.
func (c *chains) waiting() (sum float64) {
	for v, done := range c.done {
		sum += (done - c.seconds[v]) * c.seconds[v]
	}
	return sum
}

// holders are the dependencies that keep builds from starting earlier.
type holders struct {
	by   []int32   // by node: the dependency that is built last; -1: none
	work []float64 // by node: its seconds, and those of all that it holds back
	most float64   // of all that is held back
}

func (h *holders) find(s *sequence, c *chains) {
	copy(h.work, c.seconds)
	for _, v := range c.order {
		h.by[v] = -1
		start := (c.done[v] - c.seconds[v]) * (1 - rounding)
		for _, e := range s.needs(v) {
			if s.label[e.before] < s.label[v] && c.done[e.before] >= start {
				h.by[v] = e.before
			}
		}
	}
	h.most = 0
	for i := len(c.order) - 1; i >= 0; i-- {
		v := c.order[i]
		if u := h.by[v]; u >= 0 {
			h.work[u] += h.work[v]
			h.most = max(h.most, h.work[v])
		}
	}
}

// heavy reports whether much work hangs on the edge that holds v back.
func (h *holders) heavy(v int32) bool { return h.work[v] >= heavyHold*h.most }

// discountHeavy makes the edges on which much hangs cheaper.
func (s *sequence) discountHeavy(h *holders) {
	for v := range s.size() {
		row := s.row(v)
		for i := range row {
			a := &row[i]
			switch {
			case a.weight > 0 && h.by[v] == a.to && h.heavy(v):
				a.price -= discount
				s.touch(v)
			case a.weight < 0 && h.by[a.to] == v && h.heavy(a.to):
				a.price += discount
				s.touch(v)
			}
		}
	}
	s.journal = s.journal[:0]
}
