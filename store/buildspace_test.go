package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

func TestBuildspaceComesBackAsItWasMade(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	settings := buildbtw.Settings{
		Scope: buildbtw.ScopeDirect, Cycles: buildbtw.CyclesTwice, Priority: buildbtw.PriorityHigh, FollowAll: true, FollowFixes: true, Makedepends: true,
		Architectures: buildbtw.Names{"x86_64"}, Exclude: buildbtw.Names{"firefox"}, Add: buildbtw.Names{"bash", "sed"},
	}
	cs := []buildbtw.Changeset{{Source: "zlib"}, {Source: "curl", Ref: "fix/a"}}
	row, err := db.CreateBuildspace(t.Context(), "alice", buildbtw.Buildspace{Name: "curl-fix", Settings: settings}, cs)
	if err != nil {
		t.Fatal(err)
	}
	now := storetest.Start()
	want := store.BuildspaceRow{
		Buildspace: buildbtw.Buildspace{
			ID: 1, Name: "curl-fix", Status: buildbtw.BuildspaceActive, Settings: settings, CreatedBy: "alice", CreatedAt: now,
			Wanted: buildbtw.IterationCreated, WantedText: "Created by alice.", WantedAt: &now, Revision: 1,
		},
		Changesets: []buildbtw.Changeset{cs[1], cs[0]},
	}
	if d := cmp.Diff(want, row); d != "" {
		t.Error(d)
	}
	again, err := db.CreateBuildspace(t.Context(), "bob", buildbtw.Buildspace{Name: "curl-fix", Settings: settings}, cs)
	if buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("the same name again: %+v, %v", again, err)
	}
}

func TestBadBuildspacesAreRefused(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	good := []buildbtw.Changeset{{Source: "lib"}}
	tests := map[string]struct {
		name string
		cs   []buildbtw.Changeset
	}{
		"slash": {"a/b", good}, "dots": {"..", good}, "NUL": {"a\x00", good}, "long": {strings.Repeat("a", 300), good},
		"no changeset": {"a", nil}, "twice": {"a", []buildbtw.Changeset{{Source: "lib"}, {Source: "lib", Ref: "x"}}},
		"bad source": {"a", []buildbtw.Changeset{{Source: "../lib"}}}, "bad ref": {"a", []buildbtw.Changeset{{Source: "lib", Ref: "-x"}}},
	}
	for name, tt := range tests {
		_, err := db.CreateBuildspace(t.Context(), "alice", buildbtw.Buildspace{Name: tt.name, Settings: buildbtw.DefaultSettings()}, tt.cs)
		if err == nil || buildbtw.KindOf(err) != buildbtw.KindInvalid {
			t.Errorf("%s: %v, want it refused", name, err)
		}
	}
	if rows, _, err := db.Buildspaces(t.Context(), store.BuildspaceFilter{}); len(rows) != 0 || err != nil {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

func TestEditsWantAnIterationWhenThePlanMayChange(t *testing.T) {
	t.Parallel()
	changeset := func(list ...string) func(*store.Edit, buildbtw.Settings) {
		cs, err := buildbtw.ParseChangesets(list)
		if err != nil {
			t.Fatal(err)
		}
		return func(e *store.Edit, _ buildbtw.Settings) { e.Changesets = &cs }
	}
	setting := func(change func(*buildbtw.Settings)) func(*store.Edit, buildbtw.Settings) {
		return func(e *store.Edit, s buildbtw.Settings) { change(&s); e.Settings = &s }
	}
	tests := map[string]struct {
		edit    func(*store.Edit, buildbtw.Settings)
		want    buildbtw.IterationReason
		message string
	}{
		"nothing":           {func(*store.Edit, buildbtw.Settings) {}, "", ""},
		"the same settings": {setting(func(s *buildbtw.Settings) { s.Exclude = nil }), "", ""},
		"the same source":   {changeset("lib"), "", ""},
		"the priority":      {setting(func(s *buildbtw.Settings) { s.Priority = buildbtw.PriorityHigh }), "", "Settings edited."},
		"the scope":         {setting(func(s *buildbtw.Settings) { s.Scope = buildbtw.ScopeAll }), buildbtw.IterationEdited, "Settings edited."},
		"an exclusion":      {setting(func(s *buildbtw.Settings) { s.Exclude = buildbtw.Names{"app"} }), buildbtw.IterationEdited, "Settings edited."},
		"a ref":             {changeset("lib/fix"), buildbtw.IterationEdited, "Changesets edited."},
		"one more source":   {changeset("lib", "app"), buildbtw.IterationEdited, "Changesets edited."},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			db := storetest.New(t)
			b := db.NewBuildspace(t, "space")
			db.Iterate(t, b, storetest.Plan("lib"))
			var e store.Edit
			tt.edit(&e, b.Settings)
			row, err := db.EditBuildspace(t.Context(), "bob", "space", e)
			if err != nil || row.Wanted != tt.want {
				t.Errorf("wanted %q, %v; want %q", row.Wanted, err, tt.want)
			}
			if e.Changesets != nil && len(row.Changesets) != len(*e.Changesets) {
				t.Errorf("changesets %v", row.Changesets)
			}
			events, err := db.Events(t.Context(), store.EventFilter{Buildspace: "space", Newest: true, Limit: 1})
			if err != nil || (events[0].Message == tt.message && events[0].Actor == "bob") != (tt.message != "") {
				t.Errorf("event %+v, %v; want %q", events, err, tt.message)
			}
		})
	}
}

