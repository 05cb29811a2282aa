package graphlayout_test

import (
	"math/rand/v2"
	"sync"
	"testing"

	"buildbtw/internal/graphlayout"
)

// distribution makes a graph as uneven as a distribution's: a few nodes have
// very many dependents.
func distribution(n, edges int) graphlayout.Graph {
	r := rand.New(rand.NewPCG(1, 1))
	g := graphlayout.Graph{Widths: make([]int, n)}
	seen := map[graphlayout.Edge]bool{}
	for v := range g.Widths {
		g.Widths[v] = 84 + r.IntN(120)
	}
	for len(g.Edges) < edges {
		to := 1 + r.IntN(n-1)
		f := r.Float64()
		e := graphlayout.Edge{From: int32(f * f * f * float64(to)), To: int32(to)}
		if !seen[e] {
			seen[e] = true
			g.Edges = append(g.Edges, e)
		}
	}
	return g
}

func TestTheCacheGivesTheSameLayoutAgainAndForgets(t *testing.T) {
	t.Parallel()
	var c graphlayout.Cache
	g := distribution(50, 100)
	first, err := c.New(g)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := c.New(distribution(50, 100))
	if again != first {
		t.Error("the same graph was laid out twice")
	}
	g.Edges[0].From++
	if other, err := c.New(g); err == nil && other == first {
		t.Error("another graph has the same layout")
	}
	for n := range 100 {
		if _, err := c.New(distribution(60+n, 10)); err != nil {
			t.Fatal(err)
		}
	}
	if later, _ := c.New(distribution(50, 100)); later == first {
		t.Error("a hundred layouts later the first is still kept")
	}
}

func TestManyWhoAskAtOnceGetOneLayout(t *testing.T) {
	t.Parallel()
	var c graphlayout.Cache
	g := distribution(200, 600)
	got := make([]*graphlayout.Layout, 8)
	var all sync.WaitGroup
	for i := range got {
		all.Go(func() { got[i], _ = c.New(g) })
	}
	all.Wait()
	for _, l := range got {
		if l == nil || l != got[0] {
			t.Fatalf("layouts %p and %p", l, got[0])
		}
	}
}

// The reduction looks at blocks of targets; what it gives does not depend on
// where a block ends.
func TestALargeGraphIsReducedAsASmallOne(t *testing.T) {
	t.Parallel()
	const n = 9000
	g := graphlayout.Graph{Widths: make([]int, n)}
	for v := range int32(n - 1) {
		g.Edges = append(g.Edges, graphlayout.Edge{From: v / 3, To: v + 1})
	}
	tree := len(g.Edges)
	for v := int32(40); v < n; v++ { // edges from a grandparent are implied
		if grand := ((v-1)/3 - 1) / 3; (v-1)/3 > 0 {
			g.Edges = append(g.Edges, graphlayout.Edge{From: grand, To: v})
		}
	}
	l, err := graphlayout.New(g)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Lines) != tree {
		t.Errorf("%d lines, want those of the tree, %d", len(l.Lines), tree)
	}
}

// BenchmarkLayout is a graph of a distribution's size: the bars are 1.5 s the
// first time and 5 ms from the cache.
func BenchmarkLayout(b *testing.B) {
	g := distribution(7885, 55000)
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			if _, err := graphlayout.New(g); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("cached", func(b *testing.B) {
		var c graphlayout.Cache
		for b.Loop() {
			if _, err := c.New(g); err != nil {
				b.Fatal(err)
			}
		}
	})
}
