package handlers_test

import (
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"buildbtw/store/storetest"
)

// tell sends a form and returns the page that it leads to.
func (s *site) tell(t *testing.T, path string) answer {
	t.Helper()
	answer := s.post(t, path, url.Values{})
	answer.wantsStatus(t, http.StatusSeeOther)
	if set := answer.header.Values("Set-Cookie"); len(set) > 0 {
		t.Errorf("%s sets %v", path, set)
	}
	to := answer.header.Get("Location")
	if u, err := url.Parse(to); err != nil || u.RawQuery != "" {
		t.Errorf("%s leads to %s", path, to)
	}
	return s.get(t, to)
}

// After a form the page says once what was done, to nobody else, and offers what takes it back.
func TestEveryActionIsAnsweredWithAWord(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	app, _ := s.failing(t)
	s.db.Iterate(t, s.db.NewBuildspace(t, "wait"), storetest.Plan("x", "y: x", "z"))
	build := "/builds/" + strconv.FormatInt(app.ID, 10)
	for _, step := range []struct{ path, want, undo string }{
		{"/buildspaces/wait/stop", "wait is stopped: nothing of it is built, and pushes start no new iteration.", "/buildspaces/wait/start"},
		{"/buildspaces/wait/start", "wait is started: its builds go on where they stood.", ""},
		{"/buildspaces/wait/cancel", "Cancelled 3 builds.", "/buildspaces/wait/retry"},
		{"/buildspaces/wait/cancel", "Nothing was left to cancel.", ""},
		{"/buildspaces/wait/retry", "3 builds will be built again, as workers are free.", ""},
		{build + "/retry", "app will be built again. It is pending now.", ""},
		{build + "/cancel", "app was cancelled. It is skipped now.", build + "/retry"},
		{"/workers/w1/drain", "w1 gets no new builds; what it builds now it finishes.", "/workers/w1/resume"},
		{"/workers/w1/resume", "w1 gets builds again.", "/workers/w1/drain"},
	} {
		page := s.tell(t, step.path)
		page.wants(t, ".word p", step.want)
		if undo := page.Find(".word form").AttrOr("action", ""); undo != step.undo {
			t.Errorf("%s is taken back by %q, want %q", step.path, undo, step.undo)
		}
	}
	s.get(t, "/workers").wantsNone(t, ".word")

	s.post(t, "/buildspaces/wait/stop", nil).wantsStatus(t, http.StatusSeeOther)
	s.get(t, "/buildspaces/lib").wantsNone(t, ".word") // it is about another page
	s.poll(t, "/buildspaces/wait", "")                 // a poll of another tab does not take it away
	s.get(t, "/buildspaces/wait").wants(t, ".word p", "wait is stopped")
	s.get(t, "/buildspaces/wait").wantsNone(t, ".word")

	s.post(t, "/buildspaces/wait/start", nil).wantsStatus(t, http.StatusSeeOther)
	s.db.Clock.Advance(2 * time.Minute)
	s.get(t, "/buildspaces/wait").wantsNone(t, ".word") // nobody followed; it is old
}

// What cannot be missed asks first, with the number.
func TestStopAndCancelAskWithTheNumber(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.db.Iterate(t, s.db.NewBuildspace(t, "wait"), storetest.Plan("x", "y: x", "z"))
	page := s.get(t, "/buildspaces/wait")
	page.wants(t, ".menu", "Cancel what is left of wait? 3 builds are running or waiting.", "Stop wait? 3 builds are running or waiting.")
	if page.Find(".menu-list > li > form[action$='/stop'], .menu-list > li > form[action$='/cancel']").Length() > 0 {
		t.Error("a press on the menu stops or cancels at once")
	}
	if page.Find("details.asked form[action='/buildspaces/wait/stop'] button").Length() != 1 {
		t.Error("there is no button that stops")
	}
}
