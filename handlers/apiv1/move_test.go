package apiv1_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/handlers"
	"buildbtw/handover"
)

// TestWhatTestingHasIsReleasedToStable goes through the page and the API.
func TestWhatTestingHasIsReleasedToStable(t *testing.T) {
	t.Parallel()
	base := withBase(t, "NAME libalpha VERSION 0.9-1 PROVIDES libalpha.so=1-64", "NAME beta VERSION 1.0-1 DEPENDS libalpha.so=1-64")
	s := newServer(t, func(d *handlers.Deps) {
		base(d)
		c := handoverConfig(d.Catalog)
		c.Targets = []buildbtw.Target{{Name: "stable", Kind: buildbtw.TargetServed}, {Name: "testing", Kind: buildbtw.TargetServed, After: "stable"}}
		var err error
		if d.Handover, err = handover.New(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	})
	s.must(s.handover.Advance(t.Context()))
	s.space("work", "libalpha")
	s.buildWith("2")
	var r api.StoredRelease
	release := func(from, to string) {
		t.Helper()
		var set api.Release
		s.call("GET", from+"/release?target="+to, nil, http.StatusOK, &set)
		s.call("POST", from+"/releases", api.NewRelease{Target: to, Digest: set.Digest}, http.StatusCreated, &r)
		s.must(s.handover.Advance(t.Context()))
		s.call("GET", "/releases/"+r.ID, nil, http.StatusOK, &r)
		if r.State != "released" || r.Units != 2 {
			t.Fatalf("from %s to %s: %+v", from, to, r)
		}
	}
	release("/buildspaces/work/iterations/1", "testing")

	var set api.Release
	s.call("GET", "/targets/testing/release", nil, http.StatusOK, &set) // to the one behind it
	if set.From != "testing" || set.Target != "stable" || set.Buildspace != "" || len(set.Goes) != 2 || set.Goes[0].Build == "0" || set.Goes[0].Version != "2.0-1" {
		t.Errorf("what could go: %+v", set)
	}
	look := func(path string) answer {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
		s.must(err)
		request.Header.Set("Authorization", "Bearer "+adminToken)
		return s.do(request)
	}
	page := string(look("/targets/testing/release").body)
	for _, want := range []string{"2 of 2 sources can go", "of testing", "Release 2 packages to stable", `action="/targets/testing/release"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if got := string(s.fetch(s.url + "/targets/testing/release?names=goes").body); got != "beta\nlibalpha\n" {
		t.Errorf("as names: %q", got)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/targets/testing/release",
		strings.NewReader(url.Values{"target": {"stable"}, "digest": {"of before"}, "shown": {"beta 1.0-1"}}.Encode()))
	s.must(err)
	request.Header.Set("Authorization", "Bearer "+adminToken)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	refused := s.do(request)
	if refused.StatusCode != http.StatusConflict || !strings.Contains(string(refused.body), "has changed since you looked") {
		t.Errorf("another set was shown: %s", refused.Status)
	}
	for path, status := range map[string]int{"/targets/none/release": http.StatusNotFound, "/targets/stable/release": http.StatusUnprocessableEntity, "/targets/testing/release?target=none": http.StatusNotFound} {
		s.call("GET", path, nil, status, nil)
	}

	release("/targets/testing", "stable")
	if r.From != "testing" || r.Buildspace != "" || !slices.Contains(r.Goes[0].Pkgnames, "beta") {
		t.Errorf("released: %+v", r)
	}
	for path, words := range map[string]string{
		"/releases/" + r.ID: "testing gets its packages back", "/targets/testing": "Release " + r.ID, "/targets/stable": "beta-2.0-1-x86_64.pkg.tar.zst", "/activity": "released 2 packages to stable",
	} {
		if got := look(path); got.StatusCode != http.StatusOK || !strings.Contains(string(got.body), words) {
			t.Errorf("%s: %s, without %q", path, got.Status, words)
		}
	}
	var testing api.TargetDetail
	s.call("GET", "/targets/testing", nil, http.StatusOK, &testing)
	if testing.Packages != 0 || len(testing.Releases) != 2 {
		t.Errorf("testing: %+v", testing)
	}
	s.call("PATCH", "/releases/"+r.ID, api.EditRelease{State: "withdrawn"}, http.StatusOK, &r)
	s.call("GET", "/targets/testing", nil, http.StatusOK, &testing)
	if testing.Packages != 2 || r.State != "withdrawn" {
		t.Errorf("withdrawn: %+v, %+v", r, testing)
	}
}
