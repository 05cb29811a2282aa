package handlers_test

import (
	"net/http"
	"testing"

	"buildbtw"
	"buildbtw/handlers"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/baserepo"
	"buildbtw/store/storetest"
)

// smallBase has lib and glibc, and a package that links with lib.
type smallBase struct{}

func (smallBase) Interfaces(_, pkgbase string) ([]alpm.Interface, bool) {
	if pkgbase != "lib" {
		return nil, false
	}
	return []alpm.Interface{{Pkgname: "lib", Version: "0.9-1", Sonames: []string{"liblib.so=0-64"}, Derived: true}}, true
}

func (smallBase) Package(_, name string) (baserepo.Entry, bool) {
	switch name {
	case "lib", "glibc":
		return baserepo.Entry{Name: name, Base: name, Version: "0.9-1", Repo: "core", Depends: []string{"libz.so=1-64", "bash"}}, true
	}
	return baserepo.Entry{}, false
}

func (smallBase) Linkers(_ string, n alpm.Soname) []baserepo.Entry {
	if n.Library != "liblib.so" {
		return nil
	}
	return []baserepo.Entry{{Name: "viewer", Base: "viewer", Depends: []string{"liblib.so=1-64"}}, {Name: "app", Base: "app", Depends: []string{"liblib.so=1-64"}}}
}

func withBase(d *handlers.Deps) { d.Base = smallBase{} }

func TestThePackagePageShowsSourcesBaseAndBuilds(t *testing.T) {
	s := newSite(t, withBase)
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
	page.wants(t, "[aria-labelledby=h-facts]", "lib at aaaaaaaaaa", "0.9-1 core")
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

func TestAPackageOfASplitPkgbaseNamesTheOthers(t *testing.T) {
	s := newSite(t)
	page := s.get(t, "/packages/app-docs")
	page.wants(t, "[aria-labelledby=h-facts]", "pkgbase app", "Packages app app-docs")
	page.wants(t, "[aria-labelledby=h-needs]", "liblib.so depends lib", "lib makedepends lib")
	page.wants(t, "[aria-labelledby=h-builds]", "No buildspace has it yet")
	page.wantsNone(t, "[aria-labelledby=h-users]")
}

func TestAPackageOfTheBaseOrAnUnreadableSourceIsNoError(t *testing.T) {
	s := newSite(t, withBase)
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
	s := newSite(t)
	s.get(t, "/packages/lib/dependents").wants(t, "main", "Dependents of lib 1", "app")
	s.get(t, "/packages/lib/dependents?kind=makedepends").wants(t, "main", "app")
	s.get(t, "/packages/lib/dependents?kind=checkdepends").wants(t, ".empty", "No source depends on it")
	s.get(t, "/packages/lib/dependents?kind=x").wantsStatus(t, http.StatusUnprocessableEntity)
	s.get(t, "/packages/lib/dependents?cursor=zzz").wants(t, ".empty", "No source depends on it")
}

func TestTheNewestResultTellsTheSonames(t *testing.T) {
	s := newSite(t, withBase)
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
	s.get(t, "/search?q=liblib.so%3D1-64").wants(t, "[aria-labelledby=h-library]", "Linked by 2 packages", "app liblib.so", "viewer liblib.so=1-64 in the base")
	// The build is compared with the base when the buildspace has nothing older.
	s.get(t, buildPath(s.build(t, "lib"))).wants(t, "[aria-labelledby=h-packages]", "0.9-1 in the base", "liblib.so=0-64 removed", "liblib.so=1-64 added")
}

// A name that a source may have is not said to be unknown before they were read.
func TestAPackageIsNotUnknownWhileTheSourcesAreRead(t *testing.T) {
	s := newSite(t, func(d *handlers.Deps) { d.Catalog = startingCatalog{} }, withBase)
	s.get(t, "/packages/nothing").wantsStatus(t, http.StatusServiceUnavailable)
	s.get(t, "/packages/glibc").wants(t, "[aria-labelledby=h-facts]", "0.9-1 core")
}
