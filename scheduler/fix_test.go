package scheduler_test

import (
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/scheduler/schedulertest"
	"buildbtw/store"
)

// packager may change everything.
func packager() buildbtw.User {
	return buildbtw.User{Kind: buildbtw.KindPerson, Name: "anna", Role: buildbtw.RolePackager}
}

// failing makes buildspaces of lib, whose dependents app and tool fail.
func failing(t *testing.T, follow bool) *schedulertest.Server {
	t.Helper()
	f := schedulertest.New(t)
	f.Push(t, "lib", schedulertest.Srcinfo("lib", "1"))
	f.Push(t, "app", schedulertest.Srcinfo("app", "1", "lib"))
	f.Push(t, "tool", schedulertest.Srcinfo("tool", "1", "lib"))
	f.SpaceWith(t, "work", func(s *buildbtw.Settings) { s.FollowFixes = follow }, "lib")
	f.Pass(t, "sync", "iterate")
	f.DB.Finish(t, f.DB.Claim(t, "w"))
	f.DB.End(t, f.DB.Claim(t, "w"), buildbtw.OutcomeFailed)
	f.DB.End(t, f.DB.Claim(t, "w"), buildbtw.OutcomeFailed)
	f.Settle(t)
	if n := len(f.Iterations(t, "work")); n != 1 {
		t.Fatalf("%d iterations before anything was pushed", n)
	}
	return f
}

func changesets(t *testing.T, f *schedulertest.Server) string {
	t.Helper()
	row, err := f.Store.Buildspace(t.Context(), "work")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range row.Changesets {
		names = append(names, c.String())
	}
	return strings.Join(names, " ")
}

// TestAPushToWhatFailedIsFollowedWhereAskedFor: only then, only what failed, once, and
// not before pushes have rested.
func TestAPushToWhatFailedIsFollowedWhereAskedFor(t *testing.T) {
	t.Parallel()
	for _, follow := range []bool{true, false} {
		f := failing(t, follow)
		commit := f.Push(t, "app", schedulertest.Srcinfo("app", "2", "lib"))
		f.Push(t, "lonely", schedulertest.Srcinfo("lonely", "1"))
		f.Pass(t, "sync", "iterate")
		if got := changesets(t, f); got != "lib" {
			t.Errorf("changesets before the push has rested: %s", got)
		}
		f.DB.Clock.Advance(f.Debounce)
		f.Pass(t, "sync", "iterate")
		f.Pass(t, "iterate")
		rows := f.Iterations(t, "work")
		if !follow {
			if len(rows) != 1 || changesets(t, f) != "lib" {
				t.Errorf("a buildspace that does not follow: %d iterations, changesets %s", len(rows), changesets(t, f))
			}
			continue
		}
		if len(rows) != 2 || f.Changesets(t, rows[0].ID)["app"] != commit || changesets(t, f) != "app lib" {
			t.Fatalf("%d iterations, changesets %v of %s", len(rows), f.Changesets(t, rows[0].ID), changesets(t, f))
		}
		if want := "Follows fixes that were pushed to what failed: app at " + commit[:7] + " change."; rows[0].ReasonText != want {
			t.Errorf("the reason is %q, want %q", rows[0].ReasonText, want)
		}
		events, err := f.Store.Events(t.Context(), store.EventFilter{Buildspace: "work"})
		if err != nil {
			t.Fatal(err)
		}
		told := 0
		for _, e := range events {
			if e.Kind == buildbtw.EventBuildspace && e.Message == rows[0].ReasonText && e.Actor == buildbtw.System {
				told++
			}
		}
		if told != 1 {
			t.Errorf("%d events tell of it, want one", told)
		}
		f.Settle(t)
		f.Settle(t)
		if n := len(f.Iterations(t, "work")); n != 2 {
			t.Errorf("%d iterations though nothing was pushed any more", n)
		}
		f.DB.Check(t)
	}
}

