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

func TestABlockedBuildNamesItsRootCause(t *testing.T) {
	s := newSite(t)
	row := s.db.NewBuildspace(t, "lib")
	s.db.Iterate(t, row, storetest.Plan("lib", "app: lib", "tool: app"))
	s.db.End(t, s.db.Claim(t, "w"), buildbtw.OutcomeFailed)
	page := s.get(t, fmt.Sprintf("/builds/%d", s.build(t, "tool").ID))
	page.wants(t, "title", "blocked · tool 1.0-1")
	page.wants(t, ".alert", "This build is", "blocked by lib (failed)")
	page.wants(t, "[aria-labelledby=h-waiting]", "blocked app")
	page.wants(t, ".reason-chain", "tool depends on app", "app depends on lib", "lib is a changeset")
	page.wants(t, ".actions", "Cancel")
	page.wantsNone(t, "form[action$='/retry']")
}

func TestAFailedBuildIsRetriedByItsButton(t *testing.T) {
	s := newSite(t)
	app, _ := s.failing(t)
	path := fmt.Sprintf("/builds/%d", app.ID)
	page := s.get(t, path)
	page.wants(t, ".alert", "said the test", "1 build directly above it cannot start")
	page.wants(t, ".actions", "Retry")
	page.wantsNone(t, "form[action$='/cancel']")
	page.wants(t, "[aria-labelledby=h-attempts]", "1 failed said the test w1 ")

	action, _ := page.Find("form[action$='/retry']").Attr("action")
	done := s.post(t, action, nil)
	done.wantsStatus(t, http.StatusSeeOther)
	if to := done.header.Get("Location"); to != path {
		t.Errorf("sent to %q", to)
	}
	s.get(t, path).wants(t, "h1", "pending")
	again := s.post(t, action, nil)
	again.wantsStatus(t, http.StatusConflict)
	again.wants(t, "main", "Not possible any more", "only a failed build can be retried")
}

func TestABuildIsCancelled(t *testing.T) {
	s := newSite(t)
	_, tool := s.failing(t)
	path := fmt.Sprintf("/builds/%d", tool.ID)
	s.post(t, path+"/cancel", nil).wantsStatus(t, http.StatusSeeOther)
	s.get(t, path).wants(t, "h1", "skipped: cancelled")
}

func TestABuiltBuildOffersItsPackages(t *testing.T) {
	s := newSite(t)
	s.failing(t)
	lib := s.build(t, "lib")
	page := s.get(t, fmt.Sprintf("/builds/%d", lib.ID))
	page.wants(t, "[aria-labelledby=h-packages] tbody", "lib", "1.0-1", "x86_64", "1000 B")
	if href, _ := page.Find("a[download]").Attr("href"); href != fmt.Sprintf("/api/v1/builds/%d/packages/lib-1.0-1-x86_64.pkg.tar.zst", lib.ID) {
		t.Errorf("download at %q", href)
	}
	page.wants(t, ".fold", "Builds that need it", "failed app")
	page.wants(t, ".actions button", "Rebuild with all above")
	page.wantsNone(t, "form[action$='/retry'], form[action$='/cancel']")
	s.post(t, fmt.Sprintf("/builds/%d/rebuild", lib.ID), nil).wantsStatus(t, http.StatusSeeOther)
	if lib, app := s.build(t, "lib"), s.build(t, "app"); lib.Status != buildbtw.StatusPending || app.Status != buildbtw.StatusBlocked {
		t.Errorf("lib is %s, app is %s", lib.Status, app.Status)
	}
}

// running starts the build lib with a log.
func (s *site) running(t *testing.T, log string) (path string, c *store.Claimed) {
	t.Helper()
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), storetest.Plan("lib"))
	c = s.db.Claim(t, "w")
	s.append(t, c, 0, log)
	return fmt.Sprintf("/builds/%d", c.Build.ID), c
}

func (s *site) append(t *testing.T, c *store.Claimed, at int64, text string) {
	t.Helper()
	_, err := s.logs.Append(c.Attempt.ID, at, strings.NewReader(text))
	must(t, err)
}

func TestALogIsFollowedToItsEnd(t *testing.T) {
	s := newSite(t)
	path, c := s.running(t, "one\ntwo "+hostile+"\nhal")
	page := s.get(t, path)
	page.wants(t, "#log .log-chunk", "one two "+hostile)
	page.wantsNone(t, "main script")
	if text := page.Find("#log .log-chunk").Text(); strings.Contains(text, "hal") {
		t.Errorf("half a line is shown: %q", text)
	}
	more, _ := page.Find(".log-more").Attr("hx-get")
	s.get(t, more, "HX-Request", "true").wantsStatus(t, http.StatusNoContent)

	s.append(t, c, int64(len("one\ntwo "+hostile+"\nhal")), "f\n")
	piece := s.get(t, more, "HX-Request", "true")
	piece.wants(t, ".log-chunk", "half")
	more, _ = piece.Find(".log-more").Attr("hx-get")

	s.append(t, c, int64(len("one\ntwo "+hostile+"\nhalf\n")), "no newline")
	s.db.End(t, c, buildbtw.OutcomeFailed)
	last := s.get(t, more, "HX-Request", "true")
	last.wants(t, ".log-chunk", "no newline")
	last.wantsNone(t, ".log-more")
}

func TestALongLogBeginsAtItsEndAndLeadsToTheFile(t *testing.T) {
	s := newSite(t)
	line := strings.Repeat("x", 99) + "\n"
	path, _ := s.running(t, strings.Repeat(line, 5000)+"the last line\n")
	page := s.get(t, path)
	page.wants(t, ".log-before", "KiB before this")
	page.wants(t, ".log-chunk", "the last line")
	if n := len(page.Find(".log-chunk").Text()); n > 64<<10 {
		t.Errorf("the page carries %d bytes of log", n)
	}
	raw, _ := page.Find(".log-before").Attr("href")
	file := s.get(t, raw)
	if file.status != http.StatusOK || len(file.body) != 5000*100+14 || file.header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("raw log: status %d, %d bytes, %s", file.status, len(file.body), file.header.Get("Content-Type"))
	}
}

func TestALogWithoutNewlinesStillComes(t *testing.T) {
	s := newSite(t)
	path, _ := s.running(t, strings.Repeat("x", 200<<10))
	piece := s.get(t, path+"/log?attempt=1&offset=0", "HX-Request", "true")
	if n := len(piece.Find(".log-chunk").Text()); n != 64<<10 {
		t.Errorf("%d bytes in a piece", n)
	}
}

func TestALogThatIsNotThereIsSaid(t *testing.T) {
	s := newSite(t)
	path, _ := s.running(t, "x\n")
	s.get(t, path+"/log?attempt=2").wantsStatus(t, http.StatusNotFound)
	s.get(t, path+"/log?offset=-1").wantsStatus(t, http.StatusUnprocessableEntity)
	s.get(t, path+"/log?offset=99999", "HX-Request", "true").wantsStatus(t, http.StatusNoContent)
}
