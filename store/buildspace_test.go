package store_test

import (
	"fmt"
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
		Scope: buildbtw.ScopeDirect, Cycles: buildbtw.CyclesTwice, Priority: buildbtw.PriorityHigh, FollowAll: true, Makedepends: true,
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
		if err != nil || row.Status != buildbtw.BuildspaceActive || row.Wanted != buildbtw.IterationStarted || row.Revision != 2 {
			t.Fatalf("started: %+v, %v", row, err)
		}
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
