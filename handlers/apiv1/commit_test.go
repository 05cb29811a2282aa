package apiv1_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/api"
)

// TestCommitsOverTheAPI are described wherever an id stands, and a source's log and the pushes
// say what they changed and caused.
func TestCommitsOverTheAPI(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	job := s.claim()
	var b api.BuildDetail
	s.call("GET", "/builds/"+job.BuildID, nil, http.StatusOK, &b)
	if b.CommitInfo.ID != b.Commit || b.CommitInfo.Missing || b.CommitInfo.Subject == "" {
		t.Errorf("the commit of a build: %+v of %s", b.CommitInfo, b.Commit)
	}
	var it api.Iteration
	s.call("GET", "/buildspaces/work/iterations/latest", nil, http.StatusOK, &it)
	if len(it.Changesets) != 1 || it.Changesets[0].Source != "libalpha" || it.Changesets[0].Commit.Subject != b.CommitInfo.Subject {
		t.Errorf("the changesets of an iteration: %+v", it.Changesets)
	}
	var sources api.Page[api.Source]
	s.call("GET", "/sources?q=libalpha", nil, http.StatusOK, &sources)
	if len(sources.Items) != 1 || sources.Items[0].CommitInfo == nil || sources.Items[0].CommitInfo.ID != b.Commit {
		t.Errorf("sources: %+v", sources.Items)
	}
	var l api.SourceLog
	s.call("GET", "/sources/libalpha/commits", nil, http.StatusOK, &l)
	if l.To.ID != b.Commit || l.From != nil || len(l.Commits) == 0 || l.Commits[0].ID != b.Commit || len(l.Diff) != 0 {
		t.Errorf("the log: %+v", l)
	}
	s.call("GET", "/sources/libalpha/commits?from="+b.Commit, nil, http.StatusOK, &l)
	if l.From == nil || len(l.Commits) != 0 || l.Behind != 0 {
		t.Errorf("since itself: %+v", l)
	}
	s.wantProblem(s.do(s.request("GET", "/sources/libalpha/commits?from="+strings.Repeat("1", 40), nil)), http.StatusNotFound, "is not in the mirror")
	s.wantProblem(s.do(s.request("GET", "/sources/libalpha/commits?to=--all", nil)), http.StatusUnprocessableEntity, "is no branch")
	s.wantProblem(s.do(s.request("GET", "/sources/nothing/commits", nil)), http.StatusNotFound, "nothing")

	var seen []string
	for cursor := ""; ; {
		var page api.Page[api.Push]
		s.call("GET", "/pushes?limit=1&cursor="+strings.ReplaceAll(cursor, "+", "%2B"), nil, http.StatusOK, &page)
		for _, p := range page.Items {
			seen = append(seen, p.Source)
			caused := p.Source == "libalpha"
			if caused != (len(p.Caused) == 1) || caused && (p.Caused[0].Buildspace != "work" || p.Caused[0].Iteration != 1 || p.Caused[0].Counts.Total() != 2) {
				t.Errorf("push: %+v", p)
			}
		}
		if cursor = page.Cursor; cursor == "" {
			break
		}
	}
	if len(seen) < 2 || !slices.Contains(seen, "libalpha") || len(slices.Compact(slices.Sorted(slices.Values(seen)))) != len(seen) {
		t.Errorf("pushes of %v", seen)
	}
}

// TestEventsAreFiltered by what happened and by whom, as on the page.
func TestEventsAreFiltered(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	s.finishBuilt(s.claim())
	get := func(query string) []api.Event {
		var page api.Page[api.Event]
		s.call("GET", "/events?limit=500&"+query, nil, http.StatusOK, &page)
		return page.Items
	}
	all := get("")
	for query, want := range map[string]func(api.Event) bool{
		"kind=built":                             func(e api.Event) bool { return e.Cause == buildbtw.CauseFinished },
		"kind=iterations":                        func(e api.Event) bool { return e.Kind == buildbtw.EventIteration },
		"kind=buildspaces&actor=" + all[0].Actor: func(e api.Event) bool { return e.Kind == buildbtw.EventBuildspace && e.Actor == all[0].Actor },
		"kind=matters":                           func(e api.Event) bool { return e.Cause != buildbtw.CauseReady && e.Cause != buildbtw.CauseLeased },
	} {
		got := get(query)
		if len(got) == 0 || len(got) >= len(all) || slices.ContainsFunc(got, func(e api.Event) bool { return !want(e) }) {
			t.Errorf("%s: %d of %d events: %+v", query, len(got), len(all), got)
		}
	}
	if got := get("actor=nobody"); len(got) != 0 {
		t.Errorf("of nobody: %+v", got)
	}
	s.wantProblem(s.do(s.request("GET", "/events?kind=odd", nil)), http.StatusUnprocessableEntity, `"odd" is no kind of activity`, "iterations")
}

// TestWhatEndedOnAWorker and how long the builds of a graph take.
func TestWhatEndedOnAWorker(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	job := s.claim()
	var workers api.Page[api.Worker]
	s.call("GET", "/workers", nil, http.StatusOK, &workers)
	path := "/workers/" + workers.Items[0].Name + "/attempts"
	var page api.Page[api.WorkerAttempt]
	s.call("GET", path, nil, http.StatusOK, &page)
	if len(page.Items) != 0 {
		t.Errorf("while it builds: %+v", page)
	}
	s.finishBuilt(job)
	s.finishBuilt(s.claim())
	s.call("GET", path+"?limit=1", nil, http.StatusOK, &page)
	if len(page.Items) != 1 || page.Items[0].Pkgbase != "beta" || page.Items[0].Outcome != buildbtw.OutcomeBuilt || page.Items[0].FinishedAt == nil || page.Cursor == "" {
		t.Fatalf("the newest: %+v", page)
	}
	s.call("GET", path+"?limit=1&cursor="+page.Cursor, nil, http.StatusOK, &page)
	if len(page.Items) != 1 || page.Items[0].Pkgbase != "libalpha" || page.Items[0].BuildID != job.BuildID {
		t.Errorf("the one before: %+v", page)
	}
	s.wantProblem(s.do(s.request("GET", "/workers/nobody/attempts", nil)), http.StatusNotFound, "nobody")

	var g api.Graph
	s.call("GET", "/buildspaces/work/iterations/latest/graph", nil, http.StatusOK, &g)
	if len(g.Times) != 2 || g.Times[0].Expected || time.Duration(g.Times[0].Seconds) > time.Hour {
		t.Errorf("the times of the graph: %+v", g.Times)
	}
}
