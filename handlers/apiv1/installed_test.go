package apiv1_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/pacman/alpm"
)

// What was installed is checked before anything is done with a report: half a list would
// tell of changes that never were.
func TestWhatWasInstalledIsChecked(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	job := s.claim()
	many, long := make([]string, api.MaxInstalled+1), make([]string, api.MaxInstalled)
	for i := range many {
		many[i] = fmt.Sprintf("p%d 1-1", i)
	}
	for i := range long {
		long[i] = fmt.Sprintf("p%d%s 1-1", i, strings.Repeat("x", 100))
	}
	for _, bad := range [][]string{many, long, {"gcc"}, {"gcc 1-1", "gcc 2-1"}, {"../gcc 1-1"}, {"gcc 1-1\nx 1-1"}, {""}} {
		s.call("POST", lease(job, "finish"), api.FinishRequest{Outcome: buildbtw.OutcomeFailed, Reason: "no", Installed: bad}, http.StatusUnprocessableEntity, nil)
	}
	var answer api.FinishAnswer
	s.call("POST", lease(job, "finish"), api.FinishRequest{Outcome: buildbtw.OutcomeFailed, Reason: "no", Installed: many[1:]}, http.StatusOK, &answer)
	if answer.Status != buildbtw.StatusFailed {
		t.Errorf("%+v", answer)
	}
}

// finishWith finishes a job as built or failed, with what was installed. Libalpha's packages
// have the library of that version.
func (s *server) finishWith(job api.Job, outcome buildbtw.Outcome, soname string, installed ...string) {
	s.t.Helper()
	request := api.FinishRequest{Outcome: outcome, Reason: "build() failed", Installed: installed}
	if outcome == buildbtw.OutcomeBuilt {
		files := s.build(job)
		for _, name := range slices.Sorted(maps.Keys(files)) {
			s.upload(job, name, files[name], digest(files[name]))
			request.Files = append(request.Files, api.File{Name: name, SHA256: digest(files[name])})
		}
	}
	s.call("POST", lease(job, "finish"), request, http.StatusOK, nil)
	for _, f := range request.Files {
		i := alpm.Interface{Pkgname: job.Pkgbase, Version: job.Version, Sonames: []string{job.Pkgbase + ".so=" + soname + "-64"}}
		s.must(s.store.SaveInterfaces(s.t.Context(), map[string]alpm.Interface{f.SHA256: i}))
	}
}

// What changed since a package was last built: changed sonames first, then what it depends on
// itself, then the rest; in whatever buildspaces the two builds were.
func TestABuildTellsWhatChangedSinceItWasLastBuilt(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("one", "libalpha")
	lib := s.claim()
	s.finishWith(lib, buildbtw.OutcomeBuilt, "1", "gcc 1-1")
	last := s.claim()
	s.finishWith(last, buildbtw.OutcomeBuilt, "0", "gcc 1-1", "libalpha 1.0-1", "meson 1.8-1", "old 1-1")

	s.addSource("libalpha", "2.0-1", "")
	_, err := s.mirror.SyncDir(t.Context(), s.sources)
	s.must(err)
	s.must(s.catalog.Refresh(t.Context()))
	fail := func(buildspace string, installed ...string) (api.Job, *api.SinceBuilt) {
		t.Helper()
		off := false // every buildspace builds its own
		s.call("POST", "/buildspaces", api.NewBuildspace{Name: buildspace, Changesets: []string{"libalpha"}, Settings: api.Settings{Reuse: &off, Bump: &off}}, http.StatusCreated, nil)
		s.iterate(buildspace)
		lib := s.claim()
		if lib.Pkgbase != "libalpha" {
			t.Fatalf("claimed %s", lib.Pkgbase)
		}
		s.finishWith(lib, buildbtw.OutcomeBuilt, "2", "gcc 1-1")
		job := s.claim()
		var d api.BuildDetail
		s.call("GET", "/builds/"+job.BuildID, nil, http.StatusOK, &d)
		if d.SinceBuilt != nil {
			t.Errorf("before its end: %+v", d.SinceBuilt)
		}
		s.finishWith(job, buildbtw.OutcomeFailed, "", installed...)
		s.call("GET", "/builds/"+job.BuildID, nil, http.StatusOK, &d)
		if d.SinceBuilt == nil || d.SinceBuilt.LastBuilt == nil || d.SinceBuilt.FirstFailure == nil {
			t.Fatalf("%+v", d.SinceBuilt)
		}
		return job, d.SinceBuilt
	}
	first, since := fail("two", "gcc 1-1", "libalpha 2.0-1", "meson 1.8-1", "old 1-1")
	want := buildbtw.PackageChange{
		Name: "libalpha", From: "1.0-1", To: "2.0-1", FromBuildspace: true, ToBuildspace: true, Direct: true,
		Sonames: []buildbtw.SonameChange{{Library: "libalpha.so", From: "1", To: "2"}},
	}
	if d := cmp.Diff([]buildbtw.PackageChange{want}, since.Packages); d != "" || since.FirstFailure.Build != first.BuildID {
		t.Errorf("%+v, %s", since.FirstFailure, d)
	}
	second, since := fail("three", "binutils 2-1", "gcc 2-1", "libalpha 2.0-1", "meson 1.9-1")
	if since.LastBuilt.Build != last.BuildID || since.LastBuilt.Buildspace != "one" || since.FirstFailure.Build != first.BuildID || since.FirstFailure.Buildspace != "two" ||
		!since.Recorded || since.Commit != since.CommitBefore || since.Commit == "" {
		t.Errorf("%+v, %+v, %+v", since, since.LastBuilt, since.FirstFailure)
	}
	later := func(name, from, to string) buildbtw.PackageChange {
		return buildbtw.PackageChange{Name: name, From: from, To: to, AfterFailure: true}
	}
	if d := cmp.Diff([]buildbtw.PackageChange{want, later("binutils", "", "2-1"), later("gcc", "1-1", "2-1"), later("meson", "1.8-1", "1.9-1"), later("old", "1-1", "")}, since.Packages); d != "" {
		t.Error(d)
	}
	if _, since = fail("four"); since.Recorded || len(since.Packages) != 0 {
		t.Errorf("not recorded: %+v", since)
	}
	page := s.fetch(s.url + "/builds/" + second.BuildID)
	for _, text := range []string{"Since it last built", "soname libalpha.so 1 → 2", "4 changed packages", "after the first failure", "Its own commit is unchanged"} {
		if !strings.Contains(string(page.body), text) {
			t.Errorf("the page does not have %q", text)
		}
	}
}
