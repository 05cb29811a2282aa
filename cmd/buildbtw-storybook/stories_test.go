package main

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"buildbtw/static"
	"buildbtw/views"
)

// Every page in every state: one heading, ids that are unique, labels for every
// input, and nothing that the content security policy would stop.
func TestEveryStoryIsASoundPage(t *testing.T) {
	t.Parallel()
	assets, err := static.Load()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(routes(assets))
	defer server.Close()
	all := stories(shell(views.Assets{}))
	if len(all) < 30 {
		t.Fatalf("%d stories", len(all))
	}
	for _, s := range all {
		t.Run(s.Path, func(t *testing.T) {
			page := read(t, server.URL+s.Path)
			if n := page.Find("h1").Length(); n != 1 {
				t.Errorf("%d first-level headings", n)
			}
			if n := page.Find("style, [style], script:not([src]), [onclick], [onerror]").Length(); n != 0 {
				t.Errorf("%d inline scripts or styles", n)
			}
			checkIDs(t, page)
			checkBlanks(t, page)
		})
	}
}

// checkBlanks looks for a blank before a comma or a full stop: templ makes one of the line
// break between an element and what follows it.
func checkBlanks(t *testing.T, page *goquery.Document) {
	t.Helper()
	blankBefore := regexp.MustCompile(`\S+\s+[,;.](\s+\S+|\s*$)`)
	main := page.Find("main").Clone()
	main.Find("pre, code, textarea, script, svg, .log").SetText("code")
	for _, found := range blankBefore.FindAllString(main.Text(), -1) {
		t.Errorf("a blank before a comma or full stop: %q", strings.Join(strings.Fields(found), " "))
	}
}

func read(t *testing.T, url string) *goquery.Document {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d", resp.StatusCode)
	}
	page, err := goquery.NewDocumentFromReader(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func checkIDs(t *testing.T, page *goquery.Document) {
	t.Helper()
	seen := map[string]bool{}
	page.Find("[id]").Each(func(_ int, e *goquery.Selection) {
		id := e.AttrOr("id", "")
		if seen[id] {
			t.Errorf("id %q is used twice", id)
		}
		seen[id] = true
	})
	for _, attribute := range []string{"for", "aria-labelledby", "form", "data-copy"} {
		page.Find("[" + attribute + "]").Each(func(_ int, e *goquery.Selection) {
			if id := e.AttrOr(attribute, ""); !seen[id] {
				t.Errorf("%s=%q names nothing", attribute, id)
			}
		})
	}
	page.Find("input:not([type=hidden]), textarea, select").Each(func(_ int, e *goquery.Selection) {
		if id := e.AttrOr("id", ""); id == "" || page.Find("label[for='"+id+"']").Length() == 0 {
			t.Errorf("%s %q has no label", goquery.NodeName(e), e.AttrOr("name", ""))
		}
	})
}
