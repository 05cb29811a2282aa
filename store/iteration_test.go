package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

func TestNewIterationSupersedesTheOneBefore(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	b := db.NewBuildspace(t, "space")
	db.Iterate(t, b, storetest.Plan("a", "b", "c", "d: a"))
	built := db.Claim(t, "w1")
	db.Finish(t, built)
	running := db.Claim(t, "w2")
	db.Iterate(t, b, storetest.Plan("a", "x"))
	db.Check(t)
	first, err := db.Iteration(t.Context(), "space", 1)
	want := buildbtw.Counts{buildbtw.StatusBuilt: 1, buildbtw.StatusSkipped: 3}
	if err != nil || first.Status() != buildbtw.IterationStatusSuperseded || cmp.Diff(want, first.Counts) != "" {
		t.Errorf("first iteration: %+v, %v", first, err)
	}
	if stop, err := db.Heartbeat(t.Context(), running.Attempt.Lease, storetest.Lease); !stop || err != nil {
		t.Errorf("heartbeat: stop %v, %v; want stop", stop, err)
	}
	row, err := db.Build(t.Context(), running.Build.ID)
	if err != nil || row.SkipReason != buildbtw.CauseSuperseded {
		t.Errorf("the running build: %+v, %v", row, err)
	}
	if c := db.Claim(t, "w3"); c == nil || c.Build.Iteration != 2 {
		t.Errorf("claimed %+v, want a build of iteration 2", c)
	}
	list, err := db.Iterations(t.Context(), "space")
	if err != nil || len(list) != 2 || list[0].Number != 2 || list[1].Number != 1 {
		t.Errorf("iterations %+v, %v", list, err)
	}
}

func TestRetryInAnIterationThatIsOverIsRefused(t *testing.T) {
	t.Parallel()
	db, c := claimed(t)
	db.End(t, c, buildbtw.OutcomeFailed)
	b, err := db.Buildspace(t.Context(), "space")
	if err != nil {
		t.Fatal(err)
	}
	db.Iterate(t, b, storetest.Plan("lib"))
	_, err = db.RetryBuild(t.Context(), "alice", c.Build.ID)
	if want := "iteration 1 of space is superseded; nothing of it is built any more"; buildbtw.MessageOf(err) != want {
		t.Errorf("got %v", err)
	}
	if n, err := db.RetryBuilds(t.Context(), "alice", "space"); n != 0 || err != nil {
		t.Errorf("retried %d, %v", n, err)
	}
	db.Check(t)
}

func TestRequestThatComesWhilePlanningStaysWanted(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	ctx := t.Context()
	b := db.NewBuildspace(t, "space")
	active, err := db.ActiveBuildspaces(ctx)
	if err != nil || len(active) != 1 || active[0].Wanted != buildbtw.IterationCreated || active[0].Latest != nil {
		t.Fatalf("active %+v, %v", active, err)
	}
	for range 2 { // at the same instant and with the same words
		if err := db.RequestIteration(ctx, "alice", "space", buildbtw.IterationRequested, "again"); err != nil {
			t.Fatal(err)
		}
	}
	n := store.NewIteration{BuildspaceID: b.ID, Revision: active[0].Revision + 1, Reason: buildbtw.IterationCreated, Plan: storetest.Plan("lib")}
	if _, err := db.CreateIteration(ctx, n); err != nil {
		t.Fatal(err)
	}
	active, err = db.ActiveBuildspaces(ctx)
	if err != nil || active[0].Wanted != buildbtw.IterationRequested {
		t.Fatalf("the later request was lost: %+v, %v", active, err)
	}
	n.Revision = active[0].Revision
	if _, err := db.CreateIteration(ctx, n); err != nil {
		t.Fatal(err)
	}
	active, err = db.ActiveBuildspaces(ctx)
	if err != nil || active[0].Wanted != "" || active[0].WantedAt != nil || active[0].Latest.Number != 2 {
		t.Errorf("still wanted: %+v, %v", active, err)
	}
	if d := cmp.Diff(n.Plan.Changesets, active[0].Planned); d != "" {
		t.Error(d)
	}
}

