package handlers_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/handlers"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

func TestTheBuildspacePageNamesWhatToFixFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	app, _ := s.failing(t)
	page := s.get(t, "/buildspaces/lib")
	page.wantsStatus(t, http.StatusOK)
	page.wants(t, "title", "1 failed · lib")
	page.wants(t, "h1", "lib", "#1", "failed")
	page.wants(t, ".status-counts", "1 built", "1 failed", "1 blocked")
	page.wants(t, ".overview-words", "1 of 3 builds built", "stopped by app : 1 build waits")
	page.wants(t, ".blockers", "failed", "app", "blocks 1 build")
	page.wants(t, fmt.Sprintf("tr:has(a[href='/builds/%d']):has(.status-blocked) .roots", app.ID), "blocked by app (failed)")
	page.wants(t, "[aria-labelledby=h-changesets]", "lib", "main", strings.Repeat("a", 10))
	page.wants(t, "#pacman-conf", "[lib]", "SigLevel", s.url+"/repo/lib_1/os/$arch")
	page.wants(t, ".events", "app", "failed", "said the test")
	if text := words(page.Find(".events")); strings.Contains(text, "tool") || strings.Contains(text, "pending") {
		t.Errorf("the activity is full of what follows by itself: %q", text)
	}
	page.wants(t, ".actions", "Retry 1 failed build", "Edit", "New iteration", "Cancel 1 build", "Stop")
}

func TestBuildsAreFilteredAndPagedByTheAddress(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var lines []string
	for i := range 130 {
		lines = append(lines, fmt.Sprintf("pkg%03d", i))
	}
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), storetest.Plan(lines...))

	first := s.get(t, "/buildspaces/lib")
	if n := first.Find(".builds tbody tr").Length(); n != 60 {
		t.Errorf("%d rows on the first page", n)
	}
	next, _ := first.Find(".pager a[rel=next]").Attr("href")
	second := s.get(t, next)
	second.wants(t, ".builds tbody", "pkg060", "pkg119")
	second.wants(t, ".pager", "61–120 of 130 builds", "First", "Previous", "Next", "Last")
	last, _ := second.Find(".pager a:contains(Last)").Attr("href")
	s.get(t, last).wants(t, ".builds tbody", "pkg120", "pkg129")

	found := s.get(t, "/buildspaces/lib?q=pkg12&status=pending")
	if n := found.Find(".builds tbody tr").Length(); n != 10 {
		t.Errorf("%d rows contain pkg12", n)
	}
	if by, _ := found.Find("th:contains(Package) a").Attr("href"); by != "/buildspaces/lib?q=pkg12&sort=name&status=pending#builds" {
		t.Errorf("the head of a column leads to %q", by)
	}
	s.get(t, "/buildspaces/lib?sort=name&from=128").wants(t, "[aria-sort=ascending]", "Package")
	if value, _ := found.Find("#b-q").Attr("value"); value != "pkg12" {
		t.Errorf("the filter forgot what was asked: %q", value)
	}
	if poll, _ := found.Find("#live").Attr("hx-get"); poll != "/buildspaces/lib?q=pkg12&status=pending" {
		t.Errorf("the page polls %q", poll)
	}
	s.get(t, "/buildspaces/lib?q=zzz").wants(t, "#builds .empty", "No build matches")
	s.get(t, "/buildspaces/lib?status=zzz").wantsStatus(t, http.StatusUnprocessableEntity)
	s.get(t, "/buildspaces/lib?sort=zzz").wantsStatus(t, http.StatusUnprocessableEntity)
}

func TestAnIterationThatCouldNotBePlannedSaysWhy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	row := s.db.NewBuildspace(t, "lib")
	_, err := s.db.CreateIteration(t.Context(), store.NewIteration{
		BuildspaceID: row.ID, Revision: row.Revision, Reason: buildbtw.IterationCreated,
		Err: buildbtw.Invalid("lib: .SRCINFO line 3: %s", hostile),
	})
	must(t, err)
	page := s.get(t, "/buildspaces/lib")
	page.wants(t, "h1", "invalid")
	page.wants(t, ".alert", "The plan could not be calculated", "lib: .SRCINFO line 3: "+hostile)
	page.wantsNone(t, "main script")
}

