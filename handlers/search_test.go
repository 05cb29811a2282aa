package handlers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"buildbtw"
	"buildbtw/internal/distribution"
	"buildbtw/store/storetest"
	"buildbtw/views"
)

func TestSearchLeadsStraightToTheOnlyThingOfThatName(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	app, _ := s.failing(t)
	s.db.NewBuildspace(t, "work")
	for query, want := range map[string]string{
		"app":              "/packages/app",
		" app-docs ":       "/packages/app-docs",
		"virtual":          "/packages/lib",
		"broken":           "/sources/broken",
		"work":             "/buildspaces/work",
		fmt.Sprint(app.ID): fmt.Sprintf("/builds/%d", app.ID),
	} {
		page := s.get(t, "/search?q="+url.QueryEscape(query))
		page.wantsStatus(t, http.StatusSeeOther)
		if to := page.header.Get("Location"); to != want {
			t.Errorf("%q leads to %q, want %q", query, to, want)
		}
	}
	s.get(t, "/search?q=appp").wants(t, "[aria-labelledby=h-names]", "app") // one slip
	both := s.get(t, "/search?q=lib")                                       // a package and a buildspace
	both.wantsStatus(t, http.StatusOK)
	both.wants(t, "[aria-labelledby=h-spaces]", "lib", "failed")
	both.wants(t, "[aria-labelledby=h-names]", "lib", "package", "newest build: built 1.0-1 in lib #1", "1 dependent", "also liblib.so")
	all := s.get(t, "/search?q=app&all=1")
	all.wants(t, "h1", "Search for app")
	all.wants(t, "[aria-labelledby=h-names] li", "app 1.0-1 package", "newest build: failed", "also app-docs", "app makes app, app-docs")
	if n := all.Find("[aria-labelledby=h-names] .row-head").Length(); n != 1 {
		t.Errorf("a split package is %d hits, want one", n)
	}
	s.get(t, "/search?q=extra&all=1").wants(t, "[aria-labelledby=h-names] li", "never built here", "0 dependents")
	if value, _ := all.Find("#site-q").Attr("value"); value != "app" {
		t.Errorf("the field says %q", value)
	}
}

func TestSearchNamesWhoLinksALibrary(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	page := s.get(t, "/search?q=liblib.so%3D1-64")
	page.wants(t, "[aria-labelledby=h-library]", "liblib.so=1-64", "Provided by", "lib 1.0-1 by its source", "No package whose files were looked into links with it",
		"1 package with links not known", "app liblib.so", "Packages of the base may be missing", "--names --unknown")
	to, _ := page.Find("[aria-labelledby=h-library] .actions a").Attr("href")
	form := s.get(t, to)
	form.wants(t, "#changesets", "app")
	if n := form.Find("#scope-none[checked]").Length(); n != 1 {
		t.Errorf("the form at %q does not say that only these are built", to)
	}
	s.get(t, "/search?q=libnothing.so%3D1-64").wants(t, "[aria-labelledby=h-library]", "no source provides it")
	s.get(t, "/buildspaces/new?links=nothing").wants(t, "#changesets", "")
}

// TestSearchOfAWholeDistribution asks the sources of a distribution for what packagers asked.
func TestSearchOfAWholeDistribution(t *testing.T) {
	t.Parallel()
	sources := map[string]string{}
	for _, f := range distribution.FirstOfEachPkgbase(distribution.Whole(t)) {
		sources[f.Source] = string(f.Text)
	}
	s := newSiteWith(t, sources)
	ssl := s.get(t, "/search?all=1&q=ssl")
	if first := words(ssl.Find("[aria-labelledby=h-names] .row-head a").First()); first != "openssl" {
		t.Errorf("ssl finds %q first", first)
	}
	ssl.wants(t, "[aria-labelledby=h-names] li", "openssl 3.6.3-1 package", "282 dependents", "also libssl.so")
	page := s.get(t, "/search?q=libssl.so.3")
	providers := words(page.Find("[aria-labelledby=h-library] .rows"))
	if !strings.Contains(providers, "openssl 3.6.3") || strings.Contains(providers, "openssl-1.1") {
		t.Errorf("libssl.so.3 is provided by %q, want openssl 3", providers)
	}
	page.wants(t, "[aria-labelledby=h-library]", "links not known", "curl libssl.so", "postgresql")
	to, _ := page.Find("[aria-labelledby=h-library] .actions a").Attr("href")
	changesets := strings.Fields(s.get(t, to).Find("#changesets").Text())
	if n := len(changesets); n < 250 || n > 400 || !slices.Contains(changesets, "curl") || slices.Contains(changesets, "openssl") {
		t.Errorf("%d sources are to be rebuilt: %.20q", n, changesets)
	}
}

