package buildgraph

import (
	"slices"

	"buildbtw"
)

// outside is the depth of a node that no changeset reaches.
const outside = -1

// wanted is a request on one architecture, as nodes.
type wanted struct {
	changesets []int32 // ascending
	add        []int32 // ascending
	exclude    []int32
	trigger    buildbtw.EdgeKinds // the kinds that bring dependents in
	scope      buildbtw.Scope
}

// closure is what the changesets reach. Slices are by node.
type closure struct {
	wanted
	depth []int32 // edges to the nearest changeset
	via   []int32 // the neighbour that is one nearer, -1 for changesets
	queue []int32 // all reached nodes, nearest first
	skip  []bool  // excluded by name
}

// reach walks from the changesets to everything that must be rebuilt because
// of them, nearest first; among equally near causes the first one found stays,
// which is the first by name for direct dependents. Nothing goes on through an
// excluded node: it stays as it is.
func (g *graph) reach(w wanted) *closure {
	n := len(g.units)
	c := &closure{wanted: w, depth: make([]int32, n), via: make([]int32, n), skip: make([]bool, n)}
	for v := range c.depth {
		c.depth[v], c.via[v] = outside, -1
	}
	for _, v := range w.exclude {
		c.skip[v] = true
	}
	for _, v := range w.changesets {
		c.depth[v] = 0
		c.queue = append(c.queue, v)
	}
	for next := 0; next < len(c.queue); { // the queue grows
		v := c.queue[next]
		next++
		c.visit(g, v)
	}
	return c
}

func (c *closure) visit(g *graph, v int32) {
	kinds := g.users.rowKinds(v)
	for i, u := range g.users.row(v) {
		if kinds[i]&c.trigger != 0 && c.depth[u] == outside && !c.skip[u] {
			c.depth[u], c.via[u] = c.depth[v]+1, v
			c.queue = append(c.queue, u)
		}
	}
}

// limit is how far a scope goes.
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

// within gives the reached nodes of a scope, nearest first.
func (c *closure) within(scope buildbtw.Scope) []int32 {
	far := limit(scope)
	end := slices.IndexFunc(c.queue, func(v int32) bool { return c.depth[v] > far })
	if end < 0 {
		return c.queue
	}
	return c.queue[:end]
}

// set lists the nodes of a scope, ascending.
func (c *closure) set(scope buildbtw.Scope) []int32 {
	in := newBitset(len(c.depth))
	for _, v := range c.within(scope) {
		in.add(v)
	}
	for _, v := range c.add {
		in.add(v)
	}
	return in.list()
}

// count is how many nodes a scope has.
func (c *closure) count(scope buildbtw.Scope) int {
	n, far := len(c.within(scope)), limit(scope)
	for _, v := range c.add { // each once
		if c.depth[v] == outside || c.depth[v] > far {
			n++
		}
	}
	return n
}

// byHand reports whether v is in the set only because somebody added it.
func (c *closure) byHand(v int32) bool {
	return c.depth[v] == outside || c.depth[v] > limit(c.scope)
}

// reason says why a node of the set is in it.
func (g *graph) reason(c *closure, v int32) buildbtw.Reason {
	switch {
	case c.byHand(v):
		return buildbtw.Reason{Kind: buildbtw.ReasonAdded}
	case c.depth[v] == 0:
		return buildbtw.Reason{Kind: buildbtw.ReasonChangeset}
	}
	return g.cause(v, c.via[v])
}

// cause says which dependency of v makes it follow u.
func (g *graph) cause(v, u int32) buildbtw.Reason {
	e := g.deps.find(v, u)
	r := buildbtw.Reason{
		Kind: buildbtw.ReasonDepends,
		Via:  g.units[u].info.Pkgbase,
		Name: g.words[g.rows.label[e]].text,
	}
	switch {
	case g.deps.kinds[e]&buildbtw.EdgeDepends == 0:
		r.Kind = buildbtw.ReasonMakedepends
	case g.rows.match[e] == matchSoname:
		r.Kind = buildbtw.ReasonSoname
	case g.rows.match[e] == matchProvides:
		r.Kind = buildbtw.ReasonProvides
	}
	return r
}
