package handlers_test

import (
	"encoding/xml"
	"net/http"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/store/storetest"
)

// atom is what RFC 4287 demands of a feed and its entries.
type atom struct {
	XMLName xml.Name `xml:"http://www.w3.org/2005/Atom feed"`
	ID      string   `xml:"id"`
	Title   string   `xml:"title"`
	Updated string   `xml:"updated"`
	Author  string   `xml:"author>name"`
	Links   []struct {
		Rel  string `xml:"rel,attr"`
		Href string `xml:"href,attr"`
	} `xml:"link"`
	Entries []struct {
		ID      string `xml:"id"`
		Title   string `xml:"title"`
		Updated string `xml:"updated"`
		Author  string `xml:"author>name"`
		Summary string `xml:"summary"`
		Link    struct {
			Href string `xml:"href,attr"`
		} `xml:"link"`
	} `xml:"entry"`
}

// feed reads a feed and checks all that every feed must have.
func (s *site) feed(t *testing.T, path string) atom {
	t.Helper()
	answer := s.get(t, path)
	answer.wantsStatus(t, http.StatusOK)
	if got := answer.header.Get("Content-Type"); got != "application/atom+xml; charset=utf-8" {
		t.Errorf("%s is %s", path, got)
	}
	var f atom
	d := xml.NewDecoder(strings.NewReader(answer.body))
	must(t, d.Decode(&f))
	wantsTime(t, f.Updated)
	if f.ID == "" || f.Title == "" || f.Author == "" || len(f.Links) != 2 || f.Links[0].Rel != "self" || f.Links[0].Href != s.url+path {
		t.Errorf("%s lacks something: %+v", path, f)
	}
	seen := map[string]bool{}
	for i, e := range f.Entries {
		wantsTime(t, e.Updated)
		if e.ID == "" || seen[e.ID] || e.Title == "" || e.Author == "" || !strings.HasPrefix(e.Link.Href, s.url+"/") {
			t.Errorf("entry %d lacks something: %+v", i, e)
		}
		seen[e.ID] = true
		if i > 0 && e.Updated > f.Entries[i-1].Updated || e.Updated > f.Updated {
			t.Errorf("entry %d is out of order", i)
		}
	}
	tag := answer.header.Get("ETag")
	s.get(t, path, "If-None-Match", tag).wantsStatus(t, http.StatusNotModified)
	return f
}

func wantsTime(t *testing.T, text string) {
	t.Helper()
	if _, err := time.Parse(time.RFC3339, text); err != nil {
		t.Error(err)
	}
}

func TestTheFeedOfABuildspaceTellsWhatEnded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.failing(t)
	before := s.feed(t, "/buildspaces/lib/feed.atom")
	var titles []string
	for _, e := range before.Entries {
		titles = append(titles, e.Title)
	}
	all := strings.Join(titles, "\n")
	for _, want := range []string{"app failed (lib #1, x86_64)", "lib #1: stopped by 1 failure", "lib #1: Iteration 1 was created"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is missing in:\n%s", want, all)
		}
	}
	for _, noNews := range []string{"building", "pending", "lib built"} {
		if strings.Contains(all, noNews) {
			t.Errorf("it tells what nobody need act on:\n%s", all)
		}
	}
	for _, e := range before.Entries {
		if strings.HasPrefix(e.Title, "app failed") && !strings.Contains(e.Summary, "It blocks 1 build.") {
			t.Errorf("a blocker does not tell what it blocks: %q", e.Summary)
		}
	}
	if global := s.feed(t, "/feed.atom"); len(global.Entries) != len(before.Entries) || global.Entries[0].ID != before.Entries[0].ID {
		t.Errorf("the feed of all: %+v", global.Entries)
	}
	s.db.Clock.Advance(time.Hour)
	_, err := s.db.RetryBuild(t.Context(), hostile, s.build(t, "app").ID)
	must(t, err)
	ids := map[string]bool{}
	for _, e := range s.feed(t, "/buildspaces/lib/feed.atom").Entries {
		ids[e.ID] = true
		if strings.Contains(e.Title, "stopped by") {
			t.Error("it ended, and goes on since a retry")
		}
	}
	for _, e := range before.Entries {
		if !ids[e.ID] && !strings.Contains(e.Title, "stopped by") {
			t.Errorf("%s has another id after a retry", e.Title)
		}
	}
	s.db.Clock.Advance(time.Hour)
	s.db.End(t, s.db.Claim(t, "w1"), buildbtw.OutcomeFailed)
	after := s.feed(t, "/buildspaces/lib/feed.atom")
	if len(after.Entries) != len(before.Entries)+1 || ids[after.Entries[0].ID] || ids[after.Entries[1].ID] || after.Updated <= before.Updated {
		t.Errorf("after it failed again: %+v", after)
	}
	s.get(t, "/buildspaces/none/feed.atom").wantsStatus(t, http.StatusNotFound)
}

