package apiv1_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/catalog"
	"buildbtw/handlers"
	"buildbtw/handover"
	"buildbtw/pacman/baserepo"
	"buildbtw/release/check"
)

// withBase gives a server a base repository with these packages: each is the fields of its
// desc, "NAME a VERSION 1-1 DEPENDS b".
func withBase(t *testing.T, packages ...string) func(*handlers.Deps) {
	t.Helper()
	dir := t.TempDir()
	writeDatabase(t, filepath.Join(dir, "core.db"), packages)
	writeFileLists(t, dir, packages)
	base, err := baserepo.Open(filepath.Join(dir, "copies"), []baserepo.Repo{{Name: "core", URL: "file://" + dir}}, baserepo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range base.Refresh(t.Context()) {
		if r.Packages != len(packages) {
			t.Fatalf("the base has %d packages: %s", r.Packages, r.Warning)
		}
	}
	return func(d *handlers.Deps) {
		c := d.Catalog.Config
		c.Bases = baserepo.Bases{"x86_64": base}
		d.Catalog = catalog.New(c)
		if err := d.Catalog.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d.Handover, err = handover.New(t.Context(), handoverConfig(d.Catalog)); err != nil {
			t.Fatal(err)
		}
	}
}

// writeDatabase writes a database of packages as withBase takes them.
func writeDatabase(t *testing.T, path string, packages []string) {
	t.Helper()
	var archive bytes.Buffer
	z := gzip.NewWriter(&archive)
	w := tar.NewWriter(z)
	for _, p := range packages {
		words := strings.Fields(p)
		var desc strings.Builder
		for i := 0; i < len(words); i += 2 {
			fmt.Fprintf(&desc, "%%%s%%\n%s\n\n", words[i], words[i+1])
		}
		fmt.Fprintf(&desc, "%%ARCH%%\nx86_64\n\n%%FILENAME%%\n%s-%s-x86_64.pkg.tar.zst\n\n", words[1], words[3])
		if err := w.WriteHeader(&tar.Header{Name: words[1] + "-" + words[3] + "/desc", Mode: 0o644, Size: int64(desc.Len())}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(desc.String())); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, archive.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// writeFileLists writes core.files for packages some of which have files: "… FILES usr/bin/a".
func writeFileLists(t *testing.T, dir string, packages []string) {
	t.Helper()
	if !strings.Contains(strings.Join(packages, " "), " FILES ") {
		return
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, p := range packages {
		words := strings.Fields(p)
		lines := []string{"%FILES%", "usr/"}
		for i := 0; i < len(words); i += 2 {
			if words[i] == "FILES" {
				lines = append(lines, words[i+1])
			}
		}
		text := strings.Join(lines, "\n") + "\n"
		if err := w.WriteHeader(&tar.Header{Name: words[1] + "-" + words[3] + "/files", Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "core.files"), archive.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestAFileOfAnotherPackageOfTheBaseHoldsANewOne(t *testing.T) {
	t.Parallel()
	const file = "usr/share/beta/content"
	for owner, held := range map[string]bool{"other": true, "beta": false} { // a package may keep its own files
		files := map[string]string{"other": "usr/bin/other", "beta": "usr/bin/beta"}
		files[owner] = file
		s := newServer(t, withBase(t, "NAME libalpha VERSION 0.9-1 FILES usr/lib/a", "NAME beta VERSION 1.0-1 FILES "+files["beta"], "NAME other VERSION 1.1-1 FILES "+files["other"]))
		s.space("work", "libalpha")
		s.buildWith("2")
		var r api.Release
		s.call("GET", "/buildspaces/work/iterations/1/release", nil, http.StatusOK, &r)
		if r.FilesUnknown != 0 {
			t.Errorf("%s: files of %d packages are not known", owner, r.FilesUnknown)
		}
		if !held {
			if len(r.Goes) != 2 {
				t.Errorf("its own: %+v", r)
			}
			continue
		}
		if len(r.Held) != 1 || r.Held[0].Kind != "files" || r.Held[0].Pkgbase != "beta" || r.Held[0].Dependency != file {
			t.Errorf("of another: %+v", r)
		}
	}
}

func TestReleaseNamesWhatCanGoAndWhyTheRestCannot(t *testing.T) {
	t.Parallel()
	s := newServer(t, withBase(t,
		"NAME libalpha VERSION 0.9-1 PROVIDES libalpha.so=1-64", "NAME beta VERSION 1.0-1 DEPENDS libalpha.so=1-64", "NAME other VERSION 1-1 DEPENDS libalpha.so=1-64"))
	s.space("work", "libalpha")
	get := func() (r api.Release) {
		t.Helper()
		s.call("GET", "/buildspaces/work/iterations/latest/release", nil, http.StatusOK, &r)
		return r
	}
	r := get()
	if len(r.Goes) != 0 || len(r.Held) != 2 || r.Held[1].Kind != "not built" || !r.Held[1].Changeset || r.Held[1].Reason != "its build has not begun" {
		t.Errorf("before anything is built: %+v", r)
	}
	s.buildWith("2")
	r = get()
	if len(r.Goes) != 0 || len(r.Held) != 2 || !r.Proven || r.LinksUnknown != 3 {
		t.Fatalf("with a user outside the set: %+v", r)
	}
	beta, lib := r.Held[0], r.Held[1]
	if lib.Reason != "other 1-1 in the repositories needs libalpha.so=1-64, which would be gone, and was not rebuilt" || lib.Root != "other" || lib.RootKind != "" ||
		beta.Reason != "its beta 2.0-1 needs libalpha.so=2-64, which only the new libalpha has" || beta.Via != "libalpha" || beta.Root != "other" {
		t.Errorf("held: %+v", r.Held)
	}
	if len(r.Changesets) != 1 || r.Changesets[0].Needs != 2 || len(r.Changesets[0].Missing) != 1 || r.Changesets[0].Missing[0].Pkgbase != "other" {
		t.Errorf("changesets: %+v", r.Changesets)
	}
	ways := map[string]int{}
	for _, w := range r.WaysOut {
		ways[w.Do+" "+strings.Join(w.Names, " ")] = w.Frees
	}
	for _, want := range []string{"fix other", "break other", "drop other", "compat libalpha.so=1-64"} {
		if ways[want] != 2 {
			t.Errorf("the ways out are %v, without %s", ways, want)
		}
	}
	page := s.fetch(s.url + "/buildspaces/work/1/release")
	for _, want := range []string{"0 of 2 sources can go", "needs 2 sources to go together; 1 is missing: other (not in the set)", "Nothing can go to stable", beta.Reason} {
		if page.StatusCode != http.StatusOK || !strings.Contains(string(page.body), want) {
			t.Errorf("the page, %s, lacks %q", page.Status, want)
		}
	}
	if got := string(s.fetch(s.url + "/buildspaces/work/1/release?names=held").body); got != "beta\nlibalpha\n" {
		t.Errorf("the names of what is held: %q", got)
	}
	if got := s.fetch(s.url + "/buildspaces/work/1/release?names=all"); got.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a list that is not there: %s", got.Status)
	}
}

// TestAFindingOfABlockingCheckHoldsAUnit has a base whose beta had files of which the new one has
// none, and whose libalpha depended on something else.
func TestAFindingOfABlockingCheckHoldsAUnit(t *testing.T) {
	t.Parallel()
	base := withBase(t, "NAME libalpha VERSION 0.9-1 DEPENDS glibc FILES usr/share/libalpha/content", "NAME beta VERSION 1.0-1 DEPENDS libalpha.so=2-64 FILES usr/bin/beta", "NAME glibc VERSION 1-1 FILES usr/lib/libc.so.6")
	s := newServer(t, func(d *handlers.Deps) {
		base(d)
		c := d.Catalog.Config
		c.Checks = check.Policy{check.Files: check.Blocking, check.Size: check.Off, check.Dependencies: check.Blocking}
		c.TargetChecks = map[string]check.Policy{"stable": {check.Files: check.Blocking, check.Size: check.Off}}
		d.Catalog = catalog.New(c)
		if err := d.Catalog.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	s.space("work", "libalpha")
	s.buildWith("2")
	var r api.Release
	s.call("GET", "/buildspaces/work/iterations/1/release", nil, http.StatusOK, &r)
	if len(r.Held) != 1 || r.Held[0].Kind != "check" || r.Held[0].Reason != "the check files blocks: beta: usr/bin/beta" || len(r.Held[0].Checks) != 1 || !r.Held[0].Checks[0].Blocks {
		t.Errorf("held: %+v", r.Held)
	}
	if len(r.Goes) != 1 || len(r.Goes[0].Checks) != 1 || r.Goes[0].Checks[0].Kind != "dependencies" || r.Goes[0].Checks[0].Blocks {
		t.Errorf("goes: %+v", r.Goes)
	}
	var b api.BuildDetail
	s.call("GET", "/builds/"+r.Held[0].Build, nil, http.StatusOK, &b)
	outcomes := map[string]string{}
	for _, c := range b.Checks {
		outcomes[c.Kind] = c.Outcome
	}
	want := map[string]string{
		"sonames": "ok", "dependencies": "ok", "files": "found", "setuid": "ok", "install": "ok", "links": "ok", "owners": "ok", "empty": "ok", "debug": "ok", "namcap": "unknown",
	}
	if !maps.Equal(outcomes, want) {
		t.Errorf("checks of beta: %v; want %v; %+v", outcomes, want, b.Checks)
	}
	page := string(s.fetch(s.url + "/builds/" + r.Held[0].Build).body)
	for _, want := range []string{"Compared with what users have", "stable (beta 1.0-1)", "beta: usr/bin/beta", "blocks its release"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page of the build lacks %q", want)
		}
	}
	if page := string(s.fetch(s.url + "/buildspaces/work/1/release").body); !strings.Contains(page, "Checks found something in 2 sources") {
		t.Error("the page of the release does not say what checks found")
	}
}

func TestWaiversChangeWhatGoes(t *testing.T) {
	t.Parallel()
	s := newServer(t, withBase(t,
		"NAME libalpha VERSION 0.9-1 PROVIDES libalpha.so=1-64", "NAME beta VERSION 1.0-1 DEPENDS libalpha.so=1-64", "NAME other VERSION 1-1 DEPENDS libalpha.so=1-64"))
	s.space("work", "libalpha")
	s.buildWith("2")
	const path = "/buildspaces/work/waivers"
	goes := func() (r api.Release) {
		t.Helper()
		s.call("GET", "/buildspaces/work/iterations/latest/release", nil, http.StatusOK, &r)
		return r
	}
	waive := func(kind buildbtw.WaiverKind, names ...string) []api.Waiver {
		t.Helper()
		var page api.Page[api.Waiver]
		s.call("POST", path, api.NewWaiver{Kind: kind, Names: names, Reason: "nobody uses it"}, http.StatusCreated, &page)
		return page.Items
	}
	dropped := waive("drop", "other") // stays in the base, broken
	r := goes()
	if len(r.Goes) != 2 || len(r.Leaves) != 0 || len(r.Waivers) != 1 || r.Waivers[0].Words != "drops other" || r.Waivers[0].By == "" {
		t.Errorf("with other dropped: %+v", r)
	}
	held := waive("hold", "beta")
	if r := goes(); len(r.Goes) != 0 || r.Held[0].Kind != "by hand" {
		t.Errorf("with beta held: %+v", r)
	}
	page := string(s.fetch(s.url + "/buildspaces/work/1/release").body)
	for _, want := range []string{"holds beta", "nobody uses it"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	s.wantProblem(s.call("POST", path, api.NewWaiver{Kind: "hold", Names: []string{"beta"}, Reason: "x"}, http.StatusConflict, nil), http.StatusConflict, "already")
	s.wantProblem(s.call("POST", path, api.NewWaiver{Kind: "hold", Names: []string{"bta"}, Reason: "x"}, http.StatusNotFound, nil), http.StatusNotFound, "did you mean beta?")
	s.wantProblem(s.call("POST", path, api.NewWaiver{Kind: "drop", Names: []string{"oter"}, Reason: "x"}, http.StatusNotFound, nil), http.StatusNotFound, "did you mean other?")
	s.wantProblem(s.call("POST", path, api.NewWaiver{Kind: "hold", Names: []string{"beta"}}, http.StatusUnprocessableEntity, nil), http.StatusUnprocessableEntity, "reason")
	s.call("DELETE", path+"/"+held[0].ID, nil, http.StatusNoContent, nil)
	s.call("DELETE", path+"/"+dropped[0].ID, nil, http.StatusNoContent, nil)
	s.wantProblem(s.call("DELETE", path+"/"+held[0].ID, nil, http.StatusNotFound, nil), http.StatusNotFound, "no waiver")
	var page2 api.Page[api.Waiver]
	s.call("GET", path, nil, http.StatusOK, &page2)
	if r := goes(); len(page2.Items) != 0 || len(r.Held) != 2 || len(r.Waivers) != 0 {
		t.Errorf("with no waivers any more: %+v, %+v", page2, r)
	}
}

func TestReleaseOfAllUsersGoesWhole(t *testing.T) {
	t.Parallel()
	s := newServer(t, withBase(t, "NAME libalpha VERSION 0.9-1 PROVIDES libalpha.so=1-64", "NAME beta VERSION 1.0-1 DEPENDS libalpha.so=1-64"))
	s.space("work", "libalpha")
	s.buildWith("2")
	var r api.Release
	s.call("GET", "/buildspaces/work/iterations/1/release", nil, http.StatusOK, &r)
	if len(r.Held) != 0 || len(r.Goes) != 2 || r.Goes[0].Pkgbase != "beta" || r.Goes[0].Version != "2.0-1" || len(r.Goes[0].Pkgnames) != 1 || r.AtMost != 2 {
		t.Errorf("released: %+v", r)
	}
}

// TestAReleaseNamesPairsThatConflictNewly has a package of the base refuse the new library.
func TestAReleaseNamesPairsThatConflictNewly(t *testing.T) {
	t.Parallel()
	s := newServer(t, withBase(t, "NAME libalpha VERSION 0.9-1", "NAME beta VERSION 1.0-1 DEPENDS libalpha", "NAME old VERSION 3-1 CONFLICTS libalpha>=1"))
	s.space("work", "libalpha")
	s.buildWith("2")
	var r api.Release
	s.call("GET", "/buildspaces/work/iterations/1/release", nil, http.StatusOK, &r)
	want := []api.Apart{{View: "x86_64", One: "libalpha 1.0-1", Other: "old 3-1"}}
	if len(r.Goes) != 2 || !slices.Equal(r.Apart, want) || r.AllApart != 1 {
		t.Errorf("goes %+v, apart %+v of %d", r.Goes, r.Apart, r.AllApart)
	}
	page := string(s.fetch(s.url + "/buildspaces/work/1/release").body)
	for _, words := range []string{"Cannot be installed together any more", "libalpha 1.0-1 and old 3-1"} {
		if !strings.Contains(page, words) {
			t.Errorf("the page lacks %q", words)
		}
	}
}

// TestReleaseWithoutABase looks only at what was built here.
func TestReleaseWithoutABase(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	s.buildWith("2")
	var r api.Release
	s.call("GET", "/buildspaces/work/iterations/1/release", nil, http.StatusOK, &r)
	if !r.NoBase || len(r.Goes) != 2 || r.Target != "stable" || r.Digest == "" {
		t.Errorf("without a base: %+v", r)
	}
	var today api.TargetCheck
	s.call("GET", "/targets/stable/check", nil, http.StatusOK, &today)
	page := string(s.fetch(s.url + "/targets/stable/check").body)
	if !today.NoBase || !strings.Contains(page, "no base repositories") || strings.Contains(page, "Users can install every package") {
		t.Errorf("the check of a target without a base: %+v, %s", today, page)
	}
	s.wantProblem(s.call("GET", "/buildspaces/work/iterations/1/release?target=none", nil, http.StatusNotFound, nil), http.StatusNotFound, "none")
	s.wantProblem(s.call("GET", "/buildspaces/none/iterations/1/release", nil, http.StatusNotFound, nil), http.StatusNotFound, "none")
}
