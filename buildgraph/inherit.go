package buildgraph

import (
	"slices"

	"buildbtw"
)

// inherit takes over the shapes of an older graph that this one does not
// change.
func (g *graph) inherit(old *graph) {
	g.memo = newMemo()
	if old == nil {
		return
	}
	g.memo.solved = old.memo.solved
	if !slices.EqualFunc(g.units, old.units, func(a, b *unit) bool { return a.info.Pkgbase == b.info.Pkgbase }) {
		return
	}
	if changed := g.edgeChanges(old); len(changed) > 0 {
		g.memo = old.memo.carry(changed)
		return
	}
	g.memo = old.memo
}

// edgeChange is an edge (from needs to) that two graphs do not have alike.
type edgeChange struct {
	from, to int32
	old, now buildbtw.EdgeKinds // 0: the edge is not there
}

// edgeChanges lists the edges that were added, removed, or are there for
// another reason than in an older graph with the same nodes.
func (g *graph) edgeChanges(old *graph) []edgeChange {
	var out []edgeChange
	for v := range g.deps.nodes() {
		a, b := g.deps.off[v], g.deps.off[v+1]
		x, y := old.deps.off[v], old.deps.off[v+1]
		if slices.Equal(g.deps.to[a:b], old.deps.to[x:y]) && slices.Equal(g.deps.kinds[a:b], old.deps.kinds[x:y]) &&
			slices.Equal(g.rows.label[a:b], old.rows.label[x:y]) && slices.Equal(g.rows.match[a:b], old.rows.match[x:y]) {
			continue
		}
		out = g.rowChanges(out, old, v)
	}
	return out
}

func (g *graph) rowChanges(out []edgeChange, old *graph, v int32) []edgeChange {
	for i := g.deps.off[v]; i < g.deps.off[v+1]; i++ {
		c := edgeChange{from: v, to: g.deps.to[i], now: g.deps.kinds[i]}
		was := old.deps.find(v, c.to)
		if was >= 0 {
			c.old = old.deps.kinds[was]
		}
		if was < 0 || c.old != c.now || g.rows.label[i] != old.rows.label[was] || g.rows.match[i] != old.rows.match[was] {
			out = append(out, c)
		}
	}
	for i, u := range old.deps.row(v) {
		if g.deps.find(v, u) < 0 {
			out = append(out, edgeChange{from: v, to: u, old: old.deps.rowKinds(v)[i]})
		}
	}
	return out
}

// dependsOn reports whether the changes can bring something into the closure,
// take something out, or give another reason: that takes an edge to one of its
// nodes.
func (c *closure) dependsOn(changed []edgeChange) bool {
	return slices.ContainsFunc(changed, func(e edgeChange) bool {
		return (e.old|e.now)&c.trigger != 0 && c.depth[e.to] != outside
	})
}

// dependsOn reports whether the changes can order the set otherwise. The last
// changed edge of every way from the set back to it leads to the set or to
// what needs it. If all changes are of one source, the set must need that source
// without them too.
func (f *frame) dependsOn(changed []edgeChange) bool {
	if len(f.nodes) < 2 { // there is nothing to order
		return false
	}
	if slices.ContainsFunc(changed, f.outgrownBy) {
		return true
	}
	one := !slices.ContainsFunc(changed, func(e edgeChange) bool { return e.from != changed[0].from })
	if one && !f.needs.has(changed[0].from) {
		return false
	}
	return slices.ContainsFunc(changed, func(e edgeChange) bool { return e.old != e.now && f.around.users.has(e.to) })
}

// outgrownBy reports whether an edge is new and leads into users or needs from
// outside: the frame would no longer know who needs the set, and whom it needs,
// at the next push. That it may know too many after an edge is gone does no harm.
func (f *frame) outgrownBy(e edgeChange) bool {
	return e.old == 0 && (f.around.users.has(e.to) && !f.around.users.has(e.from) || f.needs.has(e.from) && !f.needs.has(e.to))
}
