package forecast

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mustGraph(t *testing.T, n int, edges ...Edge) *Graph {
	t.Helper()
	g, err := NewGraph(n, edges)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestAScheduleStartsTheLongestChainFirst(t *testing.T) {
	t.Parallel()
	// 0 before 1; 2 and 3 wait for nothing. Of two slots the one that is busy is free after 5.
	g := mustGraph(t, 4, Edge{0, 1})
	jobs := []Job{{Seconds: 10, Priority: 30}, {Seconds: 20, Priority: 20}, {Seconds: 4, Priority: 4}, {Seconds: 8, Priority: 8}}
	got := g.Schedule(jobs, []Slot{{Kinds: []int{0}, Running: -1}, {Kinds: []int{0}, Running: -1, Left: 5}}, 100, 10)
	want := []Planned{{0, 0, 0, 10}, {3, 1, 5, 13}, {1, 0, 10, 30}, {2, 1, 13, 17}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAScheduleHasWhatASlotCanRun(t *testing.T) {
	t.Parallel()
	g := mustGraph(t, 3)
	jobs := []Job{{Seconds: 10, Priority: 1}, {Seconds: 10, Priority: 9, Kind: 1}, {Seconds: 10, Priority: 5, Kind: 2}}
	got := g.Schedule(jobs, []Slot{{Kinds: []int{0}, Running: -1}, {Kinds: []int{0, 1}, Running: -1}}, 100, 10)
	want := []Planned{{0, 0, 0, 10}, {1, 1, 0, 10}} // nobody can run the third
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhatRunsNowIsNotScheduledAgain(t *testing.T) {
	t.Parallel()
	g := mustGraph(t, 3, Edge{0, 1}, Edge{1, 2}) // the first is done: it takes no time
	got := g.Schedule([]Job{{}, {Seconds: 7, Priority: 2}, {Seconds: 1, Priority: 1}}, []Slot{{Kinds: []int{0}, Running: 1, Left: 7}}, 100, 10)
	if diff := cmp.Diff([]Planned{{2, 0, 7, 8}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAScheduleEnds(t *testing.T) {
	t.Parallel()
	jobs := make([]Job, 50)
	for i := range jobs {
		jobs[i].Seconds = 10
	}
	g, slots := mustGraph(t, 50), []Slot{{Kinds: []int{0}, Running: -1}}
	if got := g.Schedule(jobs, slots, 95, 100); len(got) != 10 || got[9].Start != 90 {
		t.Errorf("%d builds begin before 95 s", len(got))
	}
	if got := g.Schedule(jobs, slots, 1000, 7); len(got) != 7 {
		t.Errorf("%d builds, limit 7", len(got))
	}
	if got := g.Schedule(jobs, nil, 1000, 7); len(got) != 0 {
		t.Errorf("%d builds without slots", len(got))
	}
}

func TestJoinedGraphsLieSideBySide(t *testing.T) {
	t.Parallel()
	g := Join(mustGraph(t, 2, Edge{1, 0}), mustGraph(t, 3, Edge{0, 1}, Edge{1, 2}))
	if diff := cmp.Diff([]float64{1, 3, 9, 8, 5}, g.Chains([]float64{1, 2, 1, 3, 5})); diff != "" {
		t.Error(diff)
	}
	if n := Join().Size(); n != 0 {
		t.Errorf("nothing joined has %d builds", n)
	}
}
