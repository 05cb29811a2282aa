package handlers_test

import (
	"fmt"
	"net/http"
	"testing"

	"buildbtw/store"
	"buildbtw/views"
)

func buildPath(b store.BuildRow) string { return views.BuildURL(b.ID) }

func TestSourcesAreListedWithTheBrokenOnesFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	page := s.get(t, "/sources")
	page.wants(t, "title", "1 broken source")
	page.wants(t, ".lead", "6 sources", "1 cannot be read")
	page.wants(t, "main", "Cannot be read", "broken", unreadable, hostile, "lib", "1.0-1")
	page.wantsNone(t, "main script")
	page.wants(t, "[aria-labelledby=h-mirror]", "gone cannot be read", "no such file or directory", "packages 2 sources", "1 could not be mirrored", "took 250ms")
	s.get(t, "/sources?q=lib").wantsNone(t, ".broken-list")
	only := s.get(t, "/sources?broken=1")
	only.wants(t, ".broken-list", "broken")
	only.wantsNone(t, "tbody")
	s.get(t, "/sources?broken=1&q=lib").wants(t, ".empty", "No source matches")
}

func TestThousandsOfSourcesComeInParts(t *testing.T) {
	t.Parallel()
	sources := map[string]string{}
	for i := range 700 {
		slug := fmt.Sprintf("s%04d", i)
		sources[slug] = "pkgbase = " + slug + "\npkgver = 1\npkgrel = 1\narch = any\npkgname = " + slug + "\n"
		if i%7 == 0 {
			sources[slug] = ""
		}
	}
	s := newSiteWith(t, sources)
	first := s.get(t, "/sources")
	first.wants(t, "main", "Cannot be read 100", "Show all 100")
	for path, want := range map[string]int{"/sources": 600, "/sources?broken=1": 100, "/sources?q=s01": 86} {
		n := 0
		for url := path; url != ""; {
			page := s.get(t, url)
			page.wantsStatus(t, http.StatusOK)
			if path == "/sources?broken=1" {
				n += page.Find(".broken-list > li").Length()
			} else {
				n += page.Find("tbody tr").Length()
			}
			url, _ = page.Find(".pager a[rel=next]").Attr("href")
		}
		if path == "/sources?q=s01" {
			want = 100 - 100/7 - 1 // s0100 to s0199 without the broken ones
		}
		if n < want-1 || n > want+1 {
			t.Errorf("%s: %d sources on all pages, want about %d", path, n, want)
		}
	}
}

func TestASourceNamesTheBuildspacesThatChangeIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.failing(t)
	page := s.get(t, "/sources/lib")
	page.wants(t, "h1", "lib", "1.0-1")
	page.wants(t, "[aria-labelledby=h-makes]", "lib")
	page.wants(t, "[aria-labelledby=h-spaces]", "lib", "failed", "#1")
	broken := s.get(t, "/sources/broken")
	broken.wants(t, ".alert", "cannot be read", unreadable, hostile, "makepkg --printsrcinfo > .SRCINFO")
	broken.wantsNone(t, "main script, .actions a.button")
	s.get(t, "/sources/nothing").wantsStatus(t, http.StatusNotFound)
}
