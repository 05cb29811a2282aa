package apiv1_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"buildbtw/api"
	"buildbtw/catalog"
	"buildbtw/handlers"
	"buildbtw/handover"
	"buildbtw/pacman/baserepo"
)

// withBase gives a server a base repository with these packages: each is the fields of its
// desc, "NAME a VERSION 1-1 DEPENDS b".
func withBase(t *testing.T, packages ...string) func(*handlers.Deps) {
	t.Helper()
	dir := t.TempDir()
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
	if err := os.WriteFile(filepath.Join(dir, "core.db"), archive.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
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
	s.wantProblem(s.call("GET", "/buildspaces/work/iterations/1/release?target=none", nil, http.StatusNotFound, nil), http.StatusNotFound, "none")
	s.wantProblem(s.call("GET", "/buildspaces/none/iterations/1/release", nil, http.StatusNotFound, nil), http.StatusNotFound, "none")
}
