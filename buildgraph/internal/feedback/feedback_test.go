package feedback

import (
	"slices"
	"testing"

	library "github.com/dominikbraun/graph"
	"pgregory.net/rapid"

	"buildbtw/internal/graph"
)

// random draws a small graph, as this package has it and as the library has it.
// The library counts from 1: its component search never takes a node with the
// zero key off its stack.
func random(t *rapid.T) (*Graph, library.Graph[int, int]) {
	n := rapid.IntRange(1, 12).Draw(t, "nodes")
	oracle := library.New(library.IntHash, library.Directed())
	for v := range n {
		_ = oracle.AddVertex(v + 1)
	}
	var from, to, weight []int32
	for v := range n {
		row := rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 0, 4, rapid.ID).Draw(t, "needs")
		slices.Sort(row)
		for _, u := range row {
			if u != v {
				from, to = append(from, int32(v)), append(to, int32(u))
				weight = append(weight, rapid.SampledFrom([]int32{64, 64, 64, 64, 8, 8, 1}).Draw(t, "weight"))
				_ = oracle.AddEdge(v+1, u+1)
			}
		}
	}
	deps := graph.New(n, from, to)
	g := &Graph{Deps: &deps, Weight: weight, Components: graph.StronglyConnected(&deps)}
	if rapid.Bool().Draw(t, "timed") {
		for range n {
			g.Seconds = append(g.Seconds, rapid.Float64Range(0, 1000).Draw(t, "seconds"))
		}
	}
	return g, oracle
}

// After the cuts the library can sort the graph, and every cut edge lies on a
// cycle.
func TestCutsLeaveNoCycle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g, oracle := random(t)
		cut := Cut(g)
		rest, _ := oracle.Clone()
		for v := range g.Deps.Nodes() {
			for i := g.Deps.Off[v]; i < g.Deps.Off[v+1]; i++ {
				if !cut[i] {
					continue
				}
				u := g.Deps.To[i]
				if _, err := library.ShortestPath(oracle, int(u)+1, int(v)+1); err != nil {
					t.Fatalf("%d needs %d was cut and lies on no cycle", v, u)
				}
				_ = rest.RemoveEdge(int(v)+1, int(u)+1)
			}
		}
		if _, err := library.TopologicalSort(rest); err != nil {
			t.Fatalf("a cycle is left: %v", err)
		}
	})
}

// The search never ends worse than the greedy order that it starts from, as long
// as no chain is shortened for it.
func TestSearchIsNoWorseThanGreedy(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g, _ := random(t)
		local := make([]int32, g.Deps.Nodes())
		for _, members := range g.Components.Cyclic() {
			for l, v := range members {
				local[v] = int32(l)
			}
			c := newComponent(len(members), g.edges(members, local))
			greedy := greedyOrder(c)
			s := newSequence(c, greedy)
			before := s.cost()
			s.insertAll()
			inserted := s.cost()
			s.perturb(10 * len(members))
			if after := s.cost(); inserted > before || after > inserted {
				t.Fatalf("costs %d, inserted %d, perturbed %d", before, inserted, after)
			}
			if got, want := slices.Sorted(slices.Values(s.appendTo(nil))), slices.Sorted(slices.Values(greedy)); !slices.Equal(got, want) {
				t.Fatalf("the order has the nodes %v, want %v", got, want)
			}
		}
	})
}

// On small graphs the cuts are the best there are in nearly all cases; they are
// never much worse.
func TestCutsAreNearTheBest(t *testing.T) {
	t.Parallel()
	optimal, all := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		g, _ := random(t)
		if g.Deps.Nodes() > 8 {
			return
		}
		got := int64(0)
		for i, cut := range Cut(g) {
			if cut {
				got += int64(g.Weight[i])
			}
		}
		best := cheapestCuts(g)
		all++
		if got == best {
			optimal++
		}
		if got > 2*best {
			t.Fatalf("cuts weigh %d, the best %d", got, best)
		}
	})
	if optimal*10 < all*9 {
		t.Errorf("only %d of %d graphs were cut as cheaply as possible", optimal, all)
	}
}

// cheapestCuts tries every order, by dynamic programming over sets of nodes.
func cheapestCuts(g *Graph) int64 {
	n := int(g.Deps.Nodes())
	best := make([]int64, 1<<n)
	for set := 1; set < 1<<n; set++ {
		best[set] = 1 << 60
		for v := range n {
			if set&(1<<v) == 0 {
				continue
			}
			// v comes last in the set: what it needs outside the set is cut.
			cost := best[set&^(1<<v)]
			for i := g.Deps.Off[v]; i < g.Deps.Off[v+1]; i++ {
				if set&(1<<g.Deps.To[i]) == 0 {
					cost += int64(g.Weight[i])
				}
			}
			best[set] = min(best[set], cost)
		}
	}
	return best[1<<n-1]
}
