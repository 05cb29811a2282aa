package apiv1_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"buildbtw/api"
)

// released makes a server on which two packages can go, and hands them over.
func released(t *testing.T) (s *server, r api.StoredRelease) {
	t.Helper()
	s = newServer(t, withBase(t, "NAME libalpha VERSION 0.9-1 PROVIDES libalpha.so=1-64", "NAME beta VERSION 1.0-1 DEPENDS libalpha.so=1-64"))
	s.must(s.handover.Advance(t.Context()))
	s.space("work", "libalpha")
	s.buildWith("2")
	var set api.Release
	s.call("GET", "/buildspaces/work/iterations/1/release", nil, http.StatusOK, &set)
	s.call("POST", "/buildspaces/work/iterations/1/releases", api.NewRelease{Digest: set.Digest}, http.StatusCreated, &r)
	if r.State != "handing-over" || r.Units != 2 || len(r.Goes) != 2 || r.CreatedBy != "anna" {
		t.Fatalf("created as %+v", r)
	}
	s.must(s.handover.Advance(t.Context()))
	s.call("GET", "/releases/"+r.ID, nil, http.StatusOK, &r)
	if r.State != "released" || r.FinishedAt == nil {
		t.Fatalf("handed over: %+v", r)
	}
	return s, r
}

// TestAFileOfAPackageThatATargetHasHoldsANewOne: beta in the target has the file that a package of
// another buildspace and name has, too.
func TestAFileOfAPackageThatATargetHasHoldsANewOne(t *testing.T) {
	t.Parallel()
	s, _ := released(t)
	const file = "usr/share/beta/content"
	s.git("other", map[string]string{
		"PKGBUILD": "pkgname=other\npkgver=1\npkgrel=1\narch=(x86_64)\n", ".fake": "file=" + file + "\n",
		".SRCINFO": "pkgbase = other\n\tpkgver = 1\n\tpkgrel = 1\n\tarch = x86_64\n\npkgname = other\n",
	})
	_, err := s.mirror.SyncDir(t.Context(), s.sources)
	s.must(err)
	s.must(s.catalog.Refresh(t.Context()))
	s.space("second", "other")
	s.buildWith("2")
	var r api.Release
	s.call("GET", "/buildspaces/second/iterations/1/release", nil, http.StatusOK, &r)
	if len(r.Held) != 1 || r.Held[0].Kind != "files" || r.Held[0].Reason != "beta 2.0-1 has /"+file+", too" {
		t.Errorf("%+v", r)
	}
}

func TestATargetServesWhatWasReleased(t *testing.T) {
	t.Parallel()
	s, r := released(t)
	const repo = "/repo/target/stable/os/x86_64/"
	first := s.fetch(s.url + repo + "stable.db")
	if first.StatusCode != http.StatusOK || first.Header.Get("Cache-Control") != "no-cache" {
		t.Fatal(first.Status)
	}
	if got := s.fetch(s.url + repo + "beta-2.0-1-x86_64.pkg.tar.zst"); got.StatusCode != http.StatusOK {
		t.Error(got.Status)
	}
	since := func(of answer) answer {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+repo+"stable.db", nil)
		s.must(err)
		request.Header.Set("If-Modified-Since", of.Header.Get("Last-Modified"))
		return s.do(request)
	}
	if got := since(first); got.StatusCode != http.StatusNotModified {
		t.Errorf("nothing has changed: %s", got.Status)
	}
	var detail api.TargetDetail
	s.call("GET", "/targets/stable", nil, http.StatusOK, &detail)
	if detail.Generation != 2 || detail.Packages != 2 || len(detail.Generations) != 2 || len(detail.Releases) != 1 || detail.Generations[0].Release != r.ID ||
		!strings.Contains(detail.PacmanConf, "[stable]") || !strings.Contains(detail.PacmanConf, s.url+"/repo/target/stable/os/$arch") {
		t.Errorf("%+v", detail)
	}
	for path, words := range map[string]string{
		"/targets": "stable", "/targets/stable": "beta-2.0-1-x86_64.pkg.tar.zst", "/repo/target/stable": "Generations", "/repo/target/stable/os/x86_64/": "libalpha-1.0-1-x86_64.pkg.tar.zst",
		"/releases/" + r.ID: "2 sources in it", "/buildspaces/work/1/release": "2 sources of work #1", "/activity": "released 2 packages to stable",
	} {
		if got := s.fetch(s.url + path); got.StatusCode != http.StatusOK || !strings.Contains(string(got.body), words) {
			t.Errorf("%s: %s, without %q", path, got.Status, words)
		}
	}
	for _, path := range []string{"/repo/target/none/os/x86_64/none.db", repo + "none.pkg.tar.zst", "/targets/none", "/releases/99", "/releases/x", "/repo/target/stable/os/mips"} {
		if got := s.fetch(s.url + path); got.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, got.Status)
		}
	}

	var withdrawn api.StoredRelease
	s.call("PATCH", "/releases/"+r.ID, api.EditRelease{State: "withdrawn"}, http.StatusOK, &withdrawn)
	second := since(first)
	if withdrawn.State != "withdrawn" || second.StatusCode != http.StatusOK || !later(t, second, first) {
		t.Errorf("withdrawn as %s; the database: %s, of %s", withdrawn.State, second.Status, second.Header.Get("Last-Modified"))
	}
	if got := s.fetch(s.url + repo + "beta-2.0-1-x86_64.pkg.tar.zst"); got.StatusCode != http.StatusOK {
		t.Errorf("who holds the older database: %s", got.Status)
	}
	s.wantProblem(s.call("PATCH", "/releases/"+r.ID, api.EditRelease{State: "withdrawn"}, http.StatusConflict, nil), http.StatusConflict, "is withdrawn")
	s.wantProblem(s.call("PATCH", "/releases/"+r.ID, api.EditRelease{State: "failed"}, http.StatusUnprocessableEntity, nil), http.StatusUnprocessableEntity, "withdrawn")
	var check api.TargetCheck
	s.call("GET", "/targets/stable/check", nil, http.StatusOK, &check)
	if len(check.Broken) != 0 {
		t.Errorf("broken: %+v", check)
	}
}

