package handlers_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"buildbtw"
	"buildbtw/handlers"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/baserepo"
	"buildbtw/store/storetest"
)

// withBase gives the server a base repository that has lib and glibc, and two
// packages that link with lib.
func withBase(t testing.TB) func(*handlers.Deps) {
	t.Helper()
	dir := t.TempDir()
	var packages, lists []string
	for name, depends := range map[string]string{
		"lib": "libz.so=1-64\nbash", "glibc": "libz.so=1-64\nbash", "viewer": "liblib.so=1-64", "app": "liblib.so=1-64",
	} {
		packages = append(packages, name+"-0.9-1/desc", fmt.Sprintf(
			"%%FILENAME%%\n%[1]s-0.9-1-x86_64.pkg.tar.zst\n\n%%NAME%%\n%[1]s\n\n%%BASE%%\n%[1]s\n\n%%VERSION%%\n0.9-1\n\n%%ARCH%%\nx86_64\n\n%%DEPENDS%%\n%[2]s\n\n", name, depends))
		lists = append(lists, name+"-0.9-1/files", fmt.Sprintf("%%FILES%%\nusr/lib/lib%[1]s.so.0\n", name))
	}
	writeTar(t, filepath.Join(dir, "core.db"), packages)
	writeTar(t, filepath.Join(dir, "core.files"), append(packages, lists...))
	base, err := baserepo.Open(t.TempDir(), []baserepo.Repo{{Name: "core", URL: "file://" + dir}}, baserepo.Options{Architecture: "x86_64"})
	must(t, err)
	for _, r := range base.Refresh(t.Context()) {
		if r.Warning != "" {
			t.Fatalf("%s: %s", r.Repo, r.Warning)
		}
	}
	return func(d *handlers.Deps) { d.Catalog.Bases = baserepo.Bases{"x86_64": base} }
}

// writeTar writes pairs of name and text.
func writeTar(t testing.TB, path string, members []string) {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for i := 0; i < len(members); i += 2 {
		must(t, w.WriteHeader(&tar.Header{Name: members[i], Mode: 0o644, Size: int64(len(members[i+1]))}))
		_, err := io.WriteString(w, members[i+1])
		must(t, err)
	}
	must(t, w.Close())
	must(t, os.WriteFile(path, out.Bytes(), 0o600))
}

func TestThePackagePageShowsSourcesBaseAndBuilds(t *testing.T) {
	t.Parallel()
	s := newSite(t, withBase(t))
	s.failing(t)
	other := s.db.NewBuildspace(t, "other")
	for range 3 {
		s.db.Iterate(t, other, storetest.Plan("lib"))
	}
	page := s.get(t, "/packages/lib")
	page.wantsStatus(t, http.StatusOK)
	page.wants(t, "h1", "lib", "1.0-1")
	page.wants(t, ".lead", hostile)
	page.wantsNone(t, "main script")
	page.wants(t, "[aria-labelledby=h-facts]", "lib at "+s.commitOf(t, "lib")[:10], "0.9-1 core")
	page.wants(t, ".package-spaces", "pending", "other #3", "before: #2", "#1", "built", "lib #1")
	page.wants(t, "[aria-labelledby=h-users]", "Dependents 1", "1 depends", "1 makedepends", "app", "depends, makedepends on lib, liblib.so")
	page.wants(t, "[aria-labelledby=h-provides]", "liblib.so=1-64", "virtual")
	page.wants(t, "[aria-labelledby=h-sonames]", "liblib.so=0-64")
	if href, _ := page.Find(".actions a").First().Attr("href"); href != "/buildspaces/new?changesets=lib" {
		t.Errorf("a rebuild is planned at %q", href)
	}
	if href, _ := page.Find("link[rel=alternate]").Attr("href"); href != "/packages/lib/feed.atom" {
		t.Errorf("the feed is at %q", href)
	}
}

