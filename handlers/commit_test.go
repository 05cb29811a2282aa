package handlers_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/catalog"
	"buildbtw/git/gitmirror"
	"buildbtw/handlers"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// pushed is a site whose source lib has had three commits, the first of which is built; other
// has one. It returns the commits of lib, oldest first.
func pushed(t *testing.T) (*site, []string) {
	t.Helper()
	root := t.TempDir()
	git := func(dir string, args ...string) string {
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", filepath.Join(root, dir), "-c", "user.name=Anna", "-c", "user.email=a@localhost", "-c", "init.defaultBranch=main"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	commit := func(dir, version, subject string) string {
		must(t, os.WriteFile(filepath.Join(root, dir, ".SRCINFO"), []byte("pkgbase = "+dir+"\npkgver = "+version+"\npkgrel = 1\narch = x86_64\n\npkgname = "+dir+"\n"), 0o644))
		must(t, os.WriteFile(filepath.Join(root, dir, "PKGBUILD"), []byte("pkgname="+dir+"\npkgver="+version+"\n"), 0o644))
		git(dir, "add", ".")
		git(dir, "commit", "--quiet", "-m", subject)
		return git(dir, "rev-parse", "HEAD")
	}
	for _, dir := range []string{"lib", "other"} {
		must(t, os.Mkdir(filepath.Join(root, dir), 0o755))
		git(dir, "init", "--quiet")
	}
	commit("other", "1", "other begins")
	var ids []string
	for i, subject := range []string{"begin", hostile + "\u202e", "upgpkg: 3-1"} {
		ids = append(ids, commit("lib", fmt.Sprint(i+1), subject))
	}
	mirror, err := gitmirror.Open(t.Context(), filepath.Join(t.TempDir(), "sources.git"))
	must(t, err)
	_, err = mirror.SyncDir(t.Context(), root)
	must(t, err)
	return newSite(t, func(d *handlers.Deps) {
		c := d.Catalog.Config
		c.Mirror, c.CommitURL = mirror, "https://git.example.org/{source}/commit/{commit}"
		d.Catalog, d.Sources = catalog.New(c), mirror
		must(t, d.Catalog.Refresh(t.Context()))
	}), ids
}

// iterateAt makes an iteration of lib at a commit.
func (s *site) iterateAt(t *testing.T, b store.BuildspaceRow, commit string) {
	t.Helper()
	plan := storetest.Plan("lib")
	plan.Changesets[0].Commit = commit
	plan.Architectures["x86_64"].Builds[0].Commit, plan.Architectures["x86_64"].Builds[0].Source = commit, "lib"
	s.db.Iterate(t, b, plan)
}