func TestStopAndStart(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	ctx := t.Context()
	db.Iterate(t, db.NewBuildspace(t, "space"), storetest.Plan("a", "b", "c: a"))
	running := db.Claim(t, "w1")
	for range 2 {
		row, err := db.StopBuildspace(ctx, "alice", "space")
		if err != nil || row.Status != buildbtw.BuildspaceStopped || row.Latest.Status() != buildbtw.IterationStatusStopped {
			t.Fatalf("stopped: %+v, %v", row, err)
		}
		db.Check(t)
	}
	if stop, err := db.Heartbeat(ctx, running.Attempt.Lease, storetest.Lease); !stop || err != nil {
		t.Errorf("heartbeat: stop %v, %v", stop, err)
	}
	if err := db.RequestIteration(ctx, "alice", "space", buildbtw.IterationRequested, ""); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("an iteration of a stopped buildspace: %v", err)
	}
	if active, err := db.ActiveBuildspaces(ctx); err != nil || len(active) != 0 {
		t.Errorf("active %+v, %v", active, err)
	}
	for range 2 {
		row, err := db.StartBuildspace(ctx, "alice", "space")
		if err != nil || row.Status != buildbtw.BuildspaceActive || row.Wanted != "" || row.Latest.Status() != buildbtw.IterationStatusBuilding {
			t.Fatalf("started: %+v, %v", row, err)
		}
		db.Check(t)
	}
	// The worker that was told to stop has not said a word since: its build is
	// handed out all the same, and what it says later changes nothing.
	if again := db.Claim(t, "w2"); again == nil || again.Build.ID != running.Build.ID || again.Attempt.Number != 2 {
		t.Errorf("claimed %+v, want the build that was running", again)
	}
	if _, err := db.Heartbeat(ctx, running.Attempt.Lease, storetest.Lease); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("heartbeat of the attempt that was stopped: %v", err)
	}
	if state := statusesOf(t, db); state != "a building, b pending, c blocked" {
		t.Errorf("after the start: %s", state)
	}
	events, err := db.Events(ctx, store.EventFilter{Buildspace: "space"})
	n := 0
	for _, e := range events {
		if e.Kind == buildbtw.EventBuildspace {
			n++
		}
	}
	if err != nil || n != 3 { // created, stopped, started: each once
		t.Errorf("%d events of the buildspace, %v; want 3", n, err)
	}
}

