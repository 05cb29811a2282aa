package handlers_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/store/storetest"
	"buildbtw/views"
)

const libGraph = "/buildspaces/lib/1/x86_64/graph"

// pictured is what a picture has of interest.
type pictured struct {
	Keys  []string
	Lines []int
	Focus int
}

func (s *site) picture(t *testing.T, query string) (pictured, answer) {
	t.Helper()
	a := s.get(t, libGraph+"/picture"+query)
	a.wantsStatus(t, http.StatusOK)
	var p pictured
	must(t, json.Unmarshal([]byte(a.body), &p))
	return p, a
}

func TestAPictureCanBeKeptForEverUnderItsTag(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.failing(t)
	page := s.get(t, libGraph)
	tag := page.Find("#graph").AttrOr("data-tag", "")
	p, a := s.picture(t, "?view=all&tag="+tag)
	if strings.Join(p.Keys, " ") != "lib app tool" || len(p.Lines) != 2*4 {
		t.Errorf("picture %+v", p)
	}
	if c := a.header.Get("Cache-Control"); !strings.Contains(c, "immutable") {
		t.Errorf("Cache-Control %q", c)
	}
	s.get(t, libGraph+"/picture?view=all&tag="+tag, "If-None-Match", a.header.Get("Etag")).wantsStatus(t, http.StatusNotModified)
	if _, a := s.picture(t, "?view=all&tag=2-other"); strings.Contains(a.header.Get("Cache-Control"), "immutable") {
		t.Error("a picture under a wrong tag may be kept for ever")
	}
	if _, a := s.picture(t, "?view=failed"); strings.Contains(a.header.Get("Cache-Control"), "immutable") {
		t.Error("a picture that depends on statuses may be kept for ever")
	}
}

func TestPicturesShowWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.failing(t)
	for query, want := range map[string]string{
		"?view=failed":         "app tool",
		"?view=near&focus=lib": "lib app tool",
		"?view=near":           "lib app tool", // the failure, with what it waits for and holds
	} {
		if p, _ := s.picture(t, query); strings.Join(p.Keys, " ") != want {
			t.Errorf("%s shows %v, want %s", query, p.Keys, want)
		}
	}
	if p, _ := s.picture(t, "?view=near"); p.Focus != 1 {
		t.Errorf("the focus is box %d", p.Focus)
	}
}

// The script draws where the builds stand from a part of the page.
func TestTheStatesOfAGraphAreAPart(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.failing(t)
	page := s.get(t, libGraph)
	if codes, _ := page.Find("#graph-states").Attr("data-codes"); codes != "dfh" {
		t.Errorf("the page has the states %q", codes)
	}
	tag, _ := page.Find("#live").Attr("data-tag")
	s.poll(t, libGraph, tag).wantsStatus(t, http.StatusNotModified)

	app := s.build(t, "app")
	_, err := s.db.RetryBuild(t.Context(), "alice", app.ID)
	must(t, err)
	second := s.poll(t, libGraph, tag)
	if codes, _ := second.Find("#graph-states").Attr("data-codes"); codes != "dpk" {
		t.Errorf("after a retry: %q", codes)
	}
	if got := strings.Join(partsOf(second), " "); got != "#mood head states" {
		t.Errorf("parts: %s", got)
	}
}

func TestTheGraphTellsOfOneBuild(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.failing(t)
	about := s.get(t, libGraph+"/about?build=tool")
	about.wantsStatus(t, http.StatusOK)
	about.wants(t, "body", "tool", "blocked", "It depends on app. Level 2.", "Blocked by:", "app")
	about.wants(t, "h3", "Dependencies 1", "Dependents 0")
	s.get(t, libGraph+"/about?build=app").wants(t, "body", "1 build cannot start before it is done")
	s.get(t, libGraph+"/about?build=nothing").wantsStatus(t, http.StatusNotFound)
}

func TestBuildsAreFoundInTheGraph(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.failing(t)
	if a := s.get(t, libGraph+"/find?q=O"); a.body != `[{"key":"tool","code":"h"}]` {
		t.Errorf("found %s", a.body)
	}
	page := s.get(t, libGraph+"?focus=zzz")
	page.wants(t, ".note", `There is no build called "zzz" here.`)
	s.get(t, libGraph+"?focus=too").wants(t, "#graph-about h2", "tool")
	hostile := s.get(t, libGraph+"?focus="+strings.ReplaceAll(hostile, " ", "+"))
	hostile.wantsNone(t, "main script")
}

