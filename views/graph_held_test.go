package views

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
)

func TestWhatAFailureHoldsUpIsMarked(t *testing.T) {
	status := []buildbtw.Status{"failed", "blocked", "blocked", "building", "blocked", "blocked"}
	var nodes []GraphNode
	for i, s := range status {
		nodes = append(nodes, GraphNode{BuildLink: BuildLink{ID: int64(i), Status: s}, Level: i})
	}
	edges := []GraphEdge{
		{From: 0, To: 1}, {From: 1, To: 2}, // held, and held through another
		{From: 3, To: 4},            // waits for a build that is at work
		{From: 0, To: 5, Cut: true}, // does not wait for what was cut
	}
	l := LayOut(nodes, edges)
	held := map[int64]bool{}
	for _, n := range l.Nodes {
		if n.Held {
			held[n.ID] = true
		}
	}
	if diff := cmp.Diff([]int64{1, 2}, slices.Sorted(maps.Keys(held))); diff != "" {
		t.Errorf("held builds (-want +got):\n%s", diff)
	}
	for _, e := range l.Edges {
		if want := e.To == 1 || e.To == 2; e.Held != want {
			t.Errorf("edge %d → %d: held is %t, want %t", e.From, e.To, e.Held, want)
		}
	}
}