func TestTheFeedOfAPackageTellsItsResultsEverywhere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.failing(t)
	s.db.Clock.Advance(time.Minute)
	s.db.Iterate(t, s.db.NewBuildspace(t, "other"), storetest.Plan("lib"))
	s.db.End(t, s.db.Claim(t, "w"), buildbtw.OutcomeFailed)
	f := s.feed(t, "/packages/lib/feed.atom")
	if len(f.Entries) != 2 || f.Entries[0].Title != "lib 1.0-1 failed (other #1, x86_64)" || f.Entries[1].Title != "lib 1.0-1 built (lib #1, x86_64)" {
		t.Errorf("%+v", f.Entries)
	}
	if len(s.feed(t, "/packages/app-docs/feed.atom").Entries) != 1 { // that of its pkgbase
		t.Error("a package of a split pkgbase has no news")
	}
}

func TestABadgeSaysHowABuildspaceStands(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.db.NewBuildspace(t, "fresh")
	s.failing(t)
	for path, want := range map[string]string{"/buildspaces/fresh/badge.svg": "fresh: calculating", "/buildspaces/lib/badge.svg": "lib: 1 failed"} {
		badge := s.get(t, path)
		badge.wantsStatus(t, http.StatusOK)
		badge.wants(t, "title", want)
		if label, _ := badge.Find("svg").Attr("aria-label"); label != want || badge.header.Get("Content-Type") != "image/svg+xml; charset=utf-8" {
			t.Errorf("%s: label %q, %s", path, label, badge.header.Get("Content-Type"))
		}
		must(t, xml.Unmarshal([]byte(badge.body), new(struct{ XMLName xml.Name })))
		s.get(t, path, "If-None-Match", badge.header.Get("ETag")).wantsStatus(t, http.StatusNotModified)
	}
	s.get(t, "/buildspaces/none/badge.svg").wantsStatus(t, http.StatusNotFound)
}

func TestALinkSaysElsewhereWhatItIsWorth(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, tool := s.failing(t)
	for path, want := range map[string]string{
		"/buildspaces/lib":   "Changes lib/main. 3 builds: 1 built, 1 failed, 1 blocked. app failed: blocks 1 build.",
		buildPath(tool):      "tool 1.0-1 for x86_64 in lib #1: blocked, waits for app (failed).",
		"/buildspaces/lib/1": "Changes lib/main. 3 builds: 1 built, 1 failed, 1 blocked. app failed: blocks 1 build.",
	} {
		page := s.get(t, path)
		for _, selector := range []string{"meta[property='og:description']", "meta[name=description]"} {
			if got, _ := page.Find(selector).Attr("content"); got != want {
				t.Errorf("%s: %s says %q, want %q", path, selector, got, want)
			}
		}
		if got, _ := page.Find("meta[property='og:url']").Attr("content"); got != s.url+path {
			t.Errorf("%s: address %q", path, got)
		}
		if got, _ := page.Find("meta[property='og:title']").Attr("content"); got == "" {
			t.Errorf("%s has no title", path)
		}
	}
	s.get(t, "/workers").wantsNone(t, "meta[property='og:url']")
	if href, _ := s.get(t, "/buildspaces/lib").Find("link[type='application/atom+xml']").Attr("href"); href != "/buildspaces/lib/feed.atom" {
		t.Errorf("the feed is at %q", href)
	}
}
