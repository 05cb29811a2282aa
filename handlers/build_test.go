package handlers_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/pacman/alpm"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

func TestABlockedBuildNamesItsRootCause(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	row := s.db.NewBuildspace(t, "lib")
	s.db.Iterate(t, row, storetest.Plan("lib", "app: lib", "tool: app"))
	s.db.End(t, s.db.Claim(t, "w"), buildbtw.OutcomeFailed)
	page := s.get(t, fmt.Sprintf("/builds/%d", s.build(t, "tool").ID))
	page.wants(t, "title", "blocked · tool 1.0-1")
	page.wants(t, ".alert", "This build is blocked by", "lib (failed)", "which blocks 2 builds")
	page.wants(t, ".not-now", "Retry", "tool is blocked; only a failed or cancelled build can be retried")
	page.wants(t, "[aria-labelledby=h-dependencies]", "Dependencies in this iteration 1", "blocked app", "depends")
	page.wants(t, "[aria-labelledby=h-waiting]", "blocked app")
	page.wants(t, ".reason-chain", "tool depends on app", "app depends on lib", "lib is a changeset")
	page.wants(t, ".actions", "Cancel")
	page.wantsNone(t, "form[action$='/retry']")
}

func TestABuildThatIsTriedAgainByItselfSaysWhen(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), storetest.Plan("lib"))
	for range 2 {
		s.db.Clock.Advance(time.Minute)
		s.db.End(t, s.db.Claim(t, "w"), buildbtw.OutcomeInfrastructure)
	}
	page := s.get(t, fmt.Sprintf("/builds/%d", s.build(t, "lib").ID))
	page.wants(t, ".retry", "no fault of the package: tried 2 times, last: said the test, next try 12:02:30 UTC")
}

func TestAPendingBuildSaysWhenItStartsOrWhyNot(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.db.Iterate(t, s.db.NewBuildspace(t, "other"), storetest.Plan("first"))
	s.db.Clock.Advance(time.Second)
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), storetest.Plan("lib", "tool"))
	tool := fmt.Sprintf("/builds/%d", s.build(t, "tool").ID)
	s.get(t, tool).wants(t, ".queue-place", "Not started yet: no machine is connected. See the workers", "3 builds for x86_64 wait for a machine.")

	s.db.Claim(t, "w1") // first
	s.db.Clock.Advance(10 * time.Second)
	page := s.get(t, tool)
	page.wants(t, ".queue-place", "2nd of 2 for x86_64, starts about 12:02 UTC · before it: lib")
	page.wants(t, fmt.Sprintf(".queue-place a[href='/builds/%d']", s.build(t, "lib").ID), "lib")
	page.wantsNone(t, ".queue-place b:contains('Not started')")
	s.get(t, fmt.Sprintf("/builds/%d", s.build(t, "lib").ID)).wants(t, ".queue-place", "1st of 2 for x86_64, starts within a minute")
	s.db.Claim(t, "w2") // lib
	s.get(t, fmt.Sprintf("/builds/%d", s.build(t, "lib").ID)).wantsNone(t, ".queue-place")
}

func TestABuildNamesWhatIsNotPublishedFromIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), storetest.Plan("lib: -moved"))
	page := s.get(t, fmt.Sprintf("/builds/%d", s.build(t, "lib").ID))
	page.wants(t, ".not-owned", "moved is not published from here: moved makes it, too")
}

func TestAReusedBuildNamesTheBuildItComesFrom(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	plan := storetest.Plan("lib")
	s.db.Iterate(t, s.db.NewBuildspace(t, "before"), plan)
	c := s.db.Claim(t, "w")
	s.db.Finish(t, c)
	row := s.db.NewBuildspace(t, "lib")
	rows, _, err := s.db.FindReuse(t.Context(), plan, nil)
	must(t, err)
	_, err = s.db.CreateIteration(t.Context(), store.NewIteration{
		BuildspaceID: row.ID, Revision: row.Revision, Reason: buildbtw.IterationRequested, Plan: plan, Rows: rows,
	})
	must(t, err)
	page := s.get(t, fmt.Sprintf("/builds/%d", s.build(t, "lib").ID))
	page.wants(t, ".note", "Reused from before #1", ": same commit and dependencies.")
	page.wants(t, fmt.Sprintf(".note a[href='/builds/%d']", c.Build.ID), "before #1")
}