// statusesOf says where the builds of buildspace "space" stand, by name.
func statusesOf(t *testing.T, db *storetest.DB) string {
	t.Helper()
	rows, _, err := db.Builds(t.Context(), store.BuildFilter{Buildspace: "space", Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, r := range rows {
		words = append(words, r.Pkgbase+" "+string(r.Status))
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}

// TestStartAsksForAnIterationWhenThereIsNoneToGoOnWith: the latest was never
// made, or could not be planned.
func TestStartAsksForAnIterationWhenThereIsNoneToGoOnWith(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.NewBuildspace(t, "space")
	stopAndStart(t, db)
	row, err := db.Buildspace(t.Context(), "space")
	if err != nil || row.Wanted != buildbtw.IterationStarted || row.Revision != 2 {
		t.Errorf("%+v, %v; want an iteration to be made", row, err)
	}
}

// TestStartGoesOnPastAnInvalidIteration: one that could not be planned had
// replaced nothing.
func TestStartGoesOnPastAnInvalidIteration(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	space := db.NewBuildspace(t, "space")
	db.Iterate(t, space, storetest.Plan("a", "b: a"))
	_, err := db.CreateIteration(t.Context(), store.NewIteration{BuildspaceID: space.ID, Reason: buildbtw.IterationPushed, Err: errors.New("no")})
	if err != nil {
		t.Fatal(err)
	}
	stopAndStart(t, db)
	db.Check(t)
	if c := db.Claim(t, "w1"); c == nil || c.Build.Pkgbase != "a" || c.Build.Iteration != 1 {
		t.Errorf("claimed %+v, want a of iteration 1", c)
	}
}

func stopAndStart(t *testing.T, db *storetest.DB) {
	t.Helper()
	if _, err := db.StopBuildspace(t.Context(), "alice", "space"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.StartBuildspace(t.Context(), "alice", "space"); err != nil {
		t.Fatal(err)
	}
}

func TestPagesOfBuildspaces(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	ctx := t.Context()
	for i := range 5 {
		b := buildbtw.Buildspace{Name: fmt.Sprintf("space%d_%d", i, i%2), Settings: buildbtw.DefaultSettings()}
		if _, err := db.CreateBuildspace(ctx, "alice", b, []buildbtw.Changeset{{Source: fmt.Sprintf("lib%d", i%2)}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.StopBuildspace(ctx, "alice", "space3_1"); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		filter store.BuildspaceFilter
		want   string
	}{
		"all":             {store.BuildspaceFilter{}, "space4_0 space3_1 space2_0 space1_1 space0_0"},
		"pages of two":    {store.BuildspaceFilter{Limit: 2}, "space4_0 space3_1 space2_0 space1_1 space0_0"},
		"active":          {store.BuildspaceFilter{Status: "active", Limit: 1}, "space4_0 space2_0 space1_1 space0_0"},
		"of a source":     {store.BuildspaceFilter{Source: "lib1"}, "space3_1 space1_1"},
		"underscore":      {store.BuildspaceFilter{Query: "_1"}, "space3_1 space1_1"},
		"no wildcard":     {store.BuildspaceFilter{Query: "%"}, ""},
		"several at once": {store.BuildspaceFilter{Query: "space", Source: "lib1", Status: "stopped"}, "space3_1"},
	}
	for name, tt := range tests {
		var names []string
		for f := tt.filter; ; {
			rows, next, err := db.Buildspaces(ctx, f)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, r := range rows {
				names = append(names, r.Name)
			}
			if f.Cursor = next; next == "" {
				break
			}
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestBadFiltersAreRefused(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	ctx := t.Context()
	for name, ask := range map[string]func() error{
		"buildspace status": func() error { _, _, err := db.Buildspaces(ctx, store.BuildspaceFilter{Status: "x"}); return err },
		"buildspace cursor": func() error { _, _, err := db.Buildspaces(ctx, store.BuildspaceFilter{Cursor: "x"}); return err },
		"buildspace limit":  func() error { _, _, err := db.Buildspaces(ctx, store.BuildspaceFilter{Limit: 501}); return err },
		"build status":      func() error { _, _, err := db.Builds(ctx, store.BuildFilter{Status: "built,x"}); return err },
		"build cursor":      func() error { _, _, err := db.Builds(ctx, store.BuildFilter{Cursor: "-1"}); return err },
		"build limit":       func() error { _, _, err := db.Builds(ctx, store.BuildFilter{Limit: -1}); return err },
		"event limit":       func() error { _, err := db.Events(ctx, store.EventFilter{Limit: 1000}); return err },
		"blocker limit":     func() error { _, err := db.Blockers(ctx, 1, 1000); return err },
	} {
		if err := ask(); err == nil || buildbtw.KindOf(err) != buildbtw.KindInvalid {
			t.Errorf("%s: %v, want it refused", name, err)
		}
	}
	if _, _, err := db.Builds(ctx, store.BuildFilter{Buildspace: "none"}); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("builds of an unknown buildspace: %v", err)
	}
}

func TestPagesOfBuilds(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	ctx := t.Context()
	b := db.NewBuildspace(t, "space")
	db.Iterate(t, b, storetest.Plan("old"))
	db.Iterate(t, b, storetest.PlanFor([]string{"aarch64", "x86_64"}, "lib", "app_x: lib", "appy: lib", "other: lib"))
	db.Finish(t, db.Claim(t, "w1"))
	db.Claim(t, "w1")
	tests := map[string]struct {
		filter store.BuildFilter
		want   string
	}{
		"everywhere, newest first": {store.BuildFilter{Limit: 3, Status: "pending,building"}, "x86_64/other x86_64/appy x86_64/app_x aarch64/lib"},
		"the latest in plan order": {store.BuildFilter{Buildspace: "space", Limit: 3, Architecture: "x86_64"}, "x86_64/lib x86_64/app_x x86_64/appy x86_64/other"},
		"an old iteration":         {store.BuildFilter{Buildspace: "space", Iteration: 1}, "x86_64/old"},
		"running":                  {store.BuildFilter{Status: "scheduled,building"}, "x86_64/app_x"},
		"part of a name":           {store.BuildFilter{Buildspace: "space", Query: "p_"}, "aarch64/app_x x86_64/app_x"},
		"a name":                   {store.BuildFilter{Pkgbase: "old"}, "x86_64/old"},
		"skipped":                  {store.BuildFilter{Status: "skipped"}, "x86_64/old"},
	}
	for name, tt := range tests {
		var names []string
		for f := tt.filter; ; {
			rows, next, err := db.Builds(ctx, f)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, r := range rows {
				names = append(names, r.Architecture+"/"+r.Pkgbase)
			}
			if f.Cursor = next; next == "" {
				break
			}
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

// TestALostRefMayHaveAComma tells each changeset that goes and comes back by its whole
// name.
func TestALostRefMayHaveAComma(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	space := db.NewBuildspace(t, "work")
	comma := buildbtw.Changeset{Source: "lib", Ref: "fix,app"}
	other := buildbtw.Changeset{Source: "other"}
	for _, lost := range [][]buildbtw.Changeset{{comma}, {comma, other}, {comma, other}, {other}} {
		if err := db.NoteLost(t.Context(), space.ID, lost, "it is gone"); err != nil {
			t.Fatal(err)
		}
	}
	events, err := db.Events(t.Context(), store.EventFilter{Buildspace: space.Name, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, e := range events[1:] { // after "Created."
		said = append(said, e.Message)
	}
	want := []string{
		"lib/fix,app cannot be followed any more: it is gone. The commits of the latest iteration stay.",
		"other cannot be followed any more: it is gone. The commits of the latest iteration stay.",
		"lib/fix,app is there again, or is no changeset any more.",
	}
	if d := cmp.Diff(want, said); d != "" {
		t.Error(d)
	}
}