// A large graph opens at what deserves a look, with or without scripts.
func TestALargeGraphOpensAtTheWorstFailure(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), storetest.Synthetic(900, 4000, 1))
	c := s.db.Claim(t, "w")
	s.db.End(t, c, buildbtw.OutcomeFailed)
	page := s.get(t, libGraph)
	page.wantsStatus(t, http.StatusOK)
	page.wants(t, "#graph-about h2", c.Build.Pkgbase)
	page.wants(t, ".node-focus", c.Build.Pkgbase)
	if n := page.Find("svg a.node").Length(); n < 2 || n > 80 {
		t.Errorf("%d builds drawn", n)
	}
	if n, drawn := page.Find(".levels tbody tr").Length(), page.Find("svg a.node").Length(); n != drawn {
		t.Errorf("%d rows for %d builds", n, drawn)
	}
	page.wants(t, "main", "of 900 builds, those around "+c.Build.Pkgbase)
	if n := s.get(t, libGraph+"?view=all").Find("svg a.node").Length(); n < 2 || n > 80 {
		t.Errorf("everything: %d builds drawn by the server", n)
	}
	if len(page.body) > 120<<10 {
		t.Errorf("the page has %d bytes", len(page.body))
	}
}

func TestTheGraphCanBeTakenAlong(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.failing(t)
	svg := s.get(t, libGraph+".svg?view=all")
	svg.wantsStatus(t, http.StatusOK)
	if kind, name := svg.header.Get("Content-Type"), svg.header.Get("Content-Disposition"); kind != "image/svg+xml" || name != `attachment; filename="lib-1-x86_64.svg"` {
		t.Errorf("%s, %s", kind, name)
	}
	for d := xml.NewDecoder(strings.NewReader(svg.body)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the file is no XML: %v", err)
		}
	}
	dot := s.get(t, libGraph+".dot?view=failed")
	dot.wantsStatus(t, http.StatusOK)
	if !strings.Contains(dot.body, `digraph "lib"`) || strings.Contains(dot.body, `"lib", fill`) || !strings.Contains(dot.body, "n0 -> n1") {
		t.Errorf("only failures as DOT:\n%s", dot.body)
	}
}

// While the page is open its head asks again; the picture stays.
func TestOnlyTheHeadOfTheGraphPageIsMadeAnew(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	app, _ := s.failing(t)
	part := s.get(t, libGraph, "HX-Request", "true")
	part.wantsStatus(t, http.StatusOK)
	part.wantsNone(t, "#graph")
	part.wants(t, ".status-counts", "1 built", "1 failed", "1 blocked")
	s.get(t, libGraph, "HX-Request", "true", "If-None-Match", part.header.Get("Etag")).wantsStatus(t, http.StatusNotModified)
	_, err := s.db.RetryBuild(t.Context(), "alice", app.ID)
	must(t, err)
	s.db.Clock.Advance(time.Second)
	s.get(t, libGraph, "HX-Request", "true", "If-None-Match", part.header.Get("Etag")).wants(t, ".status-counts", "1 pending")
}

func TestTheGraphShowsWaysFamiliesAndANeighbourhood(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.failing(t) // lib before app, which failed, before tool
	if p, _ := s.picture(t, "?view=path&focus=tool&to=lib"); strings.Join(p.Keys, " ") != "lib app tool" {
		t.Errorf("the way from tool to lib: %v", p.Keys)
	}
	s.get(t, libGraph+"?view=path&focus=tool&to=lib").wants(t, ".levels tbody", "lib", "app", "tool")
	s.get(t, libGraph+"?view=path&focus=tool&to=zzz").wants(t, ".note", `There is no build called "zzz" here.`)
	if a := s.get(t, libGraph+"/find?q=failed"); a.body != `[{"key":"app","code":"f"}]` {
		t.Errorf("what failed: %s", a.body)
	}
	if a := s.get(t, libGraph+"/find?q=blocks%3E0"); a.body != `[{"key":"app","code":"f"}]` {
		t.Errorf("what blocks: %s", a.body)
	}
	if p, a := s.picture(t, "?view=all&fold=1&tag=x"); len(p.Keys) != 3 || strings.Contains(a.header.Get("Cache-Control"), "immutable") {
		t.Errorf("folded: %v, %s", p.Keys, a.header.Get("Cache-Control"))
	}

	app := s.build(t, "app")
	page := s.get(t, views.BuildURL(app.ID))
	page.wants(t, "a[href*='view=near']", "Show in graph")
	near, _ := page.Find(".near").Attr("hx-get")
	picture := s.get(t, near)
	picture.wants(t, ".node-focus", "app")
	if n := picture.Find("a.node").Length(); n != 3 {
		t.Errorf("%d builds in the neighbourhood", n)
	}
	s.get(t, "/builds/999/near").wantsStatus(t, http.StatusNotFound)
}
