package buildgraph

import "slices"

// widen looks for an order that leaves more to do at the beginning: many
// machines wait while few builds can start. What holds a build back is the edge
// to the last of what it needs; those edges make a forest. Again and again, the
// ones with most work hanging on them become cheaper to break, and the nodes
// settle by the new prices. The order in which work starts earliest on average
// stays, if it costs no more than the limit and its longest chain has hardly
// grown.
func (s *sequence) widen(k clock, rounds int, limit float64) []int32 {
	c := newChains(k)
	c.measure(s)
	earliest, longest, best := c.waiting(), c.longest, slices.Clone(c.order)
	h := &holds{by: make([]int32, s.size()), work: make([]float64, s.size())}
	for range rounds {
		h.find(s, c)
		s.loosen(h)
		s.settle()
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
	widenLimit    = 1.5  // how much more may be broken than before the chains were shortened, as a factor
	giveUp        = 1.15 // as a factor of that
	longerAllowed = 1.1
	heavyHold     = 0.3 // edges with this part of the most work are loosened
)

// waiting is the sum of all work, each second of it times its start.
func (c *chains) waiting() (sum float64) {
	for v, done := range c.done {
		sum += (done - c.seconds[v]) * c.seconds[v]
	}
	return sum
}

// holds say what keeps builds from starting earlier.
type holds struct {
	by   []int32   // by node: the last of what it waits for; -1
	work []float64 // by node: its seconds, and those of all that it holds back
	most float64   // of all that is held back
}

func (h *holds) find(s *sequence, c *chains) {
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

// heavy reports whether much hangs on the edge that holds v back.
func (h *holds) heavy(v int32) bool { return h.work[v] >= heavyHold*h.most }

// loosen makes the edges on which much hangs cheaper.
func (s *sequence) loosen(h *holds) {
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
