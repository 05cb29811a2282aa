package buildgraph

import (
	"slices"

	"buildbtw"
	"buildbtw/buildgraph/internal/link"
	"buildbtw/internal/graph"
)

// unreached is the depth of a node that no changeset reaches.
const unreached = -1

// wanted is a request on one architecture, as nodes.
type wanted struct {
	changesets []int32 // ascending
	add        []int32 // ascending
	exclude    []int32
	trigger    buildbtw.EdgeKinds // the kinds that bring dependents in
	scope      buildbtw.Scope
}

// closure is all nodes that the changesets reach. Slices are by node.
type closure struct {
	wanted
	depth []int32 // edges to the nearest changeset
	via   []int32 // the neighbour that is one nearer, -1 for changesets
	queue []int32 // all reached nodes, nearest first
	skip  []bool  // excluded by name
}

// reach searches breadth-first from the changesets for everything that must be
// rebuilt because of them. Among equally near causes the first one found stays,
// which is the first by name for direct dependents. The search does not go on
// through an excluded node: it stays as it is.
func reach(g *link.Graph, w wanted) *closure {
	n := len(g.Nodes)
	c := &closure{wanted: w, via: make([]int32, n), skip: make([]bool, n)}
	c.depth = slices.Repeat([]int32{unreached}, n)
	for _, v := range w.exclude {
		c.skip[v] = true
	}
	for _, v := range w.changesets {
		c.depth[v], c.via[v] = 0, -1
		c.queue = append(c.queue, v)
	}
	for head := 0; head < len(c.queue); head++ {
		v := c.queue[head]
		kinds := g.Users.RowKinds(v)
		for i, u := range g.Users.Row(v) {
			if kinds[i]&c.trigger != 0 && c.depth[u] == unreached && !c.skip[u] {
				c.depth[u], c.via[u] = c.depth[v]+1, v
				c.queue = append(c.queue, u)
			}
		}
	}
	return c
}

// limit is how many edges a scope goes from the changesets.
func limit(scope buildbtw.Scope) int32 {
	switch scope {
	case buildbtw.ScopeNone:
		return 0
	case buildbtw.ScopeDirect:
		return 1
	default:
		return 1<<31 - 1
	}
}

// within returns the reached nodes of a scope, nearest first.
func (c *closure) within(scope buildbtw.Scope) []int32 {
	far := limit(scope)
	end := slices.IndexFunc(c.queue, func(v int32) bool { return c.depth[v] > far })
	if end < 0 {
		return c.queue
	}
	return c.queue[:end]
}

// set lists the nodes of a scope, with those added by name, ascending.
func (c *closure) set(scope buildbtw.Scope) []int32 {
	in := graph.NewBitset(len(c.depth))
	for _, v := range c.within(scope) {
		in.Add(v)
	}
	for _, v := range c.add {
		in.Add(v)
	}
	return in.List()
}

// count is how many nodes a scope has.
func (c *closure) count(scope buildbtw.Scope) int {
	n, far := len(c.within(scope)), limit(scope)
	for _, v := range c.add { // each once
		if c.depth[v] == unreached || c.depth[v] > far {
			n++
		}
	}
	return n
}

// byHand reports whether v is in the set only because somebody added it.
func (c *closure) byHand(v int32) bool {
	return c.depth[v] == unreached || c.depth[v] > limit(c.scope)
}

// reasons returns why the nodes of a set are in it.
func (c *closure) reasons(g *link.Graph, set []int32) []buildbtw.Reason {
	out := make([]buildbtw.Reason, len(set))
	for l, v := range set {
		out[l] = c.reason(g, v)
	}
	return out
}

// reason returns why a node of the set is in it.
func (c *closure) reason(g *link.Graph, v int32) buildbtw.Reason {
	switch {
	case c.byHand(v):
		return buildbtw.Reason{Kind: buildbtw.ReasonAdded}
	case c.depth[v] == 0:
		return buildbtw.Reason{Kind: buildbtw.ReasonChangeset}
	}
	return g.Reason(v, c.via[v])
}
