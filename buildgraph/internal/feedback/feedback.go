// Package feedback chooses which edges to leave out of a dependency graph so
// that no cycle remains: a feedback arc set of little weight. To find the
// smallest is NP-hard (Karp, "Reducibility among combinatorial problems", 1972),
// so each strongly connected component gets an order by local search, and the
// edges that point back in it are cut:
//
//  1. a greedy order (Eades, Lin, Smyth 1993; greedy.go);
//  2. insertion: every node moves to its best place until no move helps, as for
//     the linear ordering problem (Chanas, Kobylański 1996; insertion.go);
//  3. perturbation: iterated local search (Lourenço, Martin, Stützle 2003), which
//     forces one broken edge to hold and takes that back unless the order is as
//     good again (insertion.go);
//  4. guided local search (Voudouris, Tsang 1999): the edges on the longest chains
//     get cheaper to break, so that the longest chain becomes shorter for a little
//     more weight (chains.go);
//  5. with known durations, the same for the edges on which most work waits, so
//     that many machines have something to do at the beginning (chains.go).
//
// Random numbers have a fixed seed: the same graph is always cut the same.
package feedback

import (
	"slices"

	"buildbtw/internal/graph"
)

// The effort of the search, in rounds: per node of a component, and for its
// longest chain. It is higher when durations are known, because then the length
// of the chain is the time until the last build is built.
const (
	perturbRounds      = 1
	shortenRounds      = 10
	perturbRoundsTimed = 2
	shortenRoundsTimed = 40
	spreadRoundsTimed  = 100

	perturbNodes = 3000 // in larger components a jump costs more, and there are not more of them
	shortenFrom  = 64   // nodes; in smaller components no chain is long
)

// Graph is a graph to cut: edges lead from a node to those that it needs.
type Graph struct {
	Deps       *graph.CSR // rows are sorted
	Weight     []int32    // by edge: the cost of cutting it
	Components *graph.Components
	Seconds    []float64 // by node: how long it takes; nil when no durations are known
}

// Cut marks the edges to leave out, by their place in Deps.To. Every one lies on
// a cycle, and without them there is none.
func Cut(g *Graph) []bool {
	cut := make([]bool, len(g.Deps.To))
	local := make([]int32, g.Deps.Nodes())
	var around *surroundings // found when the first large component needs them
	for _, members := range g.Components.Cyclic() {
		for l, v := range members {
			local[v] = int32(l)
		}
		p := &problem{size: len(members), edges: g.edges(members, local)}
		p.perturb = g.effort(perturbRounds, perturbRoundsTimed) * min(p.size, perturbNodes)
		if p.size >= shortenFrom {
			if around == nil {
				around = newSurroundings(g)
			}
			p.shorten, p.spread = g.effort(shortenRounds, shortenRoundsTimed), g.effort(0, spreadRoundsTimed)
			p.times = around.of(members)
		}
		place := p.solve()
		for _, v := range members {
			for i := g.Deps.Off[v]; i < g.Deps.Off[v+1]; i++ {
				u := g.Deps.To[i]
				cut[i] = g.Components.Of[u] == g.Components.Of[v] && place[local[u]] > place[local[v]]
			}
		}
	}
	return cut
}

func (g *Graph) effort(plain, timed int) int {
	if g.Seconds == nil {
		return plain
	}
	return timed
}

// edges lists the edges inside a component by after; local numbers its members.
// Of two nodes that need each other one edge is cut in any case: only the
// heavier one stays, with the difference as its weight.
func (g *Graph) edges(members, local []int32) []edge {
	var edges []edge
	for _, v := range members {
		for i := g.Deps.Off[v]; i < g.Deps.Off[v+1]; i++ {
			u := g.Deps.To[i]
			if g.Components.Of[u] != g.Components.Of[v] {
				continue
			}
			weight := g.Weight[i]
			if back := g.Deps.Find(u, v); back >= 0 {
				weight -= g.Weight[back]
			}
			if weight > 0 {
				edges = append(edges, edge{local[u], local[v], weight})
			}
		}
	}
	return edges
}

// problem is all that the order of a component follows from.
type problem struct {
	size    int
	edges   []edge
	perturb int // rounds
	shorten int // rounds; 0 in small components
	spread  int // rounds; 0 too when no durations are known
	times   times
}

// solve returns every member's place in the order.
func (p *problem) solve() []int32 {
	c := newComponent(p.size, p.edges)
	s := newSequence(c, greedyOrder(c))
	s.insertAll()
	s.perturb(p.perturb)
	order, cost := s.appendTo(nil), s.cost()
	if p.shorten > 0 {
		order = s.shorten(p.times, p.shorten)
	}
	if p.spread > 0 {
		s = newSequence(newComponent(p.size, p.edges), order) // at full prices again
		order = s.startEarlier(p.times, p.spread, costlier*float64(cost))
	}
	place := make([]int32, p.size)
	for at, v := range order {
		place[v] = int32(at)
	}
	return place
}

// times are how long the members of a component take, and the chains around it.
type times struct {
	seconds []float64 // by node
	before  []float64 // the longest chain outside the component that ends at the node
	after   []float64 // the longest chain outside the component that starts at it
}

// surroundings are the longest chains that lie outside all cyclic components.
type surroundings struct {
	seconds, before, after []float64 // by node; before and after with the node itself
}

func newSurroundings(g *Graph) *surroundings {
	n := g.Deps.Nodes()
	s := &surroundings{seconds: g.Seconds, before: make([]float64, n), after: make([]float64, n)}
	if s.seconds == nil {
		s.seconds = slices.Repeat([]float64{1}, int(n))
	}
	of, order := g.Components.Of, g.Components.Sorted()
	for _, v := range order {
		for _, u := range g.Deps.Row(v) {
			if of[u] != of[v] {
				s.before[v] = max(s.before[v], s.before[u])
			}
		}
		s.before[v] += s.seconds[v]
	}
	for _, v := range slices.Backward(order) {
		s.after[v] += s.seconds[v]
		for _, u := range g.Deps.Row(v) {
			if of[u] != of[v] {
				s.after[u] = max(s.after[u], s.after[v])
			}
		}
	}
	return s
}

func (s *surroundings) of(members []int32) times {
	n := len(members)
	t := times{seconds: make([]float64, n), before: make([]float64, n), after: make([]float64, n)}
	for l, v := range members {
		t.seconds[l] = s.seconds[v]
		t.before[l] = s.before[v] - s.seconds[v]
		t.after[l] = s.after[v] - s.seconds[v]
	}
	return t
}
