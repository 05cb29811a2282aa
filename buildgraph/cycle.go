package buildgraph

// cycleThrough gives a shortest cycle over the edge from→to (to needs from):
// from, to, and on along users until from is needed again.
type cycleFinder struct {
	users *csr
	comps *components
	from  []int32 // by node: the one before it on the way, valid when mark is the round
	mark  []int32
	round int32
	queue []int32
}

func newCycleFinder(users *csr, comps *components) *cycleFinder {
	n := users.nodes()
	return &cycleFinder{users: users, comps: comps, from: make([]int32, n), mark: make([]int32, n)}
}

func (c *cycleFinder) find(from, to int32) []int32 {
	c.round++
	c.queue = append(c.queue[:0], to)
	c.mark[to], c.from[to] = c.round, -1
	for head := 0; head < len(c.queue); head++ {
		v := c.queue[head]
		if c.users.find(v, from) >= 0 {
			return c.path(from, v)
		}
		for _, u := range c.users.row(v) {
			if c.mark[u] != c.round && c.comps.of[u] == c.comps.of[to] {
				c.mark[u], c.from[u] = c.round, v
				c.queue = append(c.queue, u)
			}
		}
	}
	return nil
}

func (c *cycleFinder) path(from, last int32) []int32 {
	back := []int32{}
	for v := last; v >= 0; v = c.from[v] {
		back = append(back, v)
	}
	return append([]int32{from}, reversed(back)...)
}

func reversed(list []int32) []int32 {
	out := make([]int32, len(list))
	for i, v := range list {
		out[len(list)-1-i] = v
	}
	return out
}
