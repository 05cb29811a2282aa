package handlers_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"buildbtw"
	"buildbtw/handlers"
	"buildbtw/store/storetest"
)

// partsOf names the parts of an answer to a poll.
func partsOf(a answer) []string {
	var names []string
	a.Find("hx-partial").Each(func(_ int, e *goquery.Selection) {
		names = append(names, strings.TrimPrefix(e.AttrOr("hx-target", ""), "#part-"))
	})
	return names
}

// poll asks as a page does that shows what had this tag.
func (s *site) poll(t *testing.T, path, tag string) answer {
	t.Helper()
	return s.get(t, path, "HX-Request", "true", "If-None-Match", tag)
}

func TestAPollBringsOnlyThePartsThatChanged(t *testing.T) {
	s := newSite(t)
	s.failing(t)
	first := s.poll(t, "/buildspaces/lib", "")
	all := partsOf(first)
	for _, want := range []string{"head", "overview", "blockers", "builds", "pacman", "activity", "settings"} {
		if !slices.Contains(all, want) {
			t.Errorf("a page that has nothing yet is not given %s: %v", want, all)
		}
	}
	s.post(t, "/buildspaces/lib/retry", nil).wantsStatus(t, http.StatusSeeOther)
	second := s.poll(t, "/buildspaces/lib", first.header.Get("ETag"))
	second.wantsStatus(t, http.StatusOK)
	changed := partsOf(second)
	for name, want := range map[string]bool{
		"overview": true, "blockers": true, "builds": true, "activity": true, "head": true, "pacman": false, "settings": false, "changes": false,
	} {
		if slices.Contains(changed, name) != want {
			t.Errorf("after a retry, %s is sent: %v, want %v", name, !want, want)
		}
	}
	second.wants(t, "[hx-target='#part-overview']", "1 pending")
	s.poll(t, "/buildspaces/lib", second.header.Get("ETag")).wantsStatus(t, http.StatusNotModified)
}

// What changed out of sight costs a page nothing.
func TestAPollIsUnchangedWhenNothingOnThePageIs(t *testing.T) {
	s := newSite(t)
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), storetest.Plan("a", "b"))
	s.db.End(t, s.db.Claim(t, "w"), buildbtw.OutcomeReleased)
	filtered := "/buildspaces/lib?status=failed"
	tag := s.poll(t, filtered, "").header.Get("ETag")
	s.db.End(t, s.db.Claim(t, "w"), buildbtw.OutcomeReleased)
	next := s.poll(t, filtered, tag)
	if slices.Contains(partsOf(next), "builds") {
		t.Errorf("the empty list of failed builds is sent again: %v", partsOf(next))
	}
}

// Whoever watches a page shares what others have rendered; people are not shown
// what others may do.
func TestPartsAreNotSharedBetweenRoles(t *testing.T) {
	reader := false
	s := newSite(t, func(d *handlers.Deps) {
		d.Who = func(handlers.Credentials) (buildbtw.User, error) {
			if reader {
				return buildbtw.User{Name: "rita", Role: buildbtw.RoleReader}, nil
			}
			return buildbtw.Local(), nil
		}
	})
	s.failing(t)
	s.poll(t, "/buildspaces/lib", "").wants(t, "[hx-target='#part-head']", "Retry 1 failed build")
	reader = true
	page := s.poll(t, "/buildspaces/lib", "")
	page.wantsNone(t, "form[method=post]")
	page.wants(t, "[hx-target='#part-head']", "rita may look but not change")
}

func TestThePagesOfAnIterationAreReached(t *testing.T) {
	s := newSite(t)
	s.failing(t)
	row, err := s.db.Buildspace(t.Context(), "lib")
	must(t, err)
	s.db.Iterate(t, row, storetest.Plan("lib", "other: lib"))
	s.db.Iterate(t, row, storetest.Plan("lib", "third: lib"))

	diff := s.get(t, "/buildspaces/lib/3/diff")
	diff.wants(t, "h1", "#2 with #3")
	diff.wants(t, ".diff", "Added: third", "Removed: other")
	s.get(t, "/buildspaces/lib/3/diff?from=1&to=3").wants(t, ".diff", "Added: third", "Removed: app, tool")
	s.get(t, "/buildspaces/lib/3/diff?from=1&to=9").wantsStatus(t, http.StatusNotFound)

	events := s.get(t, "/buildspaces/lib/activity")
	events.wants(t, ".events", "app", "failed", "said the test")
	events.wantsNone(t, ".events .word-blocked")
	all, _ := events.Find(".actions a").Attr("href")
	s.get(t, all).wants(t, ".events", "blocked")
	s.get(t, "/buildspaces/none/activity").wantsStatus(t, http.StatusNotFound)
	s.get(t, "/buildspaces/lib/activity?before=-1").wantsStatus(t, http.StatusUnprocessableEntity)
	for _, link := range []string{"/buildspaces/lib/3/x86_64/graph", "/buildspaces/lib/3/diff", "/buildspaces/lib/activity"} {
		if s.get(t, "/buildspaces/lib").Find(".tabs a[href='"+link+"']").Length() != 1 {
			t.Errorf("no tab leads to %s", link)
		}
	}
}

func TestCancellingEndsWhatIsNotDone(t *testing.T) {
	s := newSite(t)
	s.failing(t)
	s.post(t, "/buildspaces/lib/cancel", nil).wantsStatus(t, http.StatusSeeOther)
	page := s.get(t, "/buildspaces/lib")
	page.wants(t, ".status-counts", "1 built", "1 skipped", "1 failed")
	page.wants(t, ".actions", "Retry 1 failed build")
	page.wantsNone(t, ".menu [action$=cancel]")
}
