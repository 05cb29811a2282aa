package graphlayout_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	library "github.com/dominikbraun/graph"
	"pgregory.net/rapid"

	"buildbtw/internal/graph"
	"buildbtw/internal/graphlayout"
)

// anyGraph draws a graph without cycles whose nodes are numbered in no order.
func anyGraph(t *rapid.T) graphlayout.Graph {
	n := rapid.IntRange(1, 80).Draw(t, "nodes")
	name := rapid.Permutation(numbers(n)).Draw(t, "numbering")
	g := graphlayout.Graph{Widths: make([]int, n)}
	for v := range n {
		g.Widths[v] = rapid.IntRange(40, 200).Draw(t, "width")
	}
	seen := map[graphlayout.Edge]bool{}
	for range rapid.IntRange(0, 2*n).Draw(t, "edges") {
		a, b := rapid.IntRange(0, n-1).Draw(t, "from"), rapid.IntRange(0, n-1).Draw(t, "to")
		e := graphlayout.Edge{From: name[min(a, b)], To: name[max(a, b)]}
		if a != b && !seen[e] {
			seen[e] = true
			g.Edges = append(g.Edges, e)
			g.Keep = append(g.Keep, rapid.IntRange(0, 9).Draw(t, "keep") == 0)
		}
	}
	return g
}

func numbers(n int) []int32 {
	all := make([]int32, n)
	for i := range all {
		all[i] = int32(i)
	}
	return all
}

func layOut(t interface{ Fatal(...any) }, g graphlayout.Graph) *graphlayout.Layout {
	l, err := graphlayout.New(g)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestNodesKeepApartAndLiveInTheirLevel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := anyGraph(t)
		l := layOut(t, g)
		if len(l.Nodes) != len(g.Widths) {
			t.Fatalf("%d places for %d nodes", len(l.Nodes), len(g.Widths))
		}
		for i, a := range l.Nodes {
			level := l.Levels[a.Level]
			if a.Width < g.Widths[i] || a.X < level.X || a.X+a.Width > level.X+level.Width || a.Y < 0 || a.Y+graphlayout.NodeHeight > l.Height {
				t.Fatalf("node %d at %+v, level at %+v, picture of %d × %d", i, a, level, l.Width, l.Height)
			}
			for j, b := range l.Nodes[:i] {
				if a.X < b.X+b.Width && b.X < a.X+a.Width && a.Y < b.Y+graphlayout.NodeHeight && b.Y < a.Y+graphlayout.NodeHeight {
					t.Fatalf("node %d at %+v lies on node %d at %+v", i, a, j, b)
				}
			}
		}
	})
}

func TestLevelsFollowTheEdges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := anyGraph(t)
		l := layOut(t, g)
		nodes := make([]int, len(l.Levels))
		below := make([]bool, len(g.Widths)) // has an edge from the level just before
		for _, e := range g.Edges {
			from, to := l.Nodes[e.From].Level, l.Nodes[e.To].Level
			if from >= to {
				t.Fatalf("edge %v leads from level %d to %d", e, from, to)
			}
			below[e.To] = below[e.To] || from+1 == to
		}
		for v, n := range l.Nodes {
			nodes[n.Level]++
			if n.Level > 0 && !below[v] {
				t.Fatalf("node %d is on level %d and could be lower", v, n.Level)
			}
		}
		for i, level := range l.Levels {
			if level.Nodes != nodes[i] || i > 0 && level.X <= l.Levels[i-1].X+l.Levels[i-1].Width {
				t.Fatalf("level %d of %d nodes: %+v after %+v", i, nodes[i], level, l.Levels[max(i-1, 0)])
			}
		}
	})
}

// The edges that are drawn are those of the library's transitive reduction, and
// those that were to be kept.
func TestTheReductionIsTheLibrarys(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := anyGraph(t)
		oracle := library.New(library.IntHash, library.Directed())
		for v := range g.Widths {
			_ = oracle.AddVertex(v) // each is new
		}
		for _, e := range g.Edges {
			_ = oracle.AddEdge(int(e.From), int(e.To)) // each is new
		}
		reduced, err := library.TransitiveReduction(oracle)
		if err != nil {
			t.Fatal(err)
		}
		drawn := map[int]bool{}
		for _, line := range layOut(t, g).Lines {
			if drawn[line.Edge] {
				t.Fatalf("edge %d is drawn twice", line.Edge)
			}
			drawn[line.Edge] = true
		}
		for i, e := range g.Edges {
			_, err := reduced.Edge(int(e.From), int(e.To))
			if want := err == nil || g.Keep[i]; drawn[i] != want {
				t.Fatalf("edge %v is drawn: %t, want %t", e, drawn[i], want)
			}
		}
	})
}

// Every line leads from its first node to its second, always to the right, and
// what it shares is shared with lines of the same first node only.
func TestLinesLeadFromNodeToNode(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := anyGraph(t)
		l := layOut(t, g)
		for _, line := range l.Lines {
			e := g.Edges[line.Edge]
			x, at := l.Nodes[e.To].X, line.From
			for at >= 0 {
				p := l.Points[at]
				if p.X >= x {
					t.Fatalf("edge %v runs back from %d to %d", e, p.X, x)
				}
				x, at = p.X, p.Parent
				if at >= line.From && line.From >= 0 {
					t.Fatalf("point %d follows %d", at, line.From)
				}
			}
			if line.From >= 0 && at != -1-int(e.From) {
				t.Fatalf("edge %v begins at %d", e, at)
			}
			if from := l.Nodes[e.From]; from.X+from.Width > x {
				t.Fatalf("edge %v begins inside of its node", e)
			}
		}
	})
}

