package handlers_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// compared makes the buildspace "lib" in which the failure of mine is yours, and broken
// fails on the base alone, too, for another reason; sad has not been compared.
func (s *site) compared(t *testing.T) {
	t.Helper()
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), storetest.Plan("mine", "broken", "sad"))
	for range 3 {
		s.db.End(t, s.db.Claim(t, "w1"), buildbtw.OutcomeFailed)
	}
	for _, pkgbase := range []string{"mine", "broken"} {
		id := s.build(t, pkgbase).ID
		s.post(t, fmt.Sprintf("/builds/%d/baseline", id), nil).wantsStatus(t, http.StatusSeeOther)
		s.get(t, fmt.Sprintf("/builds/%d", id)).wants(t, ".whose-fault", pkgbase+" is not compared yet.", "built once more on an idle machine")
		s.failFor(t, s.db.Claim(t, "w1"), pkgbase+".c:1: error: with the change")
		must(t, s.db.StartBaseline(t.Context(), store.Baseline{Failed: id, Commit: s.build(t, pkgbase).Commit + pkgbase, Version: "1-1", Key: "k"}))
		base := s.db.Claim(t, "w1")
		if pkgbase == "broken" {
			s.failFor(t, base, "broken.c:9: error: on the base")
			continue
		}
		_, err := s.db.BeginPublish(t.Context(), base.Attempt.Lease, s.db.Upload(t, base))
		must(t, err)
	}
}

// TestPagesSayWhoseFaultAFailureIs, and quote both errors: two failures need not have one
// cause.
func TestPagesSayWhoseFaultAFailureIs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.compared(t)
	page := s.get(t, fmt.Sprintf("/builds/%d", s.build(t, "mine").ID))
	page.wants(t, ".whose-fault", "mine fails with this change, builds without it (base of 1 Mar).", "Built without this change")
	page.wants(t, "h1 .verdict-yours", "yours")
	page = s.get(t, fmt.Sprintf("/builds/%d", s.build(t, "broken").ID))
	page.wants(t, ".alert", "broken.c:1: error: with the change", "broken fails without it, too.", "broken.c:9: error: on the base")
	base, _ := page.Find(".whose-fault a").Attr("href")
	s.get(t, base).wants(t, ".note", "the commit on the base alone", "Nothing of it is published")
	if n := s.get(t, base).Find(".actions button").Length(); n != 0 {
		t.Errorf("a build on the base has %d buttons", n)
	}
	page = s.get(t, fmt.Sprintf("/builds/%d", s.build(t, "sad").ID))
	page.wants(t, ".whose-fault", "sad is not compared yet.")
	page.wants(t, ".actions", "Compare with the base")

	page = s.get(t, "/buildspaces/lib")
	page.wants(t, ".overview .verdicts", "1 yours", "1 not compared yet", "1 already broken")
	s.get(t, "/buildspaces/lib?verdict=yours").wants(t, "#builds tbody", "mine")
	if got := s.get(t, "/buildspaces/lib?verdict=not-compared").Find("#builds tbody tr").Length(); got != 1 {
		t.Errorf("%d builds are not compared, want sad alone", got)
	}
	home := s.get(t, "/")
	home.wants(t, "[aria-labelledby=h-needs] .verdicts", "1 yours", "1 already broken")
	if last := home.Find("[aria-labelledby=h-needs] li .strong").Last().Text(); last != "broken" {
		t.Errorf("%s needs attention least, want what was broken before", last)
	}
	feed := s.get(t, "/buildspaces/lib/feed.atom").body
	for _, want := range []string{"mine: fails with this change, builds without it (base of 1 Mar).", "broken: fails without it, too.", "sad: not compared yet."} {
		if !strings.Contains(feed, want) {
			t.Errorf("the feed lacks %q", want)
		}
	}
	if strings.Contains(feed, "_base") {
		t.Error("the feed names the hidden buildspace")
	}
	for _, path := range []string{"/buildspaces/_base", "/buildspaces/_base/1", "/api/v1/buildspaces/_base"} {
		s.get(t, path).wantsStatus(t, http.StatusNotFound)
	}
}

