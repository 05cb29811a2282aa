package store_test

import (
	"context"
	"slices"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"buildbtw"
	"buildbtw/store"
)

// checkStanding computes root causes, blockers and numbers by status anew from
// builds and edges, and wants those that the store keeps up to date.
func (w *world) checkStanding(r *rapid.T) {
	ctx := context.Background()
	it, err := w.db.Iteration(ctx, "space", 0)
	if err != nil {
		r.Fatal(err)
	}
	rows, _, err := w.db.Builds(ctx, store.BuildFilter{Buildspace: "space", Limit: 500})
	if err != nil {
		r.Fatal(err)
	}
	counts := buildbtw.Counts{}
	blocks := map[int64]int{}
	n := naive{map[int64]store.BuildRow{}, w.dependencies(r, it.ID, rows)}
	for _, row := range rows {
		n.rows[row.ID] = row
		counts[row.Status]++
	}
	for _, row := range rows {
		var want []int64
		if row.Status == buildbtw.StatusBlocked {
			want = n.causes(row.ID)
		}
		got := []int64{}
		for _, c := range row.RootCauses {
			got = append(got, c.ID)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			r.Errorf("%s/%s, %s: root causes %v, want %v", row.Pkgbase, row.Architecture, row.Status, got, want)
		}
		for _, c := range want {
			blocks[c]++
		}
	}
	if d := cmp.Diff(counts, it.Counts); d != "" {
		r.Error("numbers by status:\n" + d)
	}
	w.checkBlockers(r, it.ID, blocks)
}

func (w *world) checkBlockers(r *rapid.T, iteration int64, want map[int64]int) {
	blockers, err := w.db.Blockers(context.Background(), iteration, 0)
	if err != nil {
		r.Fatal(err)
	}
	got := map[int64]int{}
	for _, b := range blockers {
		got[b.Build.ID] = b.Blocks
	}
	if d := cmp.Diff(want, got); d != "" {
		r.Error("blockers:\n" + d)
	}
}

// dependencies gives what each build waits for, by edges and as a twin.
func (w *world) dependencies(r *rapid.T, iteration int64, rows []store.BuildRow) map[int64][]int64 {
	deps := map[int64][]int64{}
	for _, row := range rows {
		if row.TwinOf != 0 {
			deps[row.ID] = append(deps[row.ID], row.TwinOf)
		}
	}
	for _, arch := range worldArchs {
		g, err := w.db.Graph(context.Background(), iteration, arch)
		if err != nil {
			r.Fatal(err)
		}
		for _, e := range g.Edges {
			deps[e.To] = append(deps[e.To], e.From)
		}
	}
	return deps
}

// naive is the plain way to find root causes.
type naive struct {
	rows map[int64]store.BuildRow
	deps map[int64][]int64
}

// causes lists what a build waits for in vain, by id.
func (n naive) causes(build int64) []int64 {
	seen := map[int64]bool{build: true}
	var found []int64
	for queue := []int64{build}; len(queue) > 0; queue = queue[1:] {
		for _, d := range n.deps[queue[0]] {
			row := n.rows[d]
			switch {
			case seen[d]:
			case row.Status == buildbtw.StatusBlocked:
				queue = append(queue, d)
			case row.Status == buildbtw.StatusFailed, row.Status == buildbtw.StatusSkipped && row.SkipReason != buildbtw.CauseUnchanged:
				found = append(found, d)
			}
			seen[d] = true
		}
	}
	slices.Sort(found)
	return found
}
