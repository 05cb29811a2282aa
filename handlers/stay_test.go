package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/handlers"
	"buildbtw/retention"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// keeping is a site with two iterations of the buildspace lib, the first of which built lib,
// that removes things. The administrator is the one who asks.
func keeping(t *testing.T) (*site, *retention.Keeper) {
	t.Helper()
	var k *retention.Keeper
	s := newSite(t, func(d *handlers.Deps) {
		policy := store.DefaultRetention()
		policy.Newest = 1
		k = retention.New(retention.Config{Store: d.Store, Repos: d.Repos, Logs: d.Logs, Policy: policy, Log: d.Log, Now: d.Now})
		d.Retention = k
	})
	b := s.db.NewBuildspace(t, "lib")
	s.db.Iterate(t, b, storetest.Plan("lib"))
	c := s.db.Claim(t, "w1")
	s.append(t, c, 0, "cc\n")
	s.db.Finish(t, c)
	s.db.Clock.Advance(24 * time.Hour)
	s.db.Iterate(t, b, storetest.Plan("other"))
	return s, k
}

func TestAnIterationIsPinnedArchivedAndDeletedByForms(t *testing.T) {
	t.Parallel()
	s, k := keeping(t)
	const page = "/buildspaces/lib/1"
	do := func(what string, status int, to string) {
		t.Helper()
		if a := s.post(t, page+"/"+what, url.Values{}); a.status != status || a.header.Get("Location") != to {
			t.Errorf("%s: %d to %q, want %d to %q", what, a.status, a.header.Get("Location"), status, to)
		}
	}
	s.get(t, page).wants(t, "main", "What is kept", "Packages until 1 April 2026", "Logs until 29 August 2026", "Archive lib #1? 1 package (", "Delete lib #1? 1 package (")
	do("pin", http.StatusSeeOther, page)
	s.get(t, page).wants(t, "body", "lib #1 is pinned", "Pinned: nothing of it is removed.", "Cannot be archived: it is pinned; unpin it first.")
	do("archive", http.StatusConflict, "")
	do("unpin", http.StatusSeeOther, page)
	s.get(t, "/buildspaces/lib/2").wants(t, "main", "It is the iteration that is worked on", "Cannot be deleted: it is the one that is being built")

	build := s.get(t, page).Find(`main a[href^="/builds/"]`).First().AttrOr("href", "")
	do("archive", http.StatusSeeOther, page)
	if err := k.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	stay, err := s.db.Stay(t.Context(), k.Policy, "lib", 1, s.db.Clock.Now())
	if err != nil || stay.RemovedBy == "" || stay.RemovedBy == buildbtw.System {
		t.Fatalf("%+v, %v", stay, err)
	}
	removed := "removed on 2 March 2026 by " + stay.RemovedBy
	s.get(t, page).wants(t, "main", "Packages "+removed)
	s.get(t, build).wants(t, "main", "The packages of lib #1 were "+removed+".")
	if links := s.get(t, build).Find("main a[download]").Length(); links > 0 {
		t.Errorf("%d packages can still be downloaded", links)
	}
	for _, path := range []string{"/repo/lib_1/", "/repo/lib_1/os/x86_64/lib.db", "/repo/latest/lib/os/x86_64/lib.db", "/api/v1" + build + "/packages/lib-1.0-1-x86_64.pkg.tar.zst"} {
		if a := s.get(t, path); a.status != http.StatusNotFound || !strings.Contains(a.body, "the packages of lib #1 were "+removed) {
			t.Errorf("%s: %d\n%s", path, a.status, a.body)
		}
	}

	entries, _, err := s.db.Audit(t.Context(), stay.RemovedBy, "", 0)
	must(t, err)
	var audited []string
	for _, e := range entries {
		audited = append(audited, e.Action+" "+e.Object)
	}
	if got := strings.Join(audited, ", "); got != "archive buildspace lib#1, unpin buildspace lib#1, pin buildspace lib#1" {
		t.Errorf("the audit has %s", got)
	}

	// By age.
	s.get(t, build+"/log").wants(t, "main", "cc")
	s.db.Clock.Advance(181 * 24 * time.Hour)
	if err := k.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.get(t, build).wants(t, "main", "The logs of lib #1 were removed on 30 August 2026 because this server keeps none so old.")
	if a := s.get(t, build+"/log"); a.status != http.StatusNotFound || !strings.Contains(a.Text(), "the logs of lib #1 were removed on") {
		t.Errorf("the log: %d", a.status)
	}
	do("delete", http.StatusSeeOther, "/buildspaces/lib")
	if a := s.get(t, page); a.status != http.StatusNotFound {
		t.Errorf("it is still there: %d", a.status)
	}
	do("pin", http.StatusNotFound, "")
}

func TestTheDiskPageSaysWhatIsKeptAndWhatGoesNext(t *testing.T) {
	t.Parallel()
	s, k := keeping(t)
	s.get(t, "/disk").wants(t, "main", "Nothing is measured yet", "Nothing is old enough.", "1 iteration of each buildspace stay whole", "There was none since the start")
	s.db.Clock.Advance(40 * 24 * time.Hour)
	s.get(t, "/disk").wants(t, "main", "lib #1 packages and repositories 1")
	if err := k.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.get(t, "/disk").wants(t, "main", "Database", "2 iterations, 1 of them without packages.", "Nothing is old enough.", "has removed 1 repository")
	for _, form := range []url.Values{{}, {"repositories": {"-1"}, "logs": {"0"}}, {"repositories": {"0"}, "logs": {"x"}}} {
		if a := s.post(t, "/retention/remove-orphans", form); a.status != http.StatusUnprocessableEntity {
			t.Errorf("%v: %d", form, a.status)
		}
	}
	if a := s.post(t, "/retention/remove-orphans", url.Values{"repositories": {"1"}, "logs": {"0"}}); a.status != http.StatusConflict || !strings.Contains(a.Text(), "0 repositories and 0 logs are there now") {
		t.Errorf("others than were seen: %d %s", a.status, a.Text())
	}
}
