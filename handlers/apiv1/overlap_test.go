package apiv1_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/buildgraph"
)

// TestWhoeverIsReleasedFirstTakesFromTheOther: a library's soname changes in one buildspace,
// and its user is changed in another one, built with the old library.
func TestWhoeverIsReleasedFirstTakesFromTheOther(t *testing.T) {
	t.Parallel()
	s := newServer(t, withBase(t, "NAME libalpha VERSION 0.9-1 PROVIDES libalpha.so=1-64", "NAME beta VERSION 1.0-1 DEPENDS libalpha.so=1-64"))
	s.space("second", "beta")
	s.buildWith("1")

	var plan buildgraph.Plan
	s.call("POST", "/plans", api.PlanRequest{Changesets: []string{"libalpha"}}, http.StatusOK, &plan)
	if !slices.ContainsFunc(plan.Warnings, func(w buildgraph.Warning) bool {
		return w.Kind == buildgraph.WarnOverlap && w.Message == "Overlaps with second #1: second changes beta, which this plan rebuilds."
	}) {
		t.Errorf("the plan warns of %+v", plan.Warnings)
	}

	s.space("first", "libalpha")
	s.buildWith("2")
	var o api.Overlaps
	s.call("GET", "/buildspaces/second/overlaps", nil, http.StatusOK, &o)
	if len(o.With) != 1 {
		t.Fatalf("overlaps: %+v", o)
	}
	x := o.With[0]
	if x.Buildspace != "first" || x.Total != 1 || !x.Shared[0].Here || x.Shared[0].There || x.Words != "Overlaps with first #1: second changes beta, which first rebuilds." {
		t.Errorf("shared: %+v", x)
	}
	if !x.Exact || x.Goes != 1 || !slices.Equal(x.Loses, []string{"beta"}) || x.OtherGoes != 2 || !slices.Equal(x.OtherLoses, []string{"beta", "libalpha"}) {
		t.Errorf("each loses: %+v", x)
	}
	var all api.Page[api.Overlaps]
	s.call("GET", "/overlaps", nil, http.StatusOK, &all)
	if len(all.Items) != 1 || all.Items[0].Buildspace != "first" || len(all.Items[0].With) != 1 || all.Items[0].With[0].Exact {
		t.Errorf("all overlaps: %+v", all.Items)
	}

	page := func(path string, wants ...string) {
		t.Helper()
		got := s.fetch(s.url + path)
		for _, want := range wants {
			if got.StatusCode != http.StatusOK || !strings.Contains(string(got.body), want) {
				t.Errorf("%s: %s, without %q", path, got.Status, want)
			}
		}
	}
	page("/buildspaces/second", "Overlaps with first #1: second changes beta, which first rebuilds.")
	page("/buildspaces", `href="/overlaps"`)
	page("/overlaps", "Overlaps with second #1: second changes beta, which first rebuilds.", "/buildspaces/first/overlaps")
	page("/buildspaces/second/overlaps", "If first is released first, second loses 1 of 1 source that can go, and needs a new iteration: beta.",
		"If second is released first, first loses 2 of 2 sources that can go", "<td>changed</td><td>rebuilt</td>")

	var space api.Buildspace
	s.call("POST", "/buildspaces/first/merge", api.Merge{With: "second"}, http.StatusOK, &space)
	if !slices.Equal(space.Changesets, []string{"beta", "libalpha"}) {
		t.Errorf("merged: %v", space.Changesets)
	}
	s.call("GET", "/buildspaces/second", nil, http.StatusOK, &space)
	if space.Status != buildbtw.BuildspaceStopped {
		t.Errorf("second is %s", space.Status)
	}
	s.call("POST", "/buildspaces/first/merge", api.Merge{With: "second"}, http.StatusOK, nil) // again: nothing is left to do
	s.iterate("first")
	o = api.Overlaps{}
	s.call("GET", "/buildspaces/first/overlaps", nil, http.StatusOK, &o)
	if len(o.With) != 0 {
		t.Errorf("after the merge: %+v", o.With)
	}
	s.wantProblem(s.call("POST", "/buildspaces/first/merge", api.Merge{With: "first"}, http.StatusUnprocessableEntity, nil), http.StatusUnprocessableEntity, "itself")
	s.wantProblem(s.call("POST", "/buildspaces/second/merge", api.Merge{With: "first"}, http.StatusConflict, nil), http.StatusConflict, "start it first")
	s.wantProblem(s.call("POST", "/buildspaces/first/merge", api.Merge{With: "none"}, http.StatusNotFound, nil), http.StatusNotFound, "none")
}