func TestASupersededIterationLeadsToTheNewest(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.failing(t)
	row, err := s.db.Buildspace(t.Context(), "lib")
	must(t, err)
	s.db.Iterate(t, row, storetest.Plan("lib", "other: lib"))

	old := s.get(t, "/buildspaces/lib/1")
	old.wants(t, ".note", "Replaced by a newer iteration: #2")
	old.wantsNone(t, ".blockers")
	latest := s.get(t, "/buildspaces/lib")
	latest.wants(t, "h1", "#2")
	latest.wants(t, "[aria-labelledby=h-diff]", "Since #1", "Added: other", "Removed: app, tool")
	latest.wants(t, "[aria-labelledby=h-iterations]", "#2", "building", "#1", "superseded")
}

func TestWarningsOfThePlanStayWithTheIteration(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := storetest.Plan("lib")
	p.Warnings = []buildgraph.Warning{
		{Kind: buildgraph.WarnUnreadable, Source: "broken", Message: "broken: .SRCINFO line 7: " + hostile},
		{Kind: buildgraph.WarnUnmet, Source: "app", Message: "app needs lib<2"},
	}
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), p)
	page := s.get(t, "/buildspaces/lib")
	page.wants(t, ".unreadable", "1 source cannot be read", "line 7: "+hostile)
	page.wants(t, ".warnings", "app needs lib<2")
}

func TestButtonsOfABuildspaceDoWhatTheySay(t *testing.T) {
	t.Parallel()
	woken := 0
	s := newSite(t, func(d *handlers.Deps) { d.Wake = func() { woken++ } })
	s.failing(t)
	for _, step := range []struct {
		path string
		want func(store.BuildspaceRow) bool
	}{
		{"retry", func(r store.BuildspaceRow) bool { return r.Latest.Counts[buildbtw.StatusPending] == 1 }},
		{"cancel", func(r store.BuildspaceRow) bool { return r.Latest.Counts[buildbtw.StatusPending] == 0 }},
		{"retry", func(r store.BuildspaceRow) bool { return r.Latest.Counts[buildbtw.StatusPending] == 1 }},
		{"iterations", func(r store.BuildspaceRow) bool { return r.Wanted == buildbtw.IterationRequested }},
		{"stop", func(r store.BuildspaceRow) bool { return r.Status == buildbtw.BuildspaceStopped }},
		{"start", func(r store.BuildspaceRow) bool {
			return r.Status == buildbtw.BuildspaceActive && r.Latest.Counts[buildbtw.StatusPending] == 1 && r.Latest.Status() == buildbtw.IterationStatusBuilding
		}},
	} {
		done := s.post(t, "/buildspaces/lib/"+step.path, nil)
		done.wantsStatus(t, http.StatusSeeOther)
		if to := done.header.Get("Location"); to != "/buildspaces/lib" {
			t.Errorf("%s leads to %q", step.path, to)
		}
		row, err := s.db.Buildspace(t.Context(), "lib")
		must(t, err)
		if step.path == "cancel" {
			s.get(t, "/buildspaces/lib").wants(t, ".actions", "Retry 2 cancelled builds")
		}
		if !step.want(row) {
			t.Errorf("after %s: %+v, counts %v", step.path, row.Buildspace, row.Latest.Counts)
		}
	}
	if woken != 6 {
		t.Errorf("the scheduler was woken %d times, want 6", woken)
	}
	s.post(t, "/buildspaces/none/stop", nil).wantsStatus(t, http.StatusNotFound)
}

func TestTheGraphIsDrawnWithItsStatusesAndAsATable(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := storetest.Plan("lib", "app: lib", "tool: app", "leaf: lib")
	p.Architectures["x86_64"].Cuts = []buildgraph.Cut{{From: "tool", To: "lib", Kinds: []string{"checkdepends"}, Cycle: []string{"tool", "lib", "app"}}}
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), p)
	s.db.Finish(t, s.db.Claim(t, "w"))
	s.db.End(t, s.db.Claim(t, "w"), buildbtw.OutcomeFailed)

	page := s.get(t, "/buildspaces/lib/1/x86_64/graph")
	page.wantsStatus(t, http.StatusOK)
	for selector, want := range map[string]int{
		"svg .node": 4, "svg .node-built": 1, "svg .node-failed": 1, "svg .node-blocked": 1, `svg .node-blocked use[href="#shape-blocked"]`: 1, "svg .node-waiting": 0, "svg .edge": 4,
		"svg .edge-cut": 1, "svg .edge-held": 1, "svg .node-chain": 3, "svg .edge-chain": 1, ".levels tbody tr": 4,
	} {
		if n := page.Find(selector).Length(); n != want {
			t.Errorf("%d %s, want %d", n, selector, want)
		}
	}
	page.wants(t, ".edge-cut title", "checkdepends, ignored: on the cycle")
	page.wants(t, ".levels tbody", "lib", "built", "app", "failed", "tool", "blocked")
	s.get(t, "/buildspaces/lib/1/riscv64/graph").wantsStatus(t, http.StatusNotFound)
	s.get(t, "/buildspaces/lib/9/x86_64/graph").wantsStatus(t, http.StatusNotFound)
}

