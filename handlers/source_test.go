package handlers_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"buildbtw/catalog"
	"buildbtw/handlers"
	"buildbtw/store"
	"buildbtw/views"
)

func buildPath(b store.BuildRow) string { return views.BuildURL(b.ID) }

func TestSourcesAreListedWithTheBrokenOnesFirst(t *testing.T) {
	s := newSite(t)
	page := s.get(t, "/sources")
	page.wants(t, "title", "1 broken source")
	page.wants(t, ".lead", "2 sources", "1 cannot be read")
	page.wants(t, "main", "Cannot be read", "broken", ".SRCINFO line 7: "+hostile, "lib", "1.0-1")
	page.wantsNone(t, "main script")
	page.wants(t, "[aria-labelledby=h-mirror]", "packages 2 sources", "1 could not be mirrored", "took 250ms", "gone cannot be read", "no such file or directory")
	s.get(t, "/sources?q=lib").wantsNone(t, ".broken-list")
	only := s.get(t, "/sources?broken=1")
	only.wants(t, ".broken-list", "broken")
	only.wantsNone(t, "tbody")
	s.get(t, "/sources?broken=1&q=lib").wants(t, ".empty", "No source matches")
}

// manyCatalog has many sources of which some are broken.
type manyCatalog struct{ smallCatalog }

func (manyCatalog) Sources(context.Context) ([]catalog.Source, error) {
	var all []catalog.Source
	for i := range 700 {
		s := catalog.Source{Slug: fmt.Sprintf("s%04d", i), Pkgbase: "x", Version: "1-1"}
		if i%7 == 0 {
			s.Error = "there is no .SRCINFO"
		}
		all = append(all, s)
	}
	return all, nil
}

func TestThousandsOfSourcesComeInParts(t *testing.T) {
	s := newSite(t, func(d *handlers.Deps) { d.Catalog = manyCatalog{} })
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
	s := newSite(t)
	s.failing(t)
	page := s.get(t, "/sources/lib")
	page.wants(t, "h1", "lib", "1.0-1")
	page.wants(t, "[aria-labelledby=h-makes]", "lib")
	page.wants(t, "[aria-labelledby=h-spaces]", "lib", "failed", "#1")
	broken := s.get(t, "/sources/broken")
	broken.wants(t, ".alert", "cannot be read", ".SRCINFO line 7: "+hostile, "makepkg --printsrcinfo > .SRCINFO")
	broken.wantsNone(t, "main script, .actions .button")
	s.get(t, "/sources/nothing").wantsStatus(t, http.StatusNotFound)
}
