package store

import (
	"fmt"
	"testing"

	"buildbtw"
	"buildbtw/buildgraph"
)

// TestIterationsWithTheSameOrderHaveOneGraph: another commit stores no edge again, and
// another edge or cut makes a graph of its own.
func TestIterationsWithTheSameOrderHaveOneGraph(t *testing.T) {
	t.Parallel()
	s := openTemp(t)
	row, err := s.CreateBuildspace(t.Context(), "alice", buildbtw.Buildspace{Name: "many", Settings: buildbtw.DefaultSettings()}, []buildbtw.Changeset{{Source: "p0"}})
	if err != nil {
		t.Fatal(err)
	}
	depends := &buildgraph.EdgeInfo{Kinds: []string{"depends"}}
	arch := &buildgraph.ArchPlan{}
	for i := range 50 {
		arch.Builds = append(arch.Builds, buildgraph.Build{Pkgbase: fmt.Sprintf("p%d", i), Source: fmt.Sprintf("p%d", i), Commit: "a", Stage: 1})
		if i > 0 {
			arch.Edges = append(arch.Edges, buildgraph.Edge{From: fmt.Sprintf("p%d", i/2), To: fmt.Sprintf("p%d", i), EdgeInfo: depends})
		}
	}
	for i, change := range []func(){
		func() {},
		func() { arch.Builds[7].Commit = "b" },
		func() { arch.Builds[7].Level = 9 },
		func() {
			arch.Edges = append(arch.Edges, buildgraph.Edge{From: "p0", To: "p49", EdgeInfo: depends})
		},
		func() {
			arch.Cuts = append(arch.Cuts, buildgraph.Cut{From: "p49", To: "p0", Kinds: []string{"depends"}})
		},
	} {
		change()
		it, err := s.CreateIteration(t.Context(), NewIteration{
			BuildspaceID: row.ID, Reason: buildbtw.IterationCreated, Plan: &buildgraph.Plan{Architectures: map[string]*buildgraph.ArchPlan{"x86_64": arch}},
		})
		if err != nil {
			t.Fatal(err)
		}
		g, err := s.Graph(t.Context(), it.ID, "x86_64")
		if err != nil || len(g.Edges) != len(arch.Edges) || len(g.Cuts) != len(arch.Cuts) {
			t.Fatalf("iteration %d has %d edges and %d cuts, %v", it.Number, len(g.Edges), len(g.Cuts), err)
		}
		for _, e := range g.Edges {
			if first := g.Builds[0].ID; e.From < first || e.To >= first+50 {
				t.Fatalf("iteration %d has an edge of other builds: %+v", it.Number, e)
			}
		}
		var graphs, edges int
		if err := s.getText(t.Context(), &graphs, `SELECT count(*) FROM graphs`); err != nil {
			t.Fatal(err)
		}
		if err := s.getText(t.Context(), &edges, `SELECT count(*) FROM graph_edges`); err != nil {
			t.Fatal(err)
		}
		want := []struct{ graphs, edges int }{{1, 49}, {1, 49}, {1, 49}, {2, 99}, {3, 149}}[i]
		if graphs != want.graphs || edges != want.edges {
			t.Errorf("after iteration %d there are %d graphs and %d edges, want %+v", it.Number, graphs, edges, want)
		}
	}
}
