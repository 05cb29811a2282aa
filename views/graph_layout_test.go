package views

import (
	"fmt"
	"testing"

	"buildbtw"
)

// layered makes n nodes over five levels with edges to the level before.
func layered(n int) ([]GraphNode, []GraphEdge) {
	var nodes []GraphNode
	var edges []GraphEdge
	for i := range n {
		nodes = append(nodes, GraphNode{BuildLink: BuildLink{ID: int64(i), Pkgbase: fmt.Sprintf("p%03d", i), Stage: 1, Status: buildbtw.StatusPending}, Level: i % 5})
		if i%5 > 0 {
			edges = append(edges, GraphEdge{From: int64(i - 1), To: int64(i)}, GraphEdge{From: int64((i*7)%n - (i*7)%n%5 + i%5 - 1), To: int64(i)})
		}
	}
	return nodes, edges
}

func TestBuildOrderRunsFromLeftToRightWithoutOverlap(t *testing.T) {
	nodes, edges := layered(100)
	l := LayOut(nodes, edges)
	type place struct{ x, y int }
	taken := map[place]string{}
	for _, n := range l.Nodes {
		at := place{n.X, n.Y}
		if taken[at] != "" {
			t.Errorf("%s lies on %s", n.Pkgbase, taken[at])
		}
		taken[at] = n.Pkgbase
		if n.X < 0 || n.Y < 0 || n.X+nodeWidth > l.Width || n.Y+nodeHeight > l.Height {
			t.Errorf("%s at %v is outside of %d × %d", n.Pkgbase, at, l.Width, l.Height)
		}
	}
	if len(l.Nodes) != 100 || len(l.Edges) != len(edges) {
		t.Errorf("%d nodes and %d edges placed", len(l.Nodes), len(l.Edges))
	}
	for _, e := range l.Edges {
		if e.X1 >= e.X2 {
			t.Errorf("edge %d → %d runs from %d to %d", e.From, e.To, e.X1, e.X2)
		}
	}
}

func TestTheLayoutIsTheSameEveryTime(t *testing.T) {
	nodes, edges := layered(60)
	first := fmt.Sprint(LayOut(nodes, edges))
	for range 5 {
		if got := fmt.Sprint(LayOut(nodes, edges)); got != first {
			t.Fatal("two layouts of one graph differ")
		}
	}
}

func TestParallelChainsDoNotCross(t *testing.T) {
	var nodes []GraphNode
	var edges []GraphEdge
	// Names that sort the wrong way round on every second level.
	for level := range 4 {
		for chain := range 6 {
			name := chain
			if level%2 == 1 {
				name = 5 - chain
			}
			id := int64(level*10 + chain)
			nodes = append(nodes, GraphNode{BuildLink: BuildLink{ID: id, Pkgbase: fmt.Sprintf("p%d", name)}, Level: level})
			if level > 0 {
				edges = append(edges, GraphEdge{From: id - 10, To: id})
			}
		}
	}
	for _, e := range LayOut(nodes, edges).Edges {
		if e.Y1 != e.Y2 {
			t.Errorf("edge %d → %d is not straight: %d, %d", e.From, e.To, e.Y1, e.Y2)
		}
	}
}

func TestEdgesToBuildsThatAreNotThereAreLeftOut(t *testing.T) {
	l := LayOut([]GraphNode{{BuildLink: BuildLink{ID: 1, Pkgbase: "a"}}}, []GraphEdge{{From: 1, To: 2}, {From: 3, To: 1, Cut: true}})
	if len(l.Nodes) != 1 || len(l.Edges) != 0 {
		t.Errorf("%d nodes, %d edges", len(l.Nodes), len(l.Edges))
	}
	if l := LayOut(nil, nil); len(l.Nodes) != 0 || l.Width <= 0 {
		t.Errorf("layout of nothing: %+v", l)
	}
}

func TestLongNamesAreCutToTheNode(t *testing.T) {
	n := PlacedNode{GraphNode: GraphNode{BuildLink: BuildLink{Pkgbase: "python-a-very-long-name", Stage: 2}}}
	if got := n.label(); len([]rune(got)) != labelRunes {
		t.Errorf("label %q", got)
	}
}
