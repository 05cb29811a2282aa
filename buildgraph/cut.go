package buildgraph

import "slices"

// The effort of the search, in rounds: per node of a tangle, and for the
// longest chain. It is higher when durations are known, because then the chain
// is what people wait for.
const (
	improveRounds      = 1
	shortenRounds      = 10
	improveRoundsTimed = 2
	shortenRoundsTimed = 40
	widenRoundsTimed   = 100

	improveNodes = 3000 // in larger tangles a jump costs more, and there are not more of them
	shortenFrom  = 64   // nodes; in smaller tangles no chain is long
)

// cutter leaves edges out of a graph until it has no cycles.
type cutter struct {
	deps    *csr
	comps   *components
	seconds []float64 // by node; nil when no durations are known
	solved  *solutions
	clocks  *clocks // made when the first large tangle needs them
	cut     []bool  // by edge of deps
}

// chooseCuts marks the edges, by their place in deps.to, that are left out so
// that no cycle remains. Every one of them lies on a cycle. Tangles that are in
// solved are not searched again.
//
// It looks for an order of each strongly connected component in which the
// edges that point back weigh little, and cuts those: first a greedy order,
// then every node at its best place, then a search with random jumps, then
// a shorter longest chain and earlier starts for a little more weight.
func chooseCuts(deps *csr, comps *components, seconds []float64, solved *solutions) []bool {
	c := &cutter{deps: deps, comps: comps, seconds: seconds, solved: solved, cut: make([]bool, len(deps.to))}
	local := make([]int32, deps.nodes())
	for _, members := range comps.members() {
		p := c.problem(members, local)
		place, ok := solved.find(p)
		if !ok {
			place = p.solve()
			solved.keep(p, place)
		}
		c.mark(members, place, local)
	}
	return c.cut
}

// problem states a component's tangle; local is scratch space and holds the
// numbers of its members afterwards.
func (c *cutter) problem(members, local []int32) *problem {
	for l, v := range members {
		local[v] = int32(l)
	}
	p := &problem{
		size:    len(members),
		edges:   tangleEdges(c.deps, c.comps, members, local),
		improve: c.effort(improveRounds, improveRoundsTimed) * min(len(members), improveNodes),
	}
	if p.size >= shortenFrom {
		if c.clocks == nil {
			c.clocks = c.newClocks()
		}
		p.shorten, p.clock = c.effort(shortenRounds, shortenRoundsTimed), c.clocks.of(members)
		p.widen = c.effort(0, widenRoundsTimed)
	}
	return p
}

func (c *cutter) effort(plain, timed int) int {
	if c.seconds == nil {
		return plain
	}
	return timed
}

// mark cuts the edges of a component that point back in the order.
func (c *cutter) mark(members, place, local []int32) {
	for _, v := range members {
		for i := c.deps.off[v]; i < c.deps.off[v+1]; i++ {
			u := c.deps.to[i]
			c.cut[i] = c.comps.of[u] == c.comps.of[v] && place[local[u]] > place[local[v]]
		}
	}
}

// clocks measure the chains that lie outside all tangles.
type clocks struct {
	seconds, before, after []float64 // by node; before and after with the node itself
}

func (c *cutter) newClocks() *clocks {
	n := c.deps.nodes()
	k := &clocks{seconds: c.seconds, before: make([]float64, n), after: make([]float64, n)}
	if k.seconds == nil {
		k.seconds = slices.Repeat([]float64{1}, int(n))
	}
	order := c.comps.order()
	for _, v := range order {
		for _, u := range c.deps.row(v) {
			if c.comps.of[u] != c.comps.of[v] {
				k.before[v] = max(k.before[v], k.before[u])
			}
		}
		k.before[v] += k.seconds[v]
	}
	for _, v := range slices.Backward(order) {
		k.after[v] += k.seconds[v]
		for _, u := range c.deps.row(v) {
			if c.comps.of[u] != c.comps.of[v] {
				k.after[u] = max(k.after[u], k.after[v])
			}
		}
	}
	return k
}

func (k *clocks) of(members []int32) clock {
	n := len(members)
	c := clock{seconds: make([]float64, n), before: make([]float64, n), after: make([]float64, n)}
	for l, v := range members {
		c.seconds[l] = k.seconds[v]
		c.before[l] = k.before[v] - k.seconds[v]
		c.after[l] = k.after[v] - k.seconds[v]
	}
	return c
}