// TestAWithdrawnChangesetTakesItsRebuildsAlong: what was rebuilt for its sake is not in the
// next iteration.
func TestAWithdrawnChangesetTakesItsRebuildsAlong(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha", "gamma")
	s.space("other", "beta")
	pkgbases := func() (list []string) {
		t.Helper()
		var builds api.Page[api.Build]
		s.call("GET", "/builds?buildspace=work", nil, http.StatusOK, &builds)
		for _, b := range builds.Items {
			list = append(list, b.Pkgbase)
		}
		slices.Sort(list)
		return list
	}
	if got := pkgbases(); !slices.Equal(got, []string{"beta", "gamma", "libalpha"}) {
		t.Fatalf("it builds %v", got)
	}
	left := []string{"gamma"}
	s.call("PATCH", "/buildspaces/work", api.EditBuildspace{Changesets: &left}, http.StatusOK, nil)
	s.iterate("work")
	if got := pkgbases(); !slices.Equal(got, []string{"gamma"}) {
		t.Errorf("without libalpha it builds %v", got)
	}
	var o api.Overlaps
	s.call("GET", "/buildspaces/work/overlaps", nil, http.StatusOK, &o)
	if len(o.With) != 0 {
		t.Errorf("overlaps: %+v", o.With)
	}
}

// TestWhatHasMovedSinceThePlan: commits of the base ref that a changeset lacks, newer
// commits of what is rebuilt, and newer versions in the base.
func TestWhatHasMovedSinceThePlan(t *testing.T) {
	t.Parallel()
	s := newServer(t, withBase(t, "NAME libalpha VERSION 0.9-1", "NAME beta VERSION 3.0-1"))
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", filepath.Join(s.sources, "libalpha")}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	refresh := func() {
		t.Helper()
		_, err := s.mirror.SyncDir(t.Context(), s.sources)
		s.must(err)
		s.must(s.catalog.Refresh(t.Context()))
		s.must(s.app.Catalog.Refresh(t.Context()))
	}
	git("branch", "mine")
	refresh()
	s.space("work", "libalpha/mine")
	var o api.Overlaps
	get := func() {
		t.Helper()
		o = api.Overlaps{}
		s.call("GET", "/buildspaces/work/overlaps", nil, http.StatusOK, &o)
	}
	get()
	if len(o.With)+len(o.Behind)+len(o.Stale) != 0 || len(o.Outdated) != 1 || o.Outdated[0] != (api.OutdatedBuild{Pkgbase: "beta", Version: "2.0-1", Base: "3.0-1"}) {
		t.Errorf("at first: %+v", o)
	}
	s.git("libalpha", map[string]string{"new": "file"})
	s.git("beta", map[string]string{"new": "file"})
	refresh()
	get()
	if len(o.Behind) != 1 || o.Behind[0].Commits != 1 || o.Behind[0].Words != "libalpha/mine lacks a commit that main has." || !slices.Equal(o.Stale, []string{"beta"}) {
		t.Errorf("after pushes: %+v", o)
	}
	var plan buildgraph.Plan
	s.call("POST", "/plans", api.PlanRequest{Changesets: []string{"libalpha/mine"}}, http.StatusOK, &plan)
	if !slices.ContainsFunc(plan.Warnings, func(w buildgraph.Warning) bool { return w.Kind == buildgraph.WarnOverlap && w.Source == "libalpha" }) {
		t.Errorf("the plan warns of %+v", plan.Warnings)
	}
	var space api.Buildspace
	s.call("POST", "/buildspaces/work/rebase", nil, http.StatusAccepted, &space)
	row, err := s.store.Buildspace(t.Context(), "work")
	s.must(err)
	if row.Wanted != buildbtw.IterationRequested || !strings.HasPrefix(row.WantedText, "Rebased on beta 3.0-1 of the base and on newer commits of beta, asked for by ") {
		t.Errorf("wanted: %s, %q", row.Wanted, row.WantedText)
	}
}