func TestSearchFindsCommitsByTheirBeginning(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.failing(t)
	commit := s.commitOf(t, "lib")
	s.get(t, "/search?all=1&q=aaaaaaa").wants(t, "[aria-labelledby=h-commits]", "aaaaaaaaaa", "lib", "in lib #1")
	s.get(t, "/search?all=1&q="+commit[:7]).wants(t, "[aria-labelledby=h-commits]", commit[:10], "lib", "current commit of the source")
	s.get(t, "/search?q=fffffff").wants(t, ".empty", "Nothing found")
}

func TestSearchesThatFindNothingHelp(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.get(t, "/search").wants(t, ".search-help", "a part of the name")
	page := s.get(t, "/search?q="+url.QueryEscape(hostile))
	page.wants(t, ".empty", "Nothing found")
	page.wantsNone(t, "main script")
	s.get(t, "/search?q="+strings.Repeat("x", 300)).wantsStatus(t, http.StatusUnprocessableEntity)
}

func TestSuggestionsAreFewAndNoPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.failing(t)
	part := s.get(t, "/search/suggest?q=l", "HX-Request", "true")
	part.wants(t, "[role=option]", "lib", "buildspace", "lib", "package")
	part.wantsNone(t, "nav")
	if to, _ := part.Find("[role=option]").First().Attr("data-url"); to != "/buildspaces/lib" {
		t.Errorf("leads to %q", to)
	}
	if body := strings.TrimSpace(s.get(t, "/search/suggest?q=").body); body != "" {
		t.Errorf("nothing suggests %q", body)
	}
}

// What a person finds is there before the sources have been read.
func TestSearchWorksWhileTheSourcesAreRead(t *testing.T) {
	t.Parallel()
	s := newSite(t, unread)
	s.db.Iterate(t, s.db.NewBuildspace(t, "work"), storetest.Plan("lib"))
	s.get(t, "/search?q=wor").wants(t, "[aria-labelledby=h-spaces]", "work")
}

// The dialog that Ctrl+K opens lists pages, buildspaces and packages; who may not change
// anything is not led to a form. Without a script the search page lists the same pages.
func TestTheDialogLeadsToPagesBuildspacesAndPackages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.failing(t)
	part := s.get(t, "/search/go?q=l", "HX-Request", "true")
	part.wants(t, "[role=option]", "New buildspace page", "lib buildspace", "lib package")
	part.wantsNone(t, "nav")
	ids := map[string]bool{}
	part.Find("[role=option]").Each(func(_ int, o *goquery.Selection) {
		id, to := o.AttrOr("id", ""), o.AttrOr("data-url", "")
		if id == "" || ids[id] || to == "" {
			t.Errorf("option %q leads to %q", id, to)
		}
		ids[id] = true
	})
	all := s.get(t, "/search/go?q=", "HX-Request", "true")
	all.wants(t, "[role=option]", "Machines over time", "Administration")
	var urls []string
	all.Find("[role=option]").Each(func(_ int, o *goquery.Selection) { urls = append(urls, o.AttrOr("data-url", "")) })
	for _, to := range urls {
		s.get(t, to).wantsStatus(t, http.StatusOK)
	}
	s.get(t, "/search?q=machines+over").wants(t, "[aria-labelledby=h-actions]", "Machines over time")
	for _, a := range views.Actions("", buildbtw.User{}) {
		if a.URL == "/buildspaces/new" || a.URL == "/admin" || a.URL == "/account" {
			t.Errorf("somebody unknown is led to %s", a.URL)
		}
	}
}