func TestAFailedBuildIsRetriedByItsButton(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	app, _ := s.failing(t)
	path := fmt.Sprintf("/builds/%d", app.ID)
	page := s.get(t, path)
	page.wants(t, ".alert", "said the test", "1 build cannot start because of it.", "Build with my fix builds the newer commit", "A retry builds the old commit aaaaaaaaaa again.")
	page.wants(t, ".actions", "Retry")
	page.wantsNone(t, "form[action$='/cancel']")
	page.wants(t, "[aria-labelledby=h-attempts]", "1 failed said the test The package's own fault", "w1 ")

	action, _ := page.Find("form[action$='/retry']").Attr("action")
	done := s.post(t, action, nil)
	done.wantsStatus(t, http.StatusSeeOther)
	if to := done.header.Get("Location"); to != path {
		t.Errorf("sent to %q", to)
	}
	s.get(t, path).wants(t, "h1", "pending")
	again := s.post(t, action, nil)
	again.wantsStatus(t, http.StatusConflict)
	again.wants(t, "main", "Not possible now", "only a failed or cancelled build can be retried")
}

func TestABuildIsCancelled(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, tool := s.failing(t)
	path := fmt.Sprintf("/builds/%d", tool.ID)
	s.post(t, path+"/cancel", nil).wantsStatus(t, http.StatusSeeOther)
	s.get(t, path).wants(t, "h1", "skipped: cancelled")
}

// TestABuildWhosePackagesCannotBePublishedSaysSo has an administrator look at it
// and abandon it.
func TestABuildWhosePackagesCannotBePublishedSaysSo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.db.Iterate(t, s.db.NewBuildspace(t, "stuck"), storetest.Plan("lib"))
	c := s.db.Claim(t, "w")
	path := fmt.Sprintf("/builds/%d", c.Build.ID)
	s.get(t, path).wantsNone(t, "form[action$='/abandon']")
	_, err := s.db.BeginPublish(t.Context(), c.Attempt.Lease, s.db.Upload(t, c))
	must(t, err)
	must(t, s.db.NotePublishing(t.Context(), c.Attempt.ID, "not published yet (3 tries so far)"))
	page := s.get(t, path)
	page.wants(t, "[aria-labelledby=h-attempts]", "not published yet (3 tries so far)")
	action, _ := page.Find("form[action$='/abandon']").Attr("action")
	s.post(t, action, nil).wantsStatus(t, http.StatusSeeOther)
	page = s.get(t, path)
	page.wants(t, "[aria-labelledby=h-attempts]", "was abandoned by anna")
	page.wantsNone(t, "form[action$='/abandon']")
}

func TestABuiltBuildOffersItsPackages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.failing(t)
	lib := s.build(t, "lib")
	page := s.get(t, fmt.Sprintf("/builds/%d", lib.ID))
	page.wants(t, ".package", "lib", "1.0-1", "x86_64", "1000 B", "Its sonames and provides are unknown", "The file was removed")
	if href, _ := page.Find("a[download]").Attr("href"); href != fmt.Sprintf("/api/v1/builds/%d/packages/lib-1.0-1-x86_64.pkg.tar.zst", lib.ID) {
		t.Errorf("download at %q", href)
	}
	page.wants(t, "[aria-labelledby=h-dependents]", "Builds that need it 1", "failed app", "depends")
	page.wants(t, ".actions button", "Rebuild this and its dependents")
	page.wantsNone(t, "form[action$='/retry'], form[action$='/cancel']")
	s.post(t, fmt.Sprintf("/builds/%d/rebuild", lib.ID), nil).wantsStatus(t, http.StatusSeeOther)
	if lib, app := s.build(t, "lib"), s.build(t, "app"); lib.Status != buildbtw.StatusPending || app.Status != buildbtw.StatusBlocked {
		t.Errorf("lib is %s, app is %s", lib.Status, app.Status)
	}
}

// Every field of what a package says, and what changed since the result before.
func TestPackagesAreComparedWithTheResultBefore(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	row := s.db.NewBuildspace(t, "lib")
	for _, i := range []alpm.Interface{
		{Pkgname: "lib", Version: "0.9-1", Sonames: []string{"liblib.so=1-64", "libsame.so=1-64"}, Provides: []string{"old"}},
		{Pkgname: "lib", Version: "1.0-1", Sonames: []string{"liblib.so=2-64", "libsame.so=1-64"}, Provides: []string{"old", hostile}},
	} {
		s.db.Iterate(t, row, storetest.Plan("lib"))
		c := s.db.Claim(t, "w")
		s.db.Finish(t, c)
		must(t, s.db.SaveInterfaces(t.Context(), map[string]alpm.Interface{storetest.Package(c, "lib").SHA256: i}))
	}
	now := s.build(t, "lib")
	page := s.get(t, fmt.Sprintf("/builds/%d", now.ID))
	page.wants(t, "[aria-labelledby=h-packages]", "compared with", "1.0-1 in #1", "0.9-1 → 1.0-1")
	page.wants(t, ".offer-added", "liblib.so=2-64 added", hostile+" added")
	page.wants(t, ".offer-removed", "liblib.so=1-64 removed")
	page.wants(t, ".offer-same", "libsame.so=1-64", "old")
	page.wantsNone(t, "main script")
	first := s.get(t, fmt.Sprintf("/builds/%d", now.ID-1))
	first.wants(t, ".offer-unknown", "liblib.so=1-64")
	first.wantsNone(t, ".offer-added, .offer-removed")
}

