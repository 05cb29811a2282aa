package graph_test

import (
	"errors"
	"slices"
	"testing"

	library "github.com/dominikbraun/graph"
	"pgregory.net/rapid"

	"buildbtw/internal/graph"
)

// random draws a small graph with sorted rows, as this package has it and as the
// library has it. The library counts from 1: its component search never takes a
// node with the zero key off its stack.
func random(t *rapid.T) (*graph.CSR, library.Graph[int, int]) {
	n := rapid.IntRange(1, 12).Draw(t, "nodes")
	oracle := library.New(library.IntHash, library.Directed())
	var from, to []int32
	for v := range n {
		_ = oracle.AddVertex(v + 1)
	}
	for v := range n {
		row := rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 0, 4, rapid.ID).Draw(t, "successors")
		slices.Sort(row)
		for _, u := range row {
			if u != v {
				from, to = append(from, int32(v)), append(to, int32(u))
				_ = oracle.AddEdge(v+1, u+1)
			}
		}
	}
	c := graph.New(n, from, to)
	return &c, oracle
}

func TestComponentsAreTheLibrarys(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, oracle := random(t)
		want, err := library.StronglyConnectedComponents(oracle)
		if err != nil {
			t.Fatal(err)
		}
		got := graph.StronglyConnected(c)
		if len(got.Size) != len(want) {
			t.Fatalf("%d components, the library finds %d", len(got.Size), len(want))
		}
		cyclic := 0
		for _, members := range want {
			for _, v := range members {
				if got.Of[v-1] != got.Of[members[0]-1] {
					t.Fatalf("%d and %d are apart, the library has them in one component", v, members[0])
				}
			}
			if int(got.Size[got.Of[members[0]-1]]) != len(members) {
				t.Fatalf("the size of the component of %d is not %d", members[0], len(members))
			}
			if len(members) > 1 {
				cyclic++
			}
		}
		if lists := got.Cyclic(); len(lists) != cyclic {
			t.Fatalf("%d components of more than one: %v, the library finds %d", len(lists), lists, cyclic)
		}
		place := make([]int, c.Nodes())
		for at, v := range got.Sorted() {
			place[v] = at
		}
		for v := range c.Nodes() {
			for _, u := range c.Row(v) {
				if got.Of[u] > got.Of[v] || got.Of[u] < got.Of[v] && place[u] > place[v] {
					t.Fatalf("%d leads to %d, whose component does not come before it", v, u)
				}
			}
		}
	})
}

func TestTopologicalOrderIsOneWhereTheLibraryFindsOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, oracle := random(t)
		_, want := library.TopologicalSort(oracle)
		order, level, err := graph.TopologicalOrder(c)
		if (err == nil) != (want == nil) || err != nil && !errors.Is(err, graph.ErrCycle) {
			t.Fatalf("error %v, the library's %v", err, want)
		}
		if err != nil {
			return
		}
		reversed := c.Reversed()
		for at, v := range order {
			longest := int32(0)
			for _, u := range reversed.Row(v) {
				if !slices.Contains(order[:at], u) {
					t.Fatalf("%d does not come before %d in %v", u, v, order)
				}
				longest = max(longest, level[u]+1)
			}
			if level[v] != longest {
				t.Fatalf("level %d of %d, want %d", level[v], v, longest)
			}
		}
	})
}

func TestReversedTwiceIsTheGraph(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, _ := random(t)
		r := c.Reversed()
		for v := range c.Nodes() {
			for u := range c.Nodes() {
				if (c.Find(v, u) >= 0) != slices.Contains(c.Row(v), u) || (c.Find(v, u) >= 0) != (r.Find(u, v) >= 0) {
					t.Fatalf("edge %d→%d: found %d, reversed %d in rows %v", v, u, c.Find(v, u), r.Find(u, v), c.Row(v))
				}
			}
		}
		if twice := r.Reversed(); !slices.Equal(twice.Off, c.Off) || !slices.Equal(twice.To, c.To) {
			t.Fatalf("reversed twice: %v, want %v", twice, *c)
		}
	})
}

// The zero value, too, has an order and components: none.
func TestGraphWithoutNodes(t *testing.T) {
	t.Parallel()
	var c graph.CSR
	order, _, err := graph.TopologicalOrder(&c)
	if c.Nodes() != 0 || len(order) != 0 || err != nil || len(graph.StronglyConnected(&c).Size) != 0 {
		t.Errorf("%d nodes, order %v, error %v", c.Nodes(), order, err)
	}
}

// A set behaves as a map would.
func TestBitsetIsASet(t *testing.T) {
	t.Parallel()
	const n = 200
	number := rapid.Int32Range(0, n-1)
	rapid.Check(t, func(t *rapid.T) {
		sets := graph.NewBitsets(2, n)
		models := [2]map[int32]bool{{}, {}}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			i := rapid.IntRange(0, 1).Draw(t, "set")
			a, m := sets[i], models[i]
			v, w := number.Draw(t, "number"), number.Draw(t, "other")
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0:
				a.Remove(v)
				delete(m, v)
			case 1:
				a.Union(sets[1-i])
				for u := range models[1-i] {
					m[u] = true
				}
			case 2:
				removed := 0
				for u := v; u < w; u++ {
					if m[u] {
						removed++
						delete(m, u)
					}
				}
				if got := a.RemoveRange(v, w); got != removed {
					t.Fatalf("%d removed from %d to %d, want %d", got, v, w, removed)
				}
			case 3:
				a.Subtract(sets[1-i])
				for u := range models[1-i] {
					delete(m, u)
				}
			default:
				a.Add(v)
				m[v] = true
			}
		}
		for i, a := range sets {
			compareSet(t, a, models[i], n)
		}
	})
}

func compareSet(t *rapid.T, got graph.Bitset, want map[int32]bool, n int32) {
	var list []int32
	for v := range n {
		if want[v] {
			list = append(list, v)
		}
		if got.Has(v) != want[v] {
			t.Fatalf("%d is in it: %t, want %t", v, got.Has(v), want[v])
		}
	}
	highest := int32(-1)
	if len(list) > 0 {
		highest = list[len(list)-1]
	}
	if !slices.Equal(got.List(), list) || got.Len() != len(list) || got.Max() != highest {
		t.Fatalf("%v of length %d, highest %d; want %v", got.List(), got.Len(), got.Max(), list)
	}
	for lo := range n {
		next := int32(-1)
		if i, _ := slices.BinarySearch(list, lo); i < len(list) {
			next = list[i]
		}
		if got.Next(lo) != next {
			t.Fatalf("next from %d is %d, want %d", lo, got.Next(lo), next)
		}
	}
}