func TestIterationKeepsWhatThePlanSays(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	plan := storetest.Plan("lib", "tool: lib", "app: tool lib", "app@2: app")
	a := plan.Architectures["x86_64"]
	a.Edges[0].Kinds, a.Edges[0].Through = []string{"makedepends", "checkdepends"}, []string{"bash", "sed"}
	a.Cuts = []buildgraph.Cut{{From: "app", To: "tool", Kinds: []string{"checkdepends"}, Cycle: []string{"app", "tool"}}}
	plan.Warnings = []buildgraph.Warning{
		{Kind: buildgraph.WarnUnreadable, Source: "curl", Message: ".SRCINFO line 3: no pkgver"},
		{Kind: buildgraph.WarnUnresolved, Message: "nothing provides libx.so"},
	}
	it := db.Iterate(t, db.NewBuildspace(t, "space"), plan)
	ctx := t.Context()
	warnings, err := db.Warnings(ctx, it.ID)
	if d := cmp.Diff(plan.Warnings, warnings); d != "" || err != nil {
		t.Errorf("warnings: %v\n%s", err, d)
	}
	changesets, err := db.IterationChangesets(ctx, it.ID)
	if d := cmp.Diff(plan.Changesets, changesets); d != "" || err != nil {
		t.Errorf("changesets: %v\n%s", err, d)
	}
	archs, err := db.Architectures(ctx, it.ID)
	if d := cmp.Diff([]string{"x86_64"}, archs); d != "" || err != nil {
		t.Errorf("architectures: %v\n%s", err, d)
	}
	g, err := db.Graph(ctx, it.ID, "x86_64")
	if err != nil || len(g.Builds) != 4 || len(g.Edges) != 4 || len(g.Cuts) != 1 {
		t.Fatalf("graph %+v, %v", g, err)
	}
	if e := g.Edges[0]; e.Kinds != buildbtw.EdgeMakedepends|buildbtw.EdgeCheckdepends || cmp.Diff(buildbtw.Names{"bash", "sed"}, e.Through) != "" {
		t.Errorf("edge %+v", e)
	}
	ids := map[string]int64{}
	for i, b := range g.Builds {
		ids[a.Builds[i].Key()] = b.ID
	}
	deps, err := db.Dependencies(ctx, ids["app"])
	if err != nil || len(deps) != 2 || deps[0].Pkgbase != "lib" || deps[1].Pkgbase != "tool" {
		t.Errorf("dependencies %+v, %v", deps, err)
	}
	dependents, err := db.Dependents(ctx, ids["lib"])
	if err != nil || len(dependents) != 2 || dependents[1].Pkgbase != "tool" || cmp.Diff(buildbtw.Names{"bash", "sed"}, dependents[1].Through) != "" {
		t.Errorf("dependents %+v, %v", dependents, err)
	}
	cuts, err := db.BuildCuts(ctx, ids["tool"])
	if err != nil || len(cuts) != 1 || cuts[0].From.Pkgbase != "app" || cuts[0].To.Pkgbase != "tool" ||
		cuts[0].Kinds != buildbtw.EdgeCheckdepends || cmp.Diff(buildbtw.Names{"app", "tool"}, cuts[0].Cycle) != "" {
		t.Errorf("cuts %+v, %v", cuts, err)
	}
	reasonsLeadToAChangeset(t, db, ids["app@2"])
}

func reasonsLeadToAChangeset(t *testing.T, db *storetest.DB, build int64) {
	t.Helper()
	chain, err := db.ReasonChain(t.Context(), build)
	var names []string
	for _, step := range chain {
		names = append(names, step.Pkgbase)
	}
	if d := cmp.Diff([]string{"app", "app", "lib"}, names); d != "" || err != nil || chain[2].Reason.Kind != buildbtw.ReasonChangeset {
		t.Errorf("reasons: %v\n%s", err, d)
	}
}

