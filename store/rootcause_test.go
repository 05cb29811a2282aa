package store_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
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
	blocks := map[int64]worth{}
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
			w := blocks[c]
			w.blocks++
			if len(want) == 1 {
				w.frees++
			}
			blocks[c] = w
		}
	}
	if d := cmp.Diff(counts, it.Counts); d != "" {
		r.Error("numbers by status:\n" + d)
	}
	w.checkBlockers(r, it.ID, blocks)
	w.checkBlocked(r, it, rows)
}

// checkBlocked wants that what lists show as blocked, and what they show as waiting, is
// what the root causes of every build say.
func (w *world) checkBlocked(r *rapid.T, it store.IterationRow, rows []store.BuildRow) {
	ctx := context.Background()
	want := map[buildbtw.Status][]int64{}
	givenUp := 0
	for _, row := range rows {
		shown := row.Status.Shown(len(row.RootCauses) > 0)
		want[shown] = append(want[shown], row.ID)
		if row.Status == buildbtw.StatusSkipped && row.Status.RootCause(row.SkipReason) {
			givenUp++
		}
	}
	blocked, err := w.db.Blocked(ctx, []store.IterationRow{it})
	if err != nil {
		r.Fatal(err)
	}
	if got := blocked[it.ID]; got.Builds != len(want[buildbtw.StatusBlocked]) || got.GivenUp != givenUp {
		r.Errorf("%d blocked, %d given up; want %d and %d", got.Builds, got.GivenUp, len(want[buildbtw.StatusBlocked]), givenUp)
	}
	counts := it.Counts.Shown(blocked[it.ID].Builds)
	for _, status := range []buildbtw.Status{buildbtw.StatusWaiting, buildbtw.StatusBlocked} {
		if counts[status] != len(want[status]) {
			r.Errorf("%d builds are shown as %s, want %d", counts[status], status, len(want[status]))
		}
		for _, sort := range []store.BuildSort{store.SortUrgency, store.SortName} {
			page, err := w.db.BuildPage(ctx, store.BuildFilter{Buildspace: "space", Status: string(status), Limit: 500}, sort, 0)
			if err != nil {
				r.Fatal(err)
			}
			var got []int64
			for _, row := range page.Rows {
				got = append(got, row.ID)
			}
			slices.Sort(got)
			slices.Sort(want[status])
			if !slices.Equal(got, want[status]) || page.Total != len(got) {
				r.Errorf("listed as %s, by %s: %v of %d, want %v", status, sort, got, page.Total, want[status])
			}
		}
	}
}

// worth is what a build blocks, and what of it nothing else does.
type worth struct{ blocks, frees int }

