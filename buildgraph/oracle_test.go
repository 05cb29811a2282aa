package buildgraph

import (
	"fmt"
	"slices"
	"testing"

	"buildbtw"

	library "github.com/dominikbraun/graph"
	"pgregory.net/rapid"
)

// randomGraph draws a small graph, as the engine has it and as the library has
// it. Its edges lead from a node to what it needs. The library counts from 1:
// its component search never takes a node with the zero key off its stack.
func randomGraph(t *rapid.T) (*csr, library.Graph[int, int]) {
	n := rapid.IntRange(1, 12).Draw(t, "nodes")
	oracle := library.New(library.IntHash, library.Directed())
	c := &csr{off: []int32{0}}
	for v := range n {
		_ = oracle.AddVertex(v + 1)
	}
	for v := range n {
		row := rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 0, 4, rapid.ID).Draw(t, "needs")
		slices.Sort(row)
		for _, u := range row {
			if u != v {
				c.to = append(c.to, int32(u))
				c.kinds = append(c.kinds, buildbtw.EdgeKinds(rapid.IntRange(1, 7).Draw(t, "kinds")))
				_ = oracle.AddEdge(v+1, u+1)
			}
		}
		c.off = append(c.off, int32(len(c.to)))
	}
	return c, oracle
}

func TestComponentsAreTheLibrarys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, oracle := randomGraph(t)
		want, err := library.StronglyConnectedComponents(oracle)
		if err != nil {
			t.Fatal(err)
		}
		got := findComponents(c)
		if len(got.size) != len(want) {
			t.Fatalf("%d components, the library finds %d", len(got.size), len(want))
		}
		for _, members := range want {
			for _, v := range members {
				if got.of[v-1] != got.of[members[0]-1] {
					t.Fatalf("%d and %d are apart, the library has them in one component", v, members[0])
				}
			}
		}
		for v := range c.nodes() {
			for _, u := range c.row(v) {
				if got.of[u] > got.of[v] {
					t.Fatalf("%d needs %d, whose component has a larger number", v, u)
				}
			}
		}
	})
}

// After the cuts the library can sort the graph, and every cut edge closes a
// cycle whose length is the library's shortest.
func TestCutsLeaveNoCycle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, oracle := randomGraph(t)
		comps := findComponents(c)
		cut := chooseCuts(c, comps, nil, nil)
		rest, _ := oracle.Clone()
		finder := newCycleFinder(c, comps)
		for v := range c.nodes() {
			for i := c.off[v]; i < c.off[v+1]; i++ {
				if !cut[i] {
					continue
				}
				u := c.to[i]
				path, err := library.ShortestPath(oracle, int(u)+1, int(v)+1)
				if err != nil {
					t.Fatalf("%d needs %d was cut and lies on no cycle", v, u)
				}
				if cycle := finder.find(u, v); len(cycle) != len(path) || cycle[0] != u || cycle[1] != v {
					t.Fatalf("cycle %v over %d, %d; the library has one of length %d", cycle, u, v, len(path))
				}
				_ = rest.RemoveEdge(int(v)+1, int(u)+1)
			}
		}
		if _, err := library.TopologicalSort(rest); err != nil {
			t.Fatalf("a cycle is left: %v", err)
		}
	})
}

// The search never ends worse than the plain greedy order that it starts from,
// as long as no chain is shortened for it.
func TestSearchIsNoWorseThanGreedy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, _ := randomGraph(t)
		comps := findComponents(c)
		local := make([]int32, c.nodes())
		for _, members := range comps.members() {
			for l, v := range members {
				local[v] = int32(l)
			}
			tangle := newTangle(len(members), tangleEdges(c, comps, members, local))
			s := newSequence(tangle, greedyOrder(tangle))
			before := s.cost()
			s.settleAll()
			settled := s.cost()
			s.improve(10 * len(members))
			if after := s.cost(); settled > before || after > settled {
				t.Fatalf("costs %d, settled %d, improved %d", before, settled, after)
			}
			if fmt.Sprint(sortedCopy(s.appendTo(nil))) != fmt.Sprint(sortedCopy(greedyOrder(tangle))) {
				t.Fatalf("the order %v lost nodes", s.appendTo(nil))
			}
		}
	})
}

func sortedCopy(list []int32) []int32 {
	out := slices.Clone(list)
	slices.Sort(out)
	return out
}

// On small graphs the cuts are the best there are in nearly all cases; they are
// never much worse.
func TestCutsAreNearTheBest(t *testing.T) {
	optimal, all := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		c, _ := randomGraph(t)
		if c.nodes() > 8 {
			return
		}
		comps := findComponents(c)
		got := int64(0)
		for i, cut := range chooseCuts(c, comps, nil, nil) {
			if cut {
				got += int64(weightOf(c.kinds[i]))
			}
		}
		best := cheapestCuts(c)
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
func cheapestCuts(c *csr) int64 {
	n := int(c.nodes())
	best := make([]int64, 1<<n)
	for set := 1; set < 1<<n; set++ {
		best[set] = 1 << 60
		for v := range n {
			if set&(1<<v) == 0 {
				continue
			}
			// v comes last in the set: what it needs outside the set is cut.
			cost := best[set&^(1<<v)]
			for i := c.off[v]; i < c.off[v+1]; i++ {
				if set&(1<<c.to[i]) == 0 {
					cost += int64(weightOf(c.kinds[i]))
				}
			}
			best[set] = min(best[set], cost)
		}
	}
	return best[1<<n-1]
}