func TestBrokenPlansAreRefusedWhole(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	b := db.NewBuildspace(t, "space")
	db.Iterate(t, b, storetest.Plan("lib"))
	edge := storetest.Edge("lib", "app", "depends")
	for name, spoil := range map[string]func(*buildgraph.ArchPlan){
		"edge to nowhere": func(a *buildgraph.ArchPlan) { a.Edges[0].To = "nothing" },
		"cut from nowhere": func(a *buildgraph.ArchPlan) {
			a.Cuts = []buildgraph.Cut{{From: "nothing", To: "lib", Kinds: []string{"depends"}}}
		},
		"unknown kind":     func(a *buildgraph.ArchPlan) { a.Edges[0].Kinds = []string{"optdepends"} },
		"no kind":          func(a *buildgraph.ArchPlan) { a.Edges[0].Kinds = nil },
		"the same twice":   func(a *buildgraph.ArchPlan) { a.Builds[1].Pkgbase = "lib" },
		"edge twice":       func(a *buildgraph.ArchPlan) { a.Edges = append(a.Edges, edge) },
		"waits for itself": func(a *buildgraph.ArchPlan) { a.Edges[0].To = "lib" },
	} {
		plan := storetest.Plan("lib", "app: lib")
		spoil(plan.Architectures["x86_64"])
		_, err := db.CreateIteration(t.Context(), store.NewIteration{BuildspaceID: b.ID, Reason: buildbtw.IterationPushed, Plan: plan})
		if err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	it, err := db.Iteration(t.Context(), "space", 0)
	if err != nil || it.Number != 1 || it.State != buildbtw.IterationReady {
		t.Errorf("iteration %+v, %v; want the first one untouched", it, err)
	}
	db.Check(t)
}

func TestInvalidIterationShowsPeopleOnlyWhatIsForThem(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	b := db.NewBuildspace(t, "space")
	tried := []buildgraph.PlannedChangeset{{Source: "lib", Ref: "main", Commit: "abc"}}
	it, err := db.CreateIteration(t.Context(), store.NewIteration{
		BuildspaceID: b.ID, Revision: b.Revision, Reason: buildbtw.IterationCreated, Err: errors.New("open /secret: denied"), Changesets: tried,
	})
	if err != nil || it.Error != buildbtw.MessageOf(errors.New("x")) || it.Counts.Total() != 0 {
		t.Errorf("got %+v, %v", it, err)
	}
	active, err := db.ActiveBuildspaces(t.Context())
	if err != nil || active[0].Wanted != "" || cmp.Diff(tried, active[0].Planned) != "" {
		t.Errorf("active %+v, %v", active, err)
	}
}

func TestMissingIterationsAreNamed(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	b := db.NewBuildspace(t, "space")
	for want, find := range map[string]func() error{
		`there is no buildspace "none"`:         func() error { _, err := db.Iteration(t.Context(), "none", 0); return err },
		`buildspace space has no iteration yet`: func() error { _, err := db.Iteration(t.Context(), "space", 0); return err },
		`buildspace space has no iteration 7`:   func() error { _, err := db.Iteration(t.Context(), "space", 7); return err },
	} {
		if err := find(); buildbtw.KindOf(err) != buildbtw.KindNotFound || buildbtw.MessageOf(err) != want {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := db.StopBuildspace(t.Context(), "alice", "space"); err != nil {
		t.Fatal(err)
	}
	_, err := db.CreateIteration(t.Context(), store.NewIteration{BuildspaceID: b.ID, Reason: buildbtw.IterationPushed, Plan: storetest.Plan("lib")})
	if buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("an iteration of a stopped buildspace: %v", err)
	}
}

func TestDiffNamesWhatChanged(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	b := db.NewBuildspace(t, "space")
	db.Iterate(t, b, storetest.PlanFor([]string{"x86_64", "aarch64"}, "lib", "old: lib", "app: lib old"))
	second := storetest.PlanFor([]string{"x86_64", "aarch64"}, "lib", "app: lib", "new: app", "new@2: new")
	second.Architectures["x86_64"].Builds[0].Commit = "b"
	second.Architectures["x86_64"].Builds[0].Version = "2.0-1"
	second.Architectures["aarch64"] = storetest.Plan("lib", "old: lib", "app: lib old").Architectures["x86_64"]
	db.Iterate(t, b, second)
	got, err := db.Diff(t.Context(), "space", 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := store.Diff{From: 1, To: 2, Architectures: map[string]store.ArchDiff{"x86_64": {
		Added: []string{"new", "new@2"}, Removed: []string{"old"},
		Changed:      []store.BuildChange{{Pkgbase: "lib", Source: "lib", FromCommit: second.Changesets[0].Commit, ToCommit: "b", FromVersion: "1.0-1", ToVersion: "2.0-1"}},
		EdgesAdded:   []store.EdgeChange{{From: "app", To: "new", Kinds: buildbtw.EdgeDepends}, {From: "new", To: "new@2", Kinds: buildbtw.EdgeDepends}},
		EdgesRemoved: []store.EdgeChange{{From: "lib", To: "old", Kinds: buildbtw.EdgeDepends}, {From: "old", To: "app", Kinds: buildbtw.EdgeDepends}},
	}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	same, err := db.Diff(t.Context(), "space", 2, 2)
	if err != nil || len(same.Architectures) != 0 {
		t.Errorf("diff with itself: %+v, %v", same, err)
	}
}

func TestCommitsOfChangesetsAreFoundByTheirBeginning(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	row := db.NewBuildspace(t, "lib")
	for _, digit := range []string{"a", "b", "b"} {
		p := storetest.Plan("lib")
		p.Changesets[0].Commit = strings.Repeat(digit, 40)
		db.Iterate(t, row, p)
	}
	found, err := db.ChangesetCommits(t.Context(), "bbbb", 10)
	if err != nil || len(found) != 2 || found[0].Iteration != 3 || found[1].Iteration != 2 || found[0].Buildspace != "lib" || found[0].Source != "lib" {
		t.Errorf("%+v, %v", found, err)
	}
	for _, prefix := range []string{"c", "b%", "_bbb", "' OR 1"} {
		if found, err := db.ChangesetCommits(t.Context(), prefix, 10); err != nil || len(found) != 0 {
			t.Errorf("%q: %+v, %v", prefix, found, err)
		}
	}
}

// TestRowsOfReuseGetTheirIDsWhenTheIterationIsMade: a plan is laid out before the
// iteration exists, and other builds may come in between.
func TestRowsOfReuseGetTheirIDsWhenTheIterationIsMade(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	plan := storetest.PlanFor([]string{"x86_64", "aarch64"}, "lib", "data*: lib", "app: data")
	for _, arch := range plan.Architectures {
		for i := range arch.Builds {
			arch.Builds[i].Commit = fmt.Sprintf("%040d", i+1)
		}
	}
	db.Iterate(t, db.NewBuildspace(t, "first"), plan)
	finish := func(arch string) {
		c := db.Claim(t, "w-"+arch, arch)
		if c == nil {
			t.Fatalf("nothing to build for %s", arch)
		}
		db.Finish(t, c)
	}
	for _, arch := range []string{"aarch64", "x86_64", "aarch64"} { // lib, lib, data with its twin
		finish(arch)
	}
	space := db.NewBuildspace(t, "second")
	rows, links, err := db.FindReuse(t.Context(), plan, nil)
	if err != nil || rows.Reused() != 3 || len(links) != 3 {
		t.Fatalf("%d reused, %d links, %v", rows.Reused(), len(links), err)
	}
	db.Iterate(t, db.NewBuildspace(t, "between"), storetest.Plan("a", "b: a", "c: b"))
	it, err := db.CreateIteration(t.Context(), store.NewIteration{
		BuildspaceID: space.ID, Revision: space.Revision, Reason: buildbtw.IterationCreated, Plan: plan, Rows: rows,
	})
	if err != nil {
		t.Fatal(err)
	}
	db.Check(t)
	if it.Counts[buildbtw.StatusBuilt] != 4 || it.Counts[buildbtw.StatusPending] != 2 {
		t.Errorf("builds: %v", it.Counts)
	}
	for _, arch := range []string{"x86_64", "aarch64"} {
		g, err := db.Graph(t.Context(), it.ID, arch)
		if err != nil || len(g.Builds) != 3 || len(g.Edges) != 2 {
			t.Fatalf("graph for %s: %+v, %v", arch, g, err)
		}
		for i, e := range g.Edges {
			if e.From != g.Builds[i].ID || e.To != g.Builds[i+1].ID {
				t.Errorf("edge %d for %s: %+v between %+v", i, arch, e, g.Builds)
			}
		}
		if b, err := db.Build(t.Context(), g.Builds[1].ID); err != nil || arch == "x86_64" && b.TwinOf != b.ID-3 {
			t.Errorf("%s for %s (build %d) is a twin of %d (%v)", b.Pkgbase, arch, b.ID, b.TwinOf, err)
		}
	}
}