func (w *world) checkBlockers(r *rapid.T, iteration int64, want map[int64]worth) {
	blockers, err := w.db.Blockers(context.Background(), iteration, 0)
	if err != nil {
		r.Fatal(err)
	}
	got := map[int64]worth{}
	for _, b := range blockers {
		got[b.Build.ID] = worth{b.Blocks, b.Frees}
		alone, err := w.db.Freed(context.Background(), iteration, []int64{b.Build.ID})
		if err != nil || alone != b.Frees {
			r.Errorf("build %d alone frees %d, as a set %d, %v", b.Build.ID, b.Frees, alone, err)
		}
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(worth{})); d != "" {
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

// causes gives the root causes of a build by name.
func causes(t *testing.T, db *storetest.DB, pkgbase string) []string {
	t.Helper()
	rows, _, err := db.Builds(t.Context(), store.BuildFilter{Buildspace: "space", Pkgbase: pkgbase})
	if err != nil || len(rows) == 0 {
		t.Fatalf("find %s: %d rows, %v", pkgbase, len(rows), err)
	}
	one, err := db.Build(t.Context(), rows[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(rows[0], one); d != "" {
		t.Errorf("list and single build differ:\n%s", d)
	}
	names := []string{}
	for _, c := range one.RootCauses {
		names = append(names, c.Pkgbase+" "+string(c.Status))
	}
	return names
}

func TestBlockedBuildsNameTheRootCause(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	it := db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan(
		"bad", "slow", "dropped", "mid: bad", "top: mid slow", "both: top dropped", "waits: slow", "free",
		"ended: bad", "above: ended"))
	db.End(t, db.Claim(t, "w1"), buildbtw.OutcomeFailed) // bad
	db.Claim(t, "w1")                                    // slow
	for _, pkgbase := range []string{"dropped", "ended"} {
		rows, _, err := db.Builds(t.Context(), store.BuildFilter{Buildspace: "space", Pkgbase: pkgbase})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.CancelBuild(t.Context(), "alice", rows[0].ID); err != nil {
			t.Fatal(err)
		}
	}
	for pkgbase, want := range map[string][]string{
		"mid":   {"bad failed"},
		"top":   {"bad failed"},
		"both":  {"dropped skipped", "bad failed"}, // nearest first
		"waits": {},                                // it only waits for its turn
		"free":  {},
		"above": {"ended skipped"}, // what that one waited for does not matter any more
		"bad":   {},
	} {
		if d := cmp.Diff(want, causes(t, db, pkgbase)); d != "" {
			t.Errorf("%s:\n%s", pkgbase, d)
		}
	}
	blockers, err := db.Blockers(t.Context(), it.ID, 0)
	if err != nil || len(blockers) != 3 || blockers[0].Build.Pkgbase != "bad" || blockers[0].Blocks != 3 ||
		blockers[1].Build.Pkgbase != "dropped" || blockers[1].Blocks != 1 || blockers[2].Build.Pkgbase != "ended" || blockers[2].Blocks != 1 {
		t.Errorf("blockers %+v, %v", blockers, err)
	}
	// both waits for bad and for dropped.
	if blockers[0].Frees != 2 || blockers[1].Frees != 0 || blockers[2].Frees != 1 {
		t.Errorf("what each is worth alone: %+v", blockers)
	}
	for _, c := range []struct {
		fix  []int
		want int
	}{{[]int{0, 1}, 3}, {[]int{0, 1, 2}, 4}, {nil, 0}} {
		var ids []int64
		for _, i := range c.fix {
			ids = append(ids, blockers[i].Build.ID)
		}
		if freed, err := db.Freed(t.Context(), it.ID, ids); err != nil || freed != c.want {
			t.Errorf("%v together free %d, want %d, %v", c.fix, freed, c.want, err)
		}
	}
	if one, err := db.Blockers(t.Context(), it.ID, 1); err != nil || len(one) != 1 {
		t.Errorf("one blocker: %+v, %v", one, err)
	}
}

func TestRootCausesReachThroughTwins(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.PlanFor([]string{"aarch64", "x86_64"}, "lib", "data*: lib", "app: data"))
	c := db.Claim(t, "w1", "aarch64")
	db.End(t, c, buildbtw.OutcomeFailed)
	rows, _, err := db.Builds(t.Context(), store.BuildFilter{Buildspace: "space", Pkgbase: "app", Architecture: "x86_64"})
	if err != nil || len(rows) != 1 || len(rows[0].RootCauses) != 1 || rows[0].RootCauses[0].ID != c.Build.ID {
		t.Errorf("app for x86_64: %+v, %v; want lib for aarch64 as the cause", rows, err)
	}
}

func TestRootCausesAreBounded(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	lines, all := []string{}, "app:"
	for i := range 30 {
		name := "lib" + string(rune('a'+i%26)) + string(rune('a'+i/26))
		lines, all = append(lines, name), all+" "+name
	}
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan(append(lines, all)...))
	for c := db.Claim(t, "w1"); c != nil; c = db.Claim(t, "w1") {
		db.End(t, c, buildbtw.OutcomeFailed)
	}
	if n := len(causes(t, db, "app")); n != store.MaxRootCauses {
		t.Errorf("%d causes, want %d", n, store.MaxRootCauses)
	}
}