// TestNoDeadLinkToABuildOnTheBase goes over all pages and parts that are linked, with a build
// on the base that has failed, one that is built and one that runs: each is found among what
// the machines do, and nothing names or leads to its buildspace.
func TestNoDeadLinkToABuildOnTheBase(t *testing.T) {
	t.Parallel()
	sources := smallSources()
	for _, slug := range []string{"mine", "broken", "sad"} {
		sources[slug] = strings.ReplaceAll(sources["other"], "other", slug)
	}
	s := newSiteWith(t, sources)
	s.compared(t)
	sad := s.build(t, "sad")
	s.post(t, fmt.Sprintf("/builds/%d/baseline", sad.ID), nil).wantsStatus(t, http.StatusSeeOther)
	s.failFor(t, s.db.Claim(t, "w1"), "sad.c:1: error: with the change")
	must(t, s.db.StartBaseline(t.Context(), store.Baseline{Failed: sad.ID, Commit: sad.Commit, Version: "1-1", Key: "k"}))
	base := s.db.Claim(t, "w1")
	_, err := s.logs.Append(base.Attempt.Name(), 0, strings.NewReader("==> Starting build()...\n"))
	must(t, err)

	s.get(t, "/").wants(t, "[aria-labelledby=h-running]", "baseline of sad", "x86_64 · on w1")
	s.get(t, "/workers").wants(t, "#worker-w1", "baseline of sad", "slot 1", "baseline of broken", "baseline of mine")
	s.get(t, "/workers/time").wants(t, "table", "baseline of sad")
	s.get(t, fmt.Sprintf("/builds/%d", base.Build.ID)).wants(t, "h1", "baseline of sad")
	s.get(t, fmt.Sprintf("/builds/%d/log", base.Build.ID)).wants(t, "h1", "Log of baseline of sad")
	bars := s.get(t, fmt.Sprintf("/workers/time/bars?from=0&until=%d", s.db.Clock.Now().Add(time.Hour).UnixMilli())).body
	if !strings.Contains(bars, `"baseline of sad"`) || !strings.Contains(bars, `"in no buildspace"`) {
		t.Errorf("the bars of the machines are %s", bars)
	}

	hidden := regexp.MustCompile(`\b` + store.HiddenBuildspace) // which is no end of a word
	linked := map[string]string{}                               // by path and names in the query, the page that leads there
	all := []string{"/", "/metrics", "/hints", "/buildspaces", "/workers", "/workers/time", "/sources", "/grid", "/search?q=sad", "/search?q=_base", "/packages/lib", "/packages/lib/feed.atom", "/buildspaces?q=base&status="}
	for _, route := range s.app.Routes() { // the lists of the API
		if route.Method == http.MethodGet && strings.HasPrefix(route.Path, "/api/v1/") && !strings.Contains(route.Path, ":") {
			all = append(all, route.Path)
		}
	}
	for _, row := range []int64{base.Build.ID, base.Build.ID - 1, base.Build.ID - 2, sad.ID} {
		api := fmt.Sprintf("/api/v1/builds/%d", row)
		all = append(all, fmt.Sprintf("/builds/%d", row), api, api+"/attempts", api+"/reproduce", fmt.Sprintf("/api/v1/events?build=%d", row))
	}
	for i := 0; i < len(all); i++ {
		page := s.get(t, all[i])
		if page.status >= 300 && page.status < 400 {
			continue
		}
		if page.status == http.StatusNotFound || page.status >= 500 {
			t.Errorf("%s: %d; the pages that lead there: %v", all[i], page.status, linked)
		}
		if at := hidden.FindStringIndex(page.body); at != nil && !strings.Contains(all[i], store.HiddenBuildspace) {
			t.Errorf("%s names the hidden buildspace:\n%.400s", all[i], page.body[max(0, at[0]-200):])
		}
		page.Find("a[href], [hx-get]").Each(func(_ int, e *goquery.Selection) {
			for _, name := range []string{"href", "hx-get"} {
				address, _ := e.Attr(name)
				u, err := url.Parse(strings.TrimPrefix(address, s.url))
				must(t, err)
				kind := u.Path + fmt.Sprint(slices.Sorted(maps.Keys(u.Query())))
				if _, known := linked[kind]; !known && strings.HasPrefix(u.Path, "/") && !strings.HasPrefix(u.Path, "/static/") {
					u.Fragment, linked[kind] = "", all[i]
					all = append(all, u.String())
				}
			}
		})
		if len(all) > 2000 {
			t.Fatal("there is no end of pages")
		}
	}
	if len(all) < 60 {
		t.Errorf("only %d pages were looked at: %q", len(all), all)
	}
	for _, path := range []string{
		"/buildspaces/_base/time", "/buildspaces/_base/packages", "/buildspaces/_base/activity", "/buildspaces/_base/feed.atom",
		"/buildspaces/_base/1/x86_64/graph", "/repo/_base_1", "/repo/latest/_base", "/api/v1/buildspaces/_base/iterations", "/api/v1/buildspaces/_base/iterations/1", "/api/v1/builds?buildspace=_base",
	} {
		s.get(t, path).wantsStatus(t, http.StatusNotFound)
	}
	for _, path := range []string{"/api/v1/events?buildspace=_base", "/api/v1/workers/time?buildspace=_base"} {
		if body := s.get(t, path).body; strings.Contains(body, "sad") || strings.Contains(body, "broken") {
			t.Errorf("%s tells of builds on the base: %s", path, body)
		}
	}
}

// TestThePageSaysWhyNothingIsCompared where builds are made by pipelines of GitLab.
func TestThePageSaysWhyNothingIsCompared(t *testing.T) {
	t.Parallel()
	s := newSiteOn(t, storetest.New(t), smallSources())
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), storetest.Plan("sad"))
	s.db.End(t, s.db.Claim(t, "w1"), buildbtw.OutcomeFailed)
	id := s.build(t, "sad").ID
	page := s.get(t, fmt.Sprintf("/builds/%d", id))
	page.wants(t, ".whose-fault", "sad is not compared. Builds are made by pipelines of GitLab here; only workers build on the base alone.")
	if page.Find(".actions button:contains('Compare')").Length() != 0 {
		t.Error("the page offers to compare what is not compared")
	}
	if body := s.get(t, fmt.Sprintf("/api/v1/builds/%d", id)).body; !strings.Contains(body, `"not_compared":"Builds are made by pipelines of GitLab here`) {
		t.Errorf("the API says %s", body)
	}
}
