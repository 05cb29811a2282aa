package handlers_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/catalog"
	"buildbtw/git/gitmirror"
	"buildbtw/handlers"
	"buildbtw/store/storetest"
)

// The pages say what is being done about a source that is slow or failed, when, and
// have a button for "now".
func TestLookNow(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 10)
	s := newSiteWith(t, map[string]string{"a": "pkgbase = a\n\tpkgver = 1\n\tpkgrel = 1\n\tarch = x86_64\n\npkgname = a\n"}, func(d *handlers.Deps) {
		d.LookAt = func(_ context.Context, slug string) error { asked <- slug; return nil }
		next := storetest.Start().Add(3 * time.Minute)
		broken := map[string]error{"slow": buildbtw.Unavailable("makepkg --printsrcinfo took longer than 60 s")}
		d.Catalog.SetBroken("/srv/packages", broken)
		must(t, d.Catalog.Refresh(t.Context()))
		d.Catalog.AddScan(catalog.Scan{Dir: "/srv/packages", Began: storetest.Start(), Ended: storetest.Start(), Report: gitmirror.Report{
			Found: 2, Waiting: 1, Broken: broken, Looks: map[string]gitmirror.Look{"slow": {Next: next}, "a": {Since: storetest.Start()}},
		}})
		d.Catalog.SetNextScan(next)
	})
	at := storetest.Start().Add(3 * time.Minute).UTC().Format("15:04:05")
	for path, words := range map[string][]string{
		"/sources":        {"took longer than 60 s", "Next look at " + at, "next look at " + at, "1 are still to be read", "Look now"},
		"/sources/slow":   {"took longer than 60 s", "Next look at " + at, "Look now"},
		"/sources/a":      {"Being read since"},
		"/api/v1/mirror":  {`"next":"20`, `"waiting":1`, `"slow":1`, `"set_aside":[]`},
		"/api/v1/sources": {`"since":"20`, `"next":"20`},
	} {
		body := s.get(t, path).body
		for _, w := range words {
			if !strings.Contains(body, w) {
				t.Errorf("%s lacks %q", path, w)
			}
		}
	}
	s.post(t, "/sources/look", nil).wantsStatus(t, http.StatusSeeOther)
	s.post(t, "/sources/slow/look", nil).wantsStatus(t, http.StatusSeeOther)
	s.post(t, "/sources/none/look", nil).wantsStatus(t, http.StatusNotFound)
	if all, one := <-asked, <-asked; all != "" || one != "slow" || len(asked) != 0 {
		t.Errorf("looked at %q and %q", all, one)
	}
}