// TestABuildWithAFix goes from two failures through one fix of both to the iteration that has
// both commits; asking again changes nothing, and without anything newer it is refused.
func TestABuildWithAFix(t *testing.T) {
	t.Parallel()
	f := failing(t, false)
	commit := f.Push(t, "app", schedulertest.Srcinfo("app", "2", "lib"))
	f.Pass(t, "sync")
	failed, err := f.Store.FixableBuilds(t.Context(), f.Iterations(t, "work")[0].ID)
	if err != nil || len(failed) != 2 {
		t.Fatal(failed, err)
	}
	fix := buildbtw.Fix{Builds: []int64{failed[0].ID, failed[1].ID}}
	for again := range 3 {
		done, err := f.Catalog.Fix(t.Context(), packager(), "work", fix)
		if err != nil || done.Already != (again > 0) {
			t.Fatalf("time %d: %+v, %v", again+1, done, err)
		}
		if again == 1 {
			f.Pass(t, "iterate")
		}
	}
	rows := f.Iterations(t, "work")
	if len(rows) != 2 || f.Changesets(t, rows[0].ID)["app"] != commit || changesets(t, f) != "app lib tool" {
		t.Fatalf("%d iterations, changesets %s", len(rows), changesets(t, f))
	}
	if !strings.Contains(rows[0].ReasonText, "asked for by anna: app at "+commit[:7]+" change; tool is a changeset now; nothing newer than ") {
		t.Errorf("the reason is %q", rows[0].ReasonText)
	}
	for c := f.DB.Claim(t, "w"); c != nil; c = f.DB.Claim(t, "w") {
		f.DB.End(t, c, buildbtw.OutcomeFailed)
	}
	failed, err = f.Store.FixableBuilds(t.Context(), rows[0].ID)
	if err != nil || len(failed) == 0 {
		t.Fatal(failed, err)
	}
	_, err = f.Catalog.Fix(t.Context(), packager(), "work", buildbtw.Fix{Builds: []int64{failed[0].ID}})
	if buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(buildbtw.MessageOf(err), "push a fix first") {
		t.Errorf("a fix without anything newer: %v", err)
	}
	next := f.Push(t, failed[0].Source, schedulertest.Srcinfo(failed[0].Source, "3", "lib"))
	f.Pass(t, "sync")
	if _, err := f.Catalog.Fix(t.Context(), packager(), "work", buildbtw.Fix{Builds: []int64{failed[0].ID}}); err != nil {
		t.Fatal(err)
	}
	f.Pass(t, "iterate")
	if rows = f.Iterations(t, "work"); len(rows) != 3 || f.Changesets(t, rows[0].ID)[failed[0].Source] != next {
		t.Errorf("%d iterations after the next fix", len(rows))
	}
	for name, c := range map[string]struct {
		fix  buildbtw.Fix
		kind buildbtw.Kind
	}{
		"nothing named":   {buildbtw.Fix{}, buildbtw.KindInvalid},
		"too many":        {buildbtw.Fix{Builds: make([]int64, buildbtw.MaxFixes+1)}, buildbtw.KindInvalid},
		"no such build":   {buildbtw.Fix{Builds: []int64{9999}}, buildbtw.KindNotFound},
		"no such ref":     {buildbtw.Fix{Builds: fix.Builds, Ref: "nowhere"}, buildbtw.KindNotFound},
		"an option":       {buildbtw.Fix{Builds: fix.Builds, Ref: "--upload-pack=x"}, buildbtw.KindInvalid},
		"one that is not": {buildbtw.Fix{Builds: []int64{1}, Ref: commit}, buildbtw.KindNotFound},
	} {
		if _, err := f.Catalog.Fix(t.Context(), packager(), "work", c.fix); buildbtw.KindOf(err) != c.kind {
			t.Errorf("%s: %v, want %v", name, err, c.kind)
		}
	}
	f.DB.Check(t)
}