// Builds that ended are drawn, the oldest first, and listed in a table, the newest first.
func TestThePackagePageDrawsPastBuilds(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i, name := range []string{"one", "two"} {
		s.db.Iterate(t, s.db.NewBuildspace(t, name), storetest.Plan("lib"))
		c := s.db.Claim(t, "w")
		s.db.Clock.Advance(time.Duration(i+1) * time.Minute)
		if i == 0 {
			must(t, s.db.NoteFinish(t.Context(), c.Attempt.Lease, nil, 5<<20))
			s.db.Finish(t, c)
		} else {
			s.db.End(t, c, buildbtw.OutcomeFailed)
		}
	}
	page := s.get(t, "/packages/lib")
	page.wants(t, ".history-labels", "Duration up to 2 min 0 s", "Memory up to 5.0 MiB", "Size up to 1000 B")
	page.wants(t, ".history svg a:nth-of-type(1) title", "one #1", "built in 1 min 0 s, 5.0 MiB of memory, packages of 1000 B")
	page.wants(t, ".history svg a.past-failed title", "two #1", "failed in 2 min 0 s")
	page.wants(t, ".history tbody tr:nth-child(1)", "two #1", "failed", "2 min 0 s – –")
	heights := page.Find(".history svg a rect.bar").Map(func(_ int, s *goquery.Selection) string { return s.AttrOr("height", "") })
	if strings.Join(heights, " ") != "26.0 52.0 52.0 52.0" {
		t.Errorf("bars are as high as %q", heights)
	}
	s.get(t, "/packages/app").wantsNone(t, ".history")
}

func TestAPackageOfASplitPkgbaseNamesTheOthers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	page := s.get(t, "/packages/app-docs")
	page.wants(t, "[aria-labelledby=h-facts]", "pkgbase app", "Packages app app-docs")
	page.wants(t, "[aria-labelledby=h-needs]", "liblib.so depends lib", "lib makedepends lib")
	page.wants(t, "[aria-labelledby=h-builds]", "No buildspace has it yet")
	page.wantsNone(t, "[aria-labelledby=h-users]")
}

func TestAPackageOfTheBaseOrAnUnreadableSourceIsNoError(t *testing.T) {
	t.Parallel()
	s := newSite(t, withBase(t))
	s.get(t, "/packages/glibc").wants(t, "[aria-labelledby=h-facts]", "no source builds it", "0.9-1 core")
	s.get(t, "/packages/glibc").wants(t, "[aria-labelledby=h-links]", "libz.so=1-64")
	broken := s.get(t, "/packages/broken")
	broken.wantsStatus(t, http.StatusSeeOther)
	if to := broken.header.Get("Location"); to != "/sources/broken" {
		t.Errorf("broken leads to %q", to)
	}
	s.get(t, "/packages/nothing").wantsStatus(t, http.StatusNotFound)
}

func TestDependentsAreListedByKind(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.get(t, "/packages/lib/dependents").wants(t, "main", "Dependents of lib 1", "app")
	s.get(t, "/packages/lib/dependents?kind=makedepends").wants(t, "main", "app")
	s.get(t, "/packages/lib/dependents?kind=checkdepends").wants(t, ".empty", "No source depends on it")
	s.get(t, "/packages/lib/dependents?kind=x").wantsStatus(t, http.StatusUnprocessableEntity)
	s.get(t, "/packages/lib/dependents?cursor=zzz").wants(t, ".empty", "No source depends on it")
}

func TestTheNewestResultTellsTheSonames(t *testing.T) {
	t.Parallel()
	s := newSite(t, withBase(t))
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), storetest.Plan("lib"))
	c := s.db.Claim(t, "w")
	s.db.Finish(t, c)
	must(t, s.db.SaveInterfaces(t.Context(), map[string]alpm.Interface{
		storetest.Package(c, "lib").SHA256: {Pkgname: "lib", Version: "1.0-1", Sonames: []string{"liblib.so=1-64"}},
	}))
	if got := s.build(t, "lib").Status; got != buildbtw.StatusBuilt {
		t.Fatalf("lib is %s", got)
	}
	s.get(t, "/packages/lib").wants(t, "[aria-labelledby=h-sonames]", "liblib.so=1-64")
	// The base knows a package that its source does not tell of; app is known already.
	s.get(t, "/search?q=liblib.so%3D1-64").wants(t, "[aria-labelledby=h-library]", "Linked by 2 packages", "app liblib.so", "viewer liblib.so=1-64 in core")
	// The build is compared with the base when the buildspace has nothing older.
	s.get(t, buildPath(s.build(t, "lib"))).wants(t, "[aria-labelledby=h-packages]", "0.9-1 in the base", "liblib.so=0-64 removed", "liblib.so=1-64 added")
}

// A name that a source may have is not said to be unknown before they were read.
func TestAPackageIsNotUnknownWhileTheSourcesAreRead(t *testing.T) {
	t.Parallel()
	s := newSite(t, unread, withBase(t))
	s.get(t, "/packages/nothing").wantsStatus(t, http.StatusServiceUnavailable)
	s.get(t, "/packages/glibc").wants(t, "[aria-labelledby=h-facts]", "0.9-1 core")
}