// A line that runs level over a whole level meets no node there.
func TestRailsRunBetweenNodes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := layOut(t, anyGraph(t))
		for _, p := range l.Points {
			x0, y0 := start(l, p.Parent)
			if y0 != p.Y {
				continue // a bend between levels
			}
			for v, n := range l.Nodes {
				if -1-p.Parent != v && x0 < n.X+n.Width && n.X < p.X && p.Y > n.Y && p.Y < n.Y+graphlayout.NodeHeight {
					t.Fatalf("the line from %d,%d to %d,%d runs over node %d at %+v", x0, y0, p.X, p.Y, v, n)
				}
			}
		}
	})
}

func start(l *graphlayout.Layout, parent int) (x, y int) {
	if parent >= 0 {
		return l.Points[parent].X, l.Points[parent].Y
	}
	n := l.Nodes[-1-parent]
	return n.X + n.Width, n.Y + graphlayout.NodeHeight/2
}

func TestTheLayoutIsTheSameEveryTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := anyGraph(t)
		first := layOut(t, g)
		g.Edges, g.Keep = slices.Clone(g.Edges), slices.Clone(g.Keep)
		if second := layOut(t, g); !reflect.DeepEqual(first, second) {
			t.Fatal("two layouts of one graph differ")
		}
	})
}

func TestACycleIsAnError(t *testing.T) {
	t.Parallel()
	_, err := graphlayout.New(graphlayout.Graph{Widths: []int{50, 50, 50}, Edges: []graphlayout.Edge{{From: 0, To: 1}, {From: 1, To: 2}, {From: 2, To: 1}}})
	if !errors.Is(err, graph.ErrCycle) {
		t.Errorf("error %v", err)
	}
}

func TestParallelChainsAreStraightAndDoNotCross(t *testing.T) {
	t.Parallel()
	const chains, levels = 6, 5
	g := graphlayout.Graph{Widths: make([]int, chains*levels)}
	// Numbers run the wrong way round on every second level.
	at := func(level, chain int) int32 {
		if level%2 == 1 {
			chain = chains - 1 - chain
		}
		return int32(level*chains + chain)
	}
	for level := 1; level < levels; level++ {
		for chain := range chains {
			g.Edges = append(g.Edges, graphlayout.Edge{From: at(level-1, chain), To: at(level, chain)})
		}
	}
	l := layOut(t, g)
	for _, line := range l.Lines {
		e := g.Edges[line.Edge]
		if from, to := l.Nodes[e.From], l.Nodes[e.To]; from.Y != to.Y {
			t.Errorf("edge %v leads from height %d to %d", e, from.Y, to.Y)
		}
	}
}

func TestALongEdgeIsStraight(t *testing.T) {
	t.Parallel()
	// A chain of nine, and an edge around all of it.
	g := graphlayout.Graph{Widths: make([]int, 10)}
	for v := range int32(8) {
		g.Edges = append(g.Edges, graphlayout.Edge{From: v, To: v + 1})
	}
	g.Edges = append(g.Edges, graphlayout.Edge{From: 0, To: 9}, graphlayout.Edge{From: 8, To: 9}, graphlayout.Edge{From: 0, To: 8})
	g.Keep = []bool{8: true, 9: true, 10: true}
	bends := map[int]bool{}
	for _, p := range layOut(t, g).Points {
		bends[p.Y] = true
	}
	if len(bends) != 1 {
		t.Errorf("the rail runs at heights %v", bends)
	}
}

// A level with many nodes does not become a tower.
func TestTallLevelsAreFolded(t *testing.T) {
	t.Parallel()
	const n = 1000
	g := graphlayout.Graph{Widths: make([]int, n)}
	for v := range g.Widths {
		g.Widths[v] = 120
		if v > 0 {
			g.Edges = append(g.Edges, graphlayout.Edge{From: 0, To: int32(v)})
		}
	}
	l := layOut(t, g)
	if l.Height > 2*l.Width {
		t.Errorf("a fan of %d is %d × %d", n, l.Width, l.Height)
	}
}

func TestNothingHasALayoutToo(t *testing.T) {
	t.Parallel()
	if l := layOut(t, graphlayout.Graph{}); l.Width <= 0 || l.Height <= 0 || len(l.Nodes)+len(l.Lines) != 0 {
		t.Errorf("layout of nothing: %+v", l)
	}
}

// A zigzag can be drawn without crossings. Its nodes are numbered so that their
// first order has many.
func TestCrossingsAreUndone(t *testing.T) {
	t.Parallel()
	const n = 13
	g := graphlayout.Graph{Widths: make([]int, 2*n)}
	upper := func(i int) int32 { return int32(i * 5 % n) }
	lower := func(i int) int32 { return n + int32(i*8%n) }
	for i := range n {
		g.Edges = append(g.Edges, graphlayout.Edge{From: upper(i), To: lower(i)})
		if i > 0 {
			g.Edges = append(g.Edges, graphlayout.Edge{From: upper(i), To: lower(i - 1)})
		}
	}
	l := layOut(t, g)
	crossings := 0
	for i, a := range g.Edges {
		for _, b := range g.Edges[:i] {
			if (l.Nodes[a.From].Y-l.Nodes[b.From].Y)*(l.Nodes[a.To].Y-l.Nodes[b.To].Y) < 0 {
				crossings++
			}
		}
	}
	if crossings > 0 {
		t.Errorf("%d crossings", crossings)
	}
}
