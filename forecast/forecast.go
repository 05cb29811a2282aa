// Package forecast computes how long the work of a build graph takes: its
// longest chain, a lower bound for any order, and the makespan of list
// scheduling (longest chain first) on a number of workers. It does no I/O.
package forecast

import (
	"fmt"
	"math"
)

// Edge is the order of two builds: From must be done before To. Builds are
// numbered from 0.
type Edge struct{ From, To int32 }

// Graph is work in an order.
type Graph struct {
	start []int32 // by build: where its followers begin in next; one more than there are builds
	next  []int32
	needs []int32 // by build: how many others it waits for
	order []int32 // every build after all that it waits for
}

// NewGraph links n builds. It fails when an edge leads to no build or the edges
// make a circle.
func NewGraph(n int, edges []Edge) (*Graph, error) {
	g := &Graph{start: make([]int32, n+1), next: make([]int32, len(edges)), needs: make([]int32, n)}
	for _, e := range edges {
		if e.From < 0 || e.To < 0 || int(e.From) >= n || int(e.To) >= n {
			return nil, fmt.Errorf("edge %d to %d in a graph of %d builds", e.From, e.To, n)
		}
		g.start[e.From+1]++
		g.needs[e.To]++
	}
	for i := range n {
		g.start[i+1] += g.start[i]
	}
	place := append([]int32(nil), g.start...)
	for _, e := range edges {
		g.next[place[e.From]] = e.To
		place[e.From]++
	}
	if g.sort(); len(g.order) < n {
		return nil, fmt.Errorf("%d of %d builds wait for each other in circles", n-len(g.order), n)
	}
	return g, nil
}

// Size is the number of builds.
func (g *Graph) Size() int { return len(g.needs) }

func (g *Graph) after(v int32) []int32 { return g.next[g.start[v]:g.start[v+1]] }

func (g *Graph) sort() {
	waits := append([]int32(nil), g.needs...)
	g.order = make([]int32, 0, len(waits))
	for v, n := range waits {
		if n == 0 {
			g.order = append(g.order, int32(v))
		}
	}
	for head := 0; head < len(g.order); head++ {
		for _, w := range g.after(g.order[head]) {
			if waits[w]--; waits[w] == 0 {
				g.order = append(g.order, w)
			}
		}
	}
}

// Chains returns for every build the seconds of the longest chain that begins
// with it, its own included. Builds are best started in descending order of it.
func (g *Graph) Chains(seconds []float64) []float64 {
	chains := make([]float64, g.Size())
	for i := len(g.order) - 1; i >= 0; i-- {
		v := g.order[i]
		longest := 0.0
		for _, w := range g.after(v) {
			longest = math.Max(longest, chains[w])
		}
		chains[v] = seconds[v] + longest
	}
	return chains
}

// Above marks all builds that wait for one of the marked, directly or through
// others.
func (g *Graph) Above(marked []bool) []bool {
	above := make([]bool, g.Size())
	for _, v := range g.order {
		if !marked[v] && !above[v] {
			continue
		}
		for _, w := range g.after(v) {
			above[w] = true
		}
	}
	return above
}

// Critical returns the longest chain, first build first. Builds that need no
// time are left out.
func (g *Graph) Critical(seconds, chains []float64) []int32 {
	var path []int32
	for v := longest(g.order, chains); v >= 0; v = longest(g.after(v), chains) {
		if chains[v] == 0 {
			break
		}
		if seconds[v] > 0 {
			path = append(path, v)
		}
	}
	return path
}

// longest returns the first of the builds with the longest chain; -1 without
// any.
func longest(builds []int32, chains []float64) int32 {
	best := int32(-1)
	for _, v := range builds {
		if best < 0 || chains[v] > chains[best] {
			best = v
		}
	}
	return best
}

// Bound is the least number of seconds in which so many workers can do the
// work: no order is faster than the longest chain, nor than all the work shared
// out evenly.
func (g *Graph) Bound(seconds []float64, workers int) float64 {
	sum, chain := 0.0, 0.0
	for _, s := range seconds {
		sum += s
	}
	for _, c := range g.Chains(seconds) {
		chain = math.Max(chain, c)
	}
	return math.Max(chain, sum/float64(max(workers, 1)))
}