// No page may need an exception from the content security policy.
func TestNoPageHasInlineScriptOrStyle(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	app, _ := s.failing(t)
	for _, path := range []string{
		"/", "/buildspaces", "/buildspaces/new", "/buildspaces/lib", "/buildspaces/lib/1/x86_64/graph",
		fmt.Sprintf("/builds/%d", app.ID), "/sources", "/workers", "/packages/lib", "/nothing",
	} {
		page := s.get(t, path)
		page.wantsNone(t, "style, [style], script:not([src]), [onclick], [onload], [onerror]")
		if page.header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s has no content security policy", path)
		}
	}
}

// TestWhatFixingSomethingIsWorth has two failures that some builds wait for
// together: each frees little alone.
func TestWhatFixingSomethingIsWorth(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), storetest.Plan("lib", "other", "app: lib", "both: lib other", "tool: both"))
	for range 2 {
		s.db.End(t, s.db.Claim(t, "w1"), buildbtw.OutcomeFailed)
	}
	page := s.get(t, "/buildspaces/lib?status=failed")
	page.wants(t, ".blockers li", "lib", "blocks 3 builds", "fixing it alone frees 1")
	page.wants(t, ".blockers li", "other", "blocks 2 builds", "fixing it alone frees 0")
	page.wants(t, ".worth-sum", "All 2 together free 3 builds")
	lib, other := s.build(t, "lib").ID, s.build(t, "other").ID
	ticked := s.get(t, fmt.Sprintf("/buildspaces/lib?status=failed&fix=%d", other))
	ticked.wants(t, ".worth-sum", "Fixing 1 ticked build frees 0 builds", "All 2 together free 3 builds")
	ticked.wants(t, "[name=status][type=hidden][value=failed]")
	both := s.get(t, fmt.Sprintf("/buildspaces/lib?fix=%d&fix=%d&fix=nonsense", lib, other))
	both.wants(t, ".worth-sum", "Fixing 2 ticked builds frees 3 builds")
	s.poll(t, fmt.Sprintf("/buildspaces/lib?fix=%d&fix=%d", lib, other), "").wants(t, ".worth-sum", "Fixing 2 ticked builds frees 3 builds")
}

// All that block are counted, not only those that are listed.
func TestWhatFixingEverythingIsWorth(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	plan := []string{}
	for i := range 13 {
		plan = append(plan, fmt.Sprintf("lib%02d", i))
	}
	for i := range 13 {
		plan = append(plan, fmt.Sprintf("app%02d: lib%02d", i, i))
	}
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), storetest.Plan(plan...))
	for range 13 {
		s.db.End(t, s.db.Claim(t, "w1"), buildbtw.OutcomeFailed)
	}
	page := s.get(t, "/buildspaces/lib")
	if n := page.Find(".blockers li").Length(); n != 10 {
		t.Errorf("%d are listed", n)
	}
	page.wants(t, ".worth-sum", "All 13 together free 13 builds", "The 3 that are not listed block fewer each")
}

func TestTheSlowestBuildsAreFound(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	school := s.db.NewBuildspace(t, "school")
	s.db.Iterate(t, school, storetest.Plan("app"))
	c := s.db.Claim(t, "w1")
	s.db.Clock.Advance(2 * time.Minute)
	s.db.Finish(t, c)
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), storetest.Plan("lib", "app"))
	lib := s.db.Claim(t, "w1")
	s.db.Clock.Advance(time.Minute)
	s.db.Finish(t, lib)
	s.db.Claim(t, "w1")
	s.db.Clock.Advance(32 * time.Minute)

	link, _ := s.get(t, "/buildspaces/lib").Find("th a:contains(Took)").Attr("href")
	page := s.get(t, link)
	page.wants(t, "th[aria-sort=descending]", "Took")
	page.wants(t, ".builds tbody tr:first-child", "app", "×16 of usual 32 min 0 s so far")
	page.wants(t, ".builds tbody tr:last-child .took", "1 min 0 s")
	page.wants(t, "#b-sort option[selected]", "slowest first")
	s.get(t, fmt.Sprintf("/builds/%d", s.build(t, "app").ID)).wants(t, ".note", "running for 32 min 0 s: ×16 of usual (2 min 0 s). Its log")
}
