package handlers_test

import (
	"strings"
	"testing"

	"buildbtw/store/storetest"
	"buildbtw/views"
)

func TestALivePageIsLoadedAgainWithoutScripts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.failing(t)
	const refresh = `<noscript><meta http-equiv="refresh" content="60"></noscript>`
	for path, live := range map[string]bool{"/": true, "/buildspaces/lib": true, "/workers": true, "/buildspaces/new": false, "/sign-in": false} {
		if got := strings.Contains(s.get(t, path).body, refresh); got != live {
			t.Errorf("%s is loaded again: %v", path, got)
		}
	}
}

func TestOneMaySkipToTheBuilds(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.failing(t)
	page := s.get(t, "/buildspaces/lib")
	page.wants(t, `a.skip-link[href="#builds"]`, "Skip to builds")
	if page.Find("#builds").Length() != 1 {
		t.Error("there is nothing to skip to")
	}
	s.get(t, "/workers").wantsNone(t, `a.skip-link[href="#builds"]`)
}

func TestTheResultOfABuiltBuildStandsBeforeItsLog(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), storetest.Plan("good", "bad"))
	for want := range 2 {
		c := s.db.Claim(t, "w")
		if want == 0 {
			s.db.Finish(t, c)
		} else {
			s.db.End(t, c, "failed")
		}
		body := s.get(t, views.BuildURL(c.Build.ID)).body
		log, packages := strings.Index(body, `id="part-log"`), strings.Index(body, `id="part-packages"`)
		if log < 0 || packages < 0 || (packages < log) != (want == 0) {
			t.Errorf("build %d: the log is at %d, the packages at %d", c.Build.ID, log, packages)
		}
	}
}
