package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"buildbtw/store/storetest"
)

func TestActivityIsFiltered(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	app, _ := s.failing(t)
	s.db.Clock.Advance(48 * time.Hour)
	s.db.Iterate(t, s.db.NewBuildspace(t, "other"), storetest.Plan("a", "b", "c", "d"))
	for range 4 {
		s.db.Finish(t, s.db.Claim(t, "w1"))
	}
	_, err := s.db.RetryBuild(t.Context(), hostile, app.ID)
	must(t, err)

	all := s.get(t, "/activity")
	all.wants(t, "main", "other #1 4 builds built", "app", "failed")
	if n := all.Find("section.day").Length(); n != 2 {
		t.Errorf("%d days", n)
	}
	if n := all.Find(".day details li").Length(); n != 4 {
		t.Errorf("a group of 4 opens to %d", n)
	}
	for query, want := range map[string]struct {
		has, lacks string
		rows       int
	}{
		"kind=failed":                        {"app", "built", 1},
		"kind=built":                         {"4 builds built", "failed", 2},
		"kind=iterations":                    {"Iteration 1 was created", "failed", 2},
		"kind=buildspaces&buildspace=other":  {"Created.", "app", 1},
		"buildspace=other":                   {"4 builds built", "lib #", 3},
		"person=" + url.QueryEscape(hostile): {"app", "4 builds", 1},
		"kind=all&buildspace=lib":            {"blocked", "4 builds", -1},
	} {
		page := s.get(t, "/activity?"+query)
		page.wants(t, ".events", want.has)
		if strings.Contains(page.Find(".events").Text(), want.lacks) {
			t.Errorf("%s shows %q", query, want.lacks)
		}
		if n := page.Find(".events > li").Length(); want.rows >= 0 && n != want.rows {
			t.Errorf("%s: %d rows, want %d: %s", query, n, want.rows, page.Find(".events").Text())
		}
	}
	page := s.get(t, "/activity?kind=workers&person=nobody")
	page.wants(t, ".empty", "Nothing like this happened")
	if kind := page.Find("#kind option[selected]").AttrOr("value", ""); kind != "workers" || page.Find("#person").AttrOr("value", "") != "nobody" {
		t.Errorf("the form forgot what was chosen: %s", kind)
	}
	s.get(t, "/activity?kind=nonsense").wantsStatus(t, http.StatusUnprocessableEntity)
	s.get(t, "/buildspaces/lib/activity?kind=failed").wants(t, ".events", "#1", "app")
}

func TestEveryPageLinksAFeed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.failing(t)
	for path, feed := range map[string]string{
		"/": "/feed.atom", "/workers": "/feed.atom", "/activity": "/feed.atom", "/buildspaces/lib": "/buildspaces/lib/feed.atom",
		"/buildspaces/lib/activity": "/buildspaces/lib/feed.atom", "/packages/lib": "/packages/lib/feed.atom",
	} {
		page := s.get(t, path)
		if link := page.Find("link[rel=alternate][type='application/atom+xml']").AttrOr("href", ""); link != feed {
			t.Errorf("%s has the feed %q, want %q", path, link, feed)
		}
		if page.Find("a").FilterFunction(func(_ int, a *goquery.Selection) bool { return a.AttrOr("href", "") == feed }).Length() == 0 {
			t.Errorf("%s has no visible link to %s", path, feed)
		}
	}
}
