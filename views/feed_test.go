package views

import (
	"encoding/xml"
	"strings"
	"testing"
	"time"

	"buildbtw"
)

func TestWhatNoXMLMayHoldDoesNotBreakAFeed(t *testing.T) {
	t.Parallel()
	const evil = "]]></title><script>\x00\x1b[31m\xff & \"'"
	f := Feed{ID: evil, Title: evil, Page: evil, Self: evil, Updated: time.Unix(0, 0), Entries: []FeedEntry{{ID: evil, Title: evil, Summary: evil, Author: evil, Page: evil}}}
	body, err := f.XML()
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Title   string   `xml:"title"`
		Scripts []string `xml:"script"`
		Entry   struct {
			Summary string `xml:"summary"`
		} `xml:"entry"`
	}
	if err := xml.Unmarshal(body, &read); err != nil {
		t.Fatal(err)
	}
	want := "]]></title><script>\uFFFD\uFFFD[31m\uFFFD & \"'"
	if read.Title != want || read.Entry.Summary != want || read.Scripts != nil {
		t.Errorf("%q, want %q", read.Title, want)
	}
}

func TestABadgeHoldsNoMarkupOfOthersAndStaysSmall(t *testing.T) {
	t.Parallel()
	svg := string(BadgeSVG(`"><script>alert(1)</script>`+strings.Repeat("long-", 100), buildbtw.IterationStatusBuilding, buildbtw.Counts{"built": 2104, "blocked": 4356, "failed": 4}))
	if strings.Contains(svg, "<script") || len(svg) > 2500 {
		t.Errorf("%d bytes: %s", len(svg), svg)
	}
	if err := xml.Unmarshal([]byte(svg), new(struct{ XMLName xml.Name })); err != nil {
		t.Error(err)
	}
	for status, counts := range map[buildbtw.IterationStatus]buildbtw.Counts{
		buildbtw.IterationStatusBuilding: {"built": 1, "blocked": 3}, buildbtw.IterationStatusBuilt: {"built": 4},
	} {
		if svg := string(BadgeSVG("x", status, counts)); !strings.Contains(svg, ">x: "+string(status)) {
			t.Errorf("%s: %s", status, svg)
		}
	}
}