func later(t *testing.T, a, b answer) bool {
	t.Helper()
	x, errX := time.Parse(http.TimeFormat, a.Header.Get("Last-Modified"))
	y, errY := time.Parse(http.TimeFormat, b.Header.Get("Last-Modified"))
	return errX == nil && errY == nil && x.After(y)
}

func TestAnotherSetThanTheShownOneIsRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t, withBase(t, "NAME libalpha VERSION 0.9-1"))
	s.space("work", "libalpha")
	s.buildWith("2")
	old := api.NewRelease{Digest: "of before", Shown: []string{"beta 2.0-1", "gone 1-1"}}
	s.wantProblem(s.call("POST", "/buildspaces/work/iterations/latest/releases", old, http.StatusConflict, nil), http.StatusConflict, "libalpha 1.0-1 can go, too", "gone 1-1 cannot go any more", "Nothing was released")
	page := func(form url.Values) answer {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/buildspaces/work/1/release", strings.NewReader(form.Encode()))
		s.must(err)
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Authorization", "Bearer "+adminToken)
		return s.do(request)
	}
	got := page(url.Values{"target": {"stable"}, "digest": {"of before"}, "shown": {"beta 2.0-1\r\ngone 1-1"}})
	if got.StatusCode != http.StatusConflict || !strings.Contains(string(got.body), "libalpha 1.0-1 can go, too; gone 1-1 cannot go any more") {
		t.Errorf("%s\n%s", got.Status, got.body)
	}
	if got := page(url.Values{}); got.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a form without a set: %s", got.Status)
	}
	// A stranger sees what could go and no button, and cannot send the form either.
	if got := s.fetch(s.url + "/buildspaces/work/1/release"); !strings.Contains(string(got.body), "You cannot release them") || strings.Contains(string(got.body), `name="digest"`) {
		t.Error("a stranger is offered to release")
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/buildspaces/work/1/release", nil)
	s.must(err)
	if got := s.do(request); got.StatusCode != http.StatusUnauthorized {
		t.Errorf("a stranger: %s", got.Status)
	}
	// Computed only, confirmed later.
	var r api.StoredRelease
	s.call("POST", "/buildspaces/work/iterations/1/releases", api.NewRelease{}, http.StatusCreated, &r)
	if r.State != "checked" {
		t.Errorf("%+v", r)
	}
	s.wantProblem(s.call("PATCH", "/releases/"+r.ID, api.EditRelease{State: "handing-over", Digest: "x"}, http.StatusConflict, nil), http.StatusConflict, "another one")
	s.call("PATCH", "/releases/"+r.ID, api.EditRelease{State: "handing-over", Digest: r.Digest}, http.StatusOK, &r)
	if r.State != "handing-over" || r.ConfirmedBy != "anna" {
		t.Errorf("%+v", r)
	}
}

// TestAMachineUpgradesFromATarget with real pacman.
func TestAMachineUpgradesFromATarget(t *testing.T) {
	t.Parallel()
	s, _ := released(t)
	var target api.TargetDetail
	s.call("GET", "/targets/stable", nil, http.StatusOK, &target)
	m := s.machine(t, target.PacmanConf)
	m.installed("pacman -Sy beta", "beta 2.0-1", "libalpha 1.0-1")
}
