package handlers_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
	s := newSite(t)
	s.failing(t)
	s.poll(t, "/buildspaces/lib", "").wants(t, "[hx-target='#part-head']", "Retry 1 failed build")
	page := s.get(t, "/buildspaces/lib", "HX-Request", "true", "Authorization", "")
	page.wantsNone(t, "form[method=post]")
	page.wants(t, "[hx-target='#part-head']", "sign in first")
}

// The page carries the tag of what it shows: its first poll brings nothing, and
// the next only what has changed.
func TestThePageHasTheTagOfItsParts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.failing(t)
	id := strconv.FormatInt(s.build(t, "app").ID, 10)
	for path, changed := range map[string]bool{
		"/": true, "/buildspaces": true, "/buildspaces/lib": true, "/buildspaces/lib/1": true, "/buildspaces/lib/activity": true,
		libGraph: true, "/builds/" + id: true, "/builds/" + id + "/dependents?status=blocked": false, "/workers": false,
		"/sources": false, "/packages/lib": false,
	} {
		page := s.get(t, path).Find("#live")
		at, tag := page.AttrOr("hx-get", ""), page.AttrOr("data-tag", "")
		if at != path || page.AttrOr("data-topics", "") == "" {
			t.Errorf("%s asks %q about %q", path, at, page.AttrOr("data-topics", ""))
		}
		first := s.poll(t, at, tag)
		first.wantsStatus(t, http.StatusNotModified)
		if !changed {
			continue
		}
		_, err := s.db.RebuildBuild(t.Context(), "anna", s.build(t, "lib").ID)
		must(t, err)
		second := s.poll(t, at, tag)
		second.wantsStatus(t, http.StatusOK)
		s.poll(t, at, second.header.Get("ETag")).wantsStatus(t, http.StatusNotModified)
		s.db.Finish(t, s.db.Claim(t, "w1"))
	}
}

// A change elsewhere is no change, and neither is the passing of time.
func TestAgesAreNoChange(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.failing(t)
	page := "/buildspaces/lib/activity"
	tag := s.get(t, page).Find("#live").AttrOr("data-tag", "")
	s.db.Clock.Advance(26 * time.Hour)
	s.db.NewBuildspace(t, "other")
	s.poll(t, page, tag).wantsStatus(t, http.StatusNotModified)
	s.db.Iterate(t, s.db.NewBuildspace(t, "another"), storetest.Plan("x"))
	list := s.get(t, "/").Find("#live").AttrOr("data-tag", "")
	s.db.Clock.Advance(time.Hour)
	_, err := s.db.StopBuildspace(t.Context(), "anna", "other") // home shows active ones; its rows have ages
	must(t, err)
	if parts := partsOf(s.poll(t, "/", list)); slices.Contains(parts, "finished") || slices.Contains(parts, "running") {
		t.Errorf("what did not change is sent: %v", parts)
	}
}

// Parameters that mean nothing make no page of their own: hundreds of them do not
// throw away the parts that others watch, and no link repeats them.
func TestAMeaninglessQueryIsTheSamePage(t *testing.T) {
	t.Parallel()
	var looks atomic.Int64 // at the clock: a page that is made has many ages
	s := newSite(t, func(d *handlers.Deps) {
		now := d.Now
		d.Now = func() time.Time {
			looks.Add(1)
			return now()
		}
	})
	s.failing(t)
	tag := s.get(t, "/buildspaces/lib?x=1&q=a").Find("#live")
	if at := tag.AttrOr("hx-get", ""); at != "/buildspaces/lib?q=a" {
		t.Errorf("the page asks %q", at)
	}
	if at := s.get(t, "/buildspaces/lib/activity?x=1&kind=failed").Find("#live").AttrOr("hx-get", ""); at != "/buildspaces/lib/activity?kind=failed" {
		t.Errorf("the page repeats what means nothing: %s", at)
	}
	first := s.poll(t, "/buildspaces/lib", "").header.Get("ETag")
	before := looks.Load()
	s.poll(t, "/buildspaces/lib", "")
	again := looks.Load() - before
	before = looks.Load()
	for i := range 300 {
		other := s.poll(t, "/buildspaces/lib?x="+strconv.Itoa(i), "").header.Get("ETag")
		if other != first {
			t.Fatalf("?x=%d is another page: %s, want %s", i, other, first)
		}
	}
	if got := looks.Load() - before; got > 300*(again+1) {
		t.Errorf("%d looks at the clock, but the same page again takes %d: other queries made it anew", got, again)
	}
}

func TestThePagesOfAnIterationAreReached(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.failing(t)
	row, err := s.db.Buildspace(t.Context(), "lib")
	must(t, err)
	s.db.Iterate(t, row, storetest.Plan("lib", "other: lib"))
	s.db.Iterate(t, row, storetest.Plan("lib", "third: lib"))

	moved := s.get(t, "/buildspaces/lib/3/diff?from=1")
	moved.wantsStatus(t, http.StatusMovedPermanently)
	diff := s.get(t, "/compare?a=lib/2&b=lib/3")
	diff.wants(t, "h1", "lib#2 with lib#3")
	diff.wants(t, "[aria-labelledby=h-added]", "third")
	diff.wants(t, "[aria-labelledby=h-removed]", "other")
	s.get(t, "/compare?a=lib/1&b=lib/3").wants(t, "[aria-labelledby=h-removed]", "app", "tool")
	s.get(t, "/compare?a=lib/1&b=lib/9").wantsStatus(t, http.StatusNotFound)

	events := s.get(t, "/buildspaces/lib/activity")
	events.wants(t, ".events", "app", "failed", "said the test")
	events.wantsNone(t, ".events .word-blocked")
	s.get(t, "/buildspaces/lib/activity?kind=all").wants(t, ".events", "blocked")
	s.get(t, "/buildspaces/none/activity").wantsStatus(t, http.StatusNotFound)
	s.get(t, "/buildspaces/lib/activity?before=-1").wantsStatus(t, http.StatusUnprocessableEntity)
	for _, link := range []string{"/buildspaces/lib/3/x86_64/graph", "/compare?a=lib/2&b=lib/3", "/buildspaces/lib/activity"} {
		if s.get(t, "/buildspaces/lib").Find(".tabs a[href='"+link+"']").Length() != 1 {
			t.Errorf("no tab leads to %s", link)
		}
	}
}

func TestCancellingEndsWhatIsNotDone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.failing(t)
	s.post(t, "/buildspaces/lib/cancel", nil).wantsStatus(t, http.StatusSeeOther)
	page := s.get(t, "/buildspaces/lib")
	page.wants(t, ".status-counts", "1 built", "1 skipped", "1 failed")
	page.wants(t, ".actions", "Retry 1 failed and 1 cancelled")
	page.wantsNone(t, ".menu [action$=cancel]")
}