func TestTheDescriptionOfAPackageStaysText(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.failing(t)
	lib := s.build(t, "lib")
	dir := filepath.Join(s.dir, "lib_1", "os", "x86_64")
	must(t, os.MkdirAll(dir, 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "lib-1.0-1-x86_64.pkg.tar.zst"), packageOf(t,
		"pkgname = lib\npkgver = 1.0-1\npkgdesc = "+hostile+"\narch = x86_64\ndepend = glibc\ndepend = libz.so=1-64\nbackup = etc/lib.conf\nxdata = pkgtype=pkg\n"), 0o600))
	page := s.get(t, fmt.Sprintf("/builds/%d", lib.ID))
	page.wants(t, ".pkginfo", "SHA-256", "pkgname", "lib", "pkgdesc", hostile, "backup", "etc/lib.conf", "depend", "glibc", "libz.so=1-64", "xdata", "pkgtype=pkg")
	page.wantsNone(t, "main script")
}

// packageOf makes a package file of nothing but its .PKGINFO.
func packageOf(t *testing.T, pkginfo string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	must(t, w.WriteHeader(&tar.Header{Name: ".PKGINFO", Mode: 0o644, Size: int64(len(pkginfo))}))
	_, err := w.Write([]byte(pkginfo))
	must(t, err)
	must(t, w.Close())
	return out.Bytes()
}

func TestABuildCanBeDoneAgainByHand(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, tool := s.failing(t)
	page := s.get(t, fmt.Sprintf("/builds/%d", tool.ID))
	source := fmt.Sprintf("%s/api/v1/builds/%d/source", s.url, tool.ID)
	page.wants(t, "#recipe-chroot", "[lib]", "SigLevel = Never", "Server = "+s.url+"/repo/lib_1/os/$arch", "buildbtw-x86_64-build -c")
	page.wants(t, "#recipe-makepkg", "curl -fsS "+source+" | tar -x", "git checkout --detach "+tool.Commit, "makepkg --noconfirm --syncdeps")
	page.wants(t, "#recipe-bbtw", fmt.Sprintf("bbtw log %d", tool.ID))
}

func TestAFailedAttemptShowsTheFirstErrorOfItsLog(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	path, c := s.running(t, "make\nsrc/a.c:41:9: error: "+hostile+"\n==> ERROR: A failure occurred in build().\n")
	s.get(t, path).wantsNone(t, ".first-error")
	s.db.End(t, c, buildbtw.OutcomeFailed)
	page := s.get(t, path)
	page.wants(t, ".first-error", "src/a.c:41:9: error: "+hostile)
	page.wantsNone(t, "main script")
	if href, _ := page.Find("a.first-error").Attr("href"); !strings.HasSuffix(href, "#L2") {
		t.Errorf("it leads to %q", href)
	}
}

func TestHundredsOfDependentsAreListedInParts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), storetest.Fan(450))
	lib := s.build(t, "lib")
	path := fmt.Sprintf("/builds/%d", lib.ID)
	page := s.get(t, path)
	page.wants(t, "[aria-labelledby=h-dependents]", "Builds that need it 450", "Show all 450", "450 waiting", "app00029")
	if n := page.Find(".neighbour-list li").Length(); n != 30 {
		t.Errorf("the page of the build names %d", n)
	}
	seen, url := 0, path+"/dependents?status=waiting"
	for url != "" {
		part := s.get(t, url)
		part.wantsStatus(t, http.StatusOK)
		part.wants(t, "h1", "Builds that need it 450")
		seen += part.Find(".neighbour-list li").Length()
		url, _ = part.Find(".pager a[rel=next]").Attr("href")
	}
	if seen != 450 {
		t.Errorf("%d builds on all pages", seen)
	}
	s.get(t, path+"/dependents?status=blocked").wants(t, ".empty", "None")
	s.get(t, path+"/dependents?status=failed").wants(t, ".empty", "None")
	s.get(t, path+"/dependencies").wants(t, "h1", "Dependencies in this iteration 0")
	s.get(t, path+"/dependents?cursor=x").wantsStatus(t, http.StatusUnprocessableEntity)
}

