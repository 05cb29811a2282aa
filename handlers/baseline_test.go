package handlers_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

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
