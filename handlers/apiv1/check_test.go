package apiv1_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/handlers"
	"buildbtw/handover"
)

// withTesting makes a server with a base and two targets, testing before stable.
func withTesting(t *testing.T, packages ...string) *server {
	t.Helper()
	base := withBase(t, packages...)
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
	return s
}

// releaseAll hands over all that can go.
func (s *server) releaseAll(from, to string) {
	s.t.Helper()
	var set api.Release
	var r api.StoredRelease
	s.call("GET", from+"/release?target="+to, nil, http.StatusOK, &set)
	s.call("POST", from+"/releases", api.NewRelease{Target: to, Digest: set.Digest}, http.StatusCreated, &r)
	s.must(s.handover.Advance(s.t.Context()))
	s.call("GET", "/releases/"+r.ID, nil, http.StatusOK, &r)
	if r.State != "released" {
		s.t.Fatalf("from %s to %s: %+v", from, to, r)
	}
}

// TestABuildIsComparedWithWhatUsersOfEachTargetHave builds libalpha 1.1, where users of testing have
// 1.0 of it, which was built here, and those of stable 0.9 of the base, with a file that 1.0 has
// lost already.
func TestABuildIsComparedWithWhatUsersOfEachTargetHave(t *testing.T) {
	t.Parallel()
	s := withTesting(t, "NAME libalpha VERSION 0.9-1 FILES usr/bin/alpha-config", "NAME beta VERSION 1.0-1 FILES usr/share/beta/content")
	s.space("first", "libalpha")
	s.buildWith("2")
	s.releaseAll("/buildspaces/first/iterations/1", "testing")

	s.addSource("libalpha", "1.1-1", "")
	_, err := s.mirror.SyncDir(t.Context(), s.sources)
	s.must(err)
	s.must(s.catalog.Refresh(t.Context()))
	s.space("second", "libalpha")
	s.buildWith("3")

	// found returns what checks found in libalpha, and its build.
	found := func(target string) (lines []string, build string) {
		t.Helper()
		var r api.Release
		s.call("GET", "/buildspaces/second/iterations/1/release?target="+target, nil, http.StatusOK, &r)
		note := func(pkgbase, id string, checks []api.Check) {
			if pkgbase != "libalpha" {
				return
			}
			build = id
			for _, c := range checks {
				lines = append(lines, fmt.Sprintf("%s: %s %v", c.Kind, strings.Join(c.Lines, ", "), c.Targets))
			}
		}
		for _, u := range r.Goes {
			note(u.Pkgbase, u.Build, u.Checks)
		}
		for _, h := range r.Held {
			note(h.Pkgbase, h.Build, h.Checks)
		}
		return lines, build
	}
	const provides = "dependencies: libalpha: provides no more libalpha.so=2-64, libalpha: provides newly libalpha.so=3-64 [testing]"
	lines, build := found("testing")
	if !slices.Equal(lines, []string{provides}) {
		t.Errorf("for testing: %q", lines)
	}
	const files = "files: libalpha: usr/bin/alpha-config [stable]"
	if lines, _ := found("stable"); !slices.Contains(lines, files) || slices.Contains(lines, provides) {
		t.Errorf("for stable: %q", lines)
	}
	compared := func() string {
		t.Helper()
		var b api.BuildDetail
		s.call("GET", "/builds/"+build, nil, http.StatusOK, &b)
		var words []string
		for _, c := range b.Checks {
			if c.Kind == "files" {
				words = append(words, fmt.Sprintf("%s for %s", c.Outcome, strings.Join(c.Targets, " and ")))
			}
		}
		for _, c := range b.ComparedWith {
			words = append(words, fmt.Sprintf("%s %s %v", c.Target, strings.Join(c.Packages, ", "), c.Stale))
		}
		return strings.Join(words, "; ")
	}
	if got, want := compared(), "found for stable; ok for testing; stable libalpha 0.9-1 false; testing libalpha 1.0-1 false"; got != want {
		t.Errorf("compared:\n%s\nwant\n%s", got, want)
	}
	page := string(s.fetch(s.url + "/builds/" + build).body)
	for _, want := range []string{"Compared with stable (libalpha 0.9-1); testing (libalpha 1.0-1).", "For users of", "libalpha: usr/bin/alpha-config"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}

	// Users of stable get 1.0, too.
	s.releaseAll("/targets/testing", "stable")
	if lines, _ := found("stable"); slices.Contains(lines, files) || !slices.ContainsFunc(lines, func(l string) bool {
		return strings.HasPrefix(l, "dependencies: libalpha: provides no more libalpha.so=2-64")
	}) {
		t.Errorf("for stable, which has 1.0 by now: %q", lines)
	}
	if got, want := compared(), "ok for stable and testing; stable libalpha 1.0-1 false; testing libalpha 1.0-1 false"; got != want {
		t.Errorf("compared again:\n%s\nwant\n%s", got, want)
	}
}

func TestNamcapsReportIsACheck(t *testing.T) {
	t.Parallel()
	s := newServer(t, withBase(t, "NAME libalpha VERSION 0.9-1"))
	s.must(s.handover.Advance(t.Context()))
	s.space("work", "libalpha")
	job := s.claim()
	for line, words := range map[string]string{"libalpha I: x": "no error or warning", "libalpha E: x\ny": "no error or warning", "libalpha W: " + strings.Repeat("x", api.MaxNamcapText): "are stored"} {
		request := api.FinishRequest{Outcome: buildbtw.OutcomeFailed, Namcap: &api.Namcap{Lines: []string{line}}}
		s.wantProblem(s.call("POST", lease(job, "finish"), request, http.StatusUnprocessableEntity, nil), http.StatusUnprocessableEntity, words)
	}
	s.finishAfterNamcap(job, &api.Namcap{Lines: []string{"libalpha E: Missing license", "libalpha W: Empty"}})
	var r api.Release
	s.call("GET", "/buildspaces/work/iterations/1/release", nil, http.StatusOK, &r)
	i := slices.IndexFunc(r.Goes, func(u api.ReleaseUnit) bool { return u.Pkgbase == "libalpha" })
	if i < 0 || len(r.Goes[i].Checks) != 1 || r.Goes[i].Checks[0].Kind != "namcap" || !slices.Equal(r.Goes[i].Checks[0].Lines, []string{"libalpha: E: Missing license", "libalpha: W: Empty"}) {
		t.Errorf("goes: %+v, held: %+v", r.Goes, r.Held)
	}
}