// TestCommitsAreKnownByWhatTheySay on every page that shows one, and lead to the forge and to
// what changed.
func TestCommitsAreKnownByWhatTheySay(t *testing.T) {
	t.Parallel()
	s, ids := pushed(t)
	b := s.db.NewBuildspace(t, "lib")
	s.iterateAt(t, b, ids[0])
	s.db.Finish(t, s.db.Claim(t, "w1"))
	s.iterateAt(t, b, ids[2])
	s.db.End(t, s.db.Claim(t, "w1"), buildbtw.OutcomeFailed)
	span := "/sources/lib/commits?from=" + ids[0] + "&to=" + ids[2]

	build := s.get(t, fmt.Sprintf("/builds/%d", s.build(t, "lib").ID))
	build.wants(t, ".page-head", ids[2][:10], "upgpkg: 3-1", "by Anna")
	build.wants(t, ".since", "2 commits since it last built", "upgpkg: 3-1", hostile)
	if href, _ := build.Find(".since a[href*='/commits']").Attr("href"); href != span {
		t.Errorf("the commits are at %q, want %q", href, span)
	}
	link := build.Find(".page-head a.commit-link")
	if href, _ := link.Attr("href"); href != "https://git.example.org/lib/commit/"+ids[2] || !strings.Contains(link.AttrOr("rel", ""), "noopener") {
		t.Errorf("the commit leads to %q, rel %q", href, link.AttrOr("rel", ""))
	}
	space := s.get(t, "/buildspaces/lib")
	space.wants(t, "[aria-labelledby=h-changesets]", "upgpkg: 3-1", "by Anna")
	space.wants(t, ".diff", "upgpkg: 3-1")
	space.wants(t, "[aria-labelledby=h-activity] .event-commits", "lib", "upgpkg: 3-1", "begin")
	s.get(t, "/activity").wants(t, ".event-commits", "upgpkg: 3-1")
	s.get(t, "/compare?a=lib%231&b=lib%232").wants(t, ".compare-change", "upgpkg: 3-1", "commits of lib")
	s.get(t, "/sources").wants(t, "table", "upgpkg: 3-1", "other begins")
	s.get(t, "/sources/lib").wants(t, ".lead", "upgpkg: 3-1", "all commits")
	s.get(t, "/packages/lib").wants(t, ".pairs", "upgpkg: 3-1")

	page := s.get(t, span)
	page.wants(t, "h1", "2 commits lib")
	page.wants(t, ".commit-log", "upgpkg: 3-1", hostile, "by Anna")
	page.wants(t, ".code-removed", "- pkgver=1")
	page.wants(t, ".code-added", "+ pkgver=3")
	page.wants(t, ".changed-files", ".SRCINFO changed")
	if strings.Contains(page.body, "\u202e") {
		t.Error("a mark that turns lines around reaches the page")
	}
	s.get(t, "/sources/lib/commits").wants(t, ".commit-log", "upgpkg: 3-1", "begin")
	s.get(t, "/sources/lib/commits?from="+ids[2]+"&to="+ids[0]).wants(t, ".note", "2 commits of")
	for path, status := range map[string]int{
		"/sources/none/commits": http.StatusNotFound, "/sources/lib/commits?to=--all": http.StatusUnprocessableEntity,
		"/sources/lib/commits?from=" + strings.Repeat("1", 40): http.StatusNotFound, "/sources/lib/commits?from=main^": http.StatusUnprocessableEntity,
	} {
		s.get(t, path).wantsStatus(t, status)
	}
}

// TestPushesShowWhatTheyCaused in each buildspace, or who waits for them.
func TestPushesShowWhatTheyCaused(t *testing.T) {
	t.Parallel()
	s, ids := pushed(t)
	b := s.db.NewBuildspace(t, "lib")
	s.get(t, "/pushes").wants(t, ".pushes", "lib main", "upgpkg: 3-1 by Anna", "No iteration has it yet; it is followed by lib", "other begins", "Nothing follows this branch.")
	s.iterateAt(t, b, ids[0])
	s.db.Finish(t, s.db.Claim(t, "w1"))
	s.iterateAt(t, b, ids[2])
	s.db.End(t, s.db.Claim(t, "w1"), buildbtw.OutcomeFailed)
	s.iterateAt(t, b, ids[2])
	page := s.get(t, "/pushes")
	page.wants(t, ".pushes", "lib #2", "0 of 1 build built", "· #3 with the same commit", "begin by Anna", "lib #1", "1 of 1 build built")
	if n := page.Find(".pushes > li").Length(); n != 3 {
		t.Errorf("%d pushes, want the tips of two branches and the commit of the first iteration:\n%s", n, page.Find(".pushes").Text())
	}
}

// TestCommitsOfAGroupLeadToItsProjects, wherever in the group they are, and those of a
// directory nowhere.
func TestCommitsOfAGroupLeadToItsProjects(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(d *handlers.Deps) {
		c := d.Catalog.Config
		c.GitLabURL = "https://gitlab.example.org/"
		d.Catalog = catalog.New(c)
		must(t, d.Catalog.Refresh(t.Context()))
	})
	must(t, s.db.RetainGroups(t.Context(), []string{"g"}))
	_, err := s.db.NoteProjects(t.Context(), "g", []buildbtw.Project{{ID: 1, Path: "arch/sub/lib", ActiveAt: s.db.Clock.Now()}})
	must(t, err)
	page := s.get(t, "/sources")
	link := page.Find("a.commit-link")
	if href := link.AttrOr("href", ""); link.Length() != 1 || href != "https://gitlab.example.org/arch/sub/lib/-/commit/"+s.commitOf(t, "lib") {
		t.Errorf("%d links to the forge, the first to %q", link.Length(), href)
	}
}