// running starts the build lib with a log.
func (s *site) running(t testing.TB, log string) (path string, c *store.Claimed) {
	t.Helper()
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), storetest.Plan("lib"))
	c = s.db.Claim(t, "w")
	s.append(t, c, 0, log)
	return fmt.Sprintf("/builds/%d", c.Build.ID), c
}

func (s *site) append(t testing.TB, c *store.Claimed, at int64, text string) {
	t.Helper()
	_, err := s.logs.Append(c.Attempt.Name(), at, strings.NewReader(text))
	must(t, err)
}

func TestALogIsFollowedToItsEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	path, c := s.running(t, "one\ntwo "+hostile+"\nhal")
	page := s.get(t, path)
	page.wants(t, "#log .log-chunk", "one two "+hostile)
	page.wantsNone(t, "main script")
	if text := page.Find("#log .log-chunk").Text(); strings.Contains(text, "hal") {
		t.Errorf("half a line is shown: %q", text)
	}
	more, _ := page.Find(".log-more").Attr("hx-get")
	s.get(t, more, "HX-Request", "true").wantsStatus(t, http.StatusNotModified)

	s.append(t, c, int64(len("one\ntwo "+hostile+"\nhal")), "f\n")
	piece := s.get(t, more, "HX-Request", "true")
	piece.wants(t, ".log-chunk", "half")
	more, _ = piece.Find(".log-more").Attr("hx-get")

	s.append(t, c, int64(len("one\ntwo "+hostile+"\nhalf\n")), "no newline")
	s.db.End(t, c, buildbtw.OutcomeFailed)
	last := s.get(t, more, "HX-Request", "true")
	last.wants(t, ".log-chunk", "no newline")
	last.wantsNone(t, ".log-more")
}

func TestALongLogBeginsAtItsEndAndLeadsToTheWhole(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	line := strings.Repeat("x", 99) + "\n"
	path, _ := s.running(t, strings.Repeat(line, 5000)+"the last line\n")
	page := s.get(t, path)
	page.wants(t, ".log-before", "KiB above this")
	page.wants(t, ".log-chunk", "the last line")
	if n := len(page.Find(".log-chunk").Text()); n > 64<<10 {
		t.Errorf("the page carries %d bytes of log", n)
	}
	whole, _ := page.Find(".log-before").Attr("href")
	s.get(t, whole).wants(t, "h1", "Log of lib")
}

func TestALogWithoutNewlinesStillComes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	path, _ := s.running(t, strings.Repeat("x", 200<<10))
	piece := s.get(t, path+"/log/tail?attempt=1&offset=0", "HX-Request", "true")
	if n := len(piece.Find(".log-chunk").Text()); n != 64<<10 {
		t.Errorf("%d bytes in a piece", n)
	}
}

func TestALogThatIsNotThereIsSaid(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	path, _ := s.running(t, "x\n")
	s.get(t, path+"/log?attempt=2").wantsStatus(t, http.StatusNotFound)
	s.get(t, path+"/log/tail?offset=-1").wantsStatus(t, http.StatusUnprocessableEntity)
	s.get(t, path+"/log/tail?offset=99999", "HX-Request", "true").wantsStatus(t, http.StatusNotModified)
}

func TestABuildNamesWhatWasTakenForGranted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), storetest.Plan("lib"))
	c := s.db.Claim(t, "w")
	must(t, s.db.NoteFinish(t.Context(), c.Attempt.Lease, buildbtw.Names{"no-such-thing"}, 0))
	s.db.Finish(t, c)
	s.get(t, fmt.Sprintf("/builds/%d", c.Build.ID)).wants(t, ".note", "Dependencies not checked: no-such-thing (nothing here provides it).")
}

func TestABuildSaysWhereItIsKept(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), storetest.Plan("lib"))
	c := s.db.Claim(t, "w1")
	must(t, s.db.NoteKept(t.Context(), c.Attempt.Lease, time.Hour))
	s.db.End(t, c, buildbtw.OutcomeFailed)
	path := fmt.Sprintf("/builds/%d", c.Build.ID)
	s.get(t, path).wants(t, ".kept", "Kept on w1 until", fmt.Sprintf("buildbtw-worker shell %d", c.Build.ID))
	s.db.Clock.Advance(2 * time.Hour)
	if n := s.get(t, path).Find(".kept").Length(); n != 0 {
		t.Error("the page says that it is kept when that is over")
	}
}
