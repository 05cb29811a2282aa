package handlers_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"buildbtw"
	"buildbtw/auth"
	"buildbtw/buildlog"
	"buildbtw/catalog"
	"buildbtw/git/gitmirror"
	"buildbtw/handlers"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// site is a server over a real store whose builds a test moves by hand.
type site struct {
	*frame
	db      *storetest.DB
	logs    *buildlog.Logs
	catalog *catalog.Catalog
}

const (
	hostile = `<script>alert(1)</script>`
	// unreadable is what is said of a source whose .SRCINFO ends so.
	unreadable = `.SRCINFO: line 2: `
)

// smallSources are .SRCINFO by slug: lib, which app and tool depend on in a cycle
// that goes back to lib, two that nothing depends on, and one that cannot be read.
func smallSources() map[string]string {
	sources := map[string]string{"broken": "pkgbase = broken\n" + hostile + "\n"}
	for slug, lines := range map[string]string{
		"lib":   "pkgdesc = " + hostile + "\ncheckdepends = tool\nprovides = liblib.so=1-64\nprovides = virtual\n\npkgname = lib\n",
		"app":   "depends = liblib.so\nmakedepends = lib\n\npkgname = app\n\npkgname = app-docs\n",
		"tool":  "depends = app\n\npkgname = tool\n",
		"extra": "\npkgname = extra\n",
		"other": "\npkgname = other\n",
	} {
		sources[slug] = "pkgbase = " + slug + "\npkgver = 1.0\npkgrel = 1\narch = x86_64\n" + lines
	}
	return sources
}

// mirrorOf makes a mirror of sources. An empty text is a source without a
// .SRCINFO.
func mirrorOf(t testing.TB, sources map[string]string) *gitmirror.Mirror {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "sources.git")
	mirror, err := gitmirror.Open(t.Context(), dir)
	must(t, err)
	var in strings.Builder
	for slug, text := range sources {
		fmt.Fprintf(&in, "commit refs/sources/%s/heads/main\ncommitter T <t@localhost> 1700000000 +0000\ndata 1\nx\n", slug)
		if text != "" {
			fmt.Fprintf(&in, "M 100644 inline .SRCINFO\ndata %d\n%s\n", len(text), text)
		}
	}
	cmd := exec.CommandContext(t.Context(), "git", "--git-dir", dir, "fast-import", "--quiet")
	cmd.Stdin = strings.NewReader(in.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git fast-import: %v\n%s", err, out)
	}
	return mirror
}

// commitOf gives the commit at which a source stands.
func (s *site) commitOf(t *testing.T, slug string) string {
	t.Helper()
	commit, err := s.catalog.Resolve(t.Context(), buildbtw.Changeset{Source: slug})
	must(t, err)
	return commit
}

func newSite(t testing.TB, change ...func(*handlers.Deps)) *site {
	t.Helper()
	return newSiteWith(t, smallSources(), change...)
}

// unread makes a site whose catalog has not read its sources yet.
func unread(d *handlers.Deps) { d.Catalog = catalog.New(d.Catalog.Config) }

func newSiteWith(t testing.TB, sources map[string]string, change ...func(*handlers.Deps)) *site {
	t.Helper()
	return newSiteOn(t, storetest.NewWith(t, func(o *store.Options) { o.CanCompare = true }), sources, change...)
}

func newSiteOn(t testing.TB, db *storetest.DB, sources map[string]string, change ...func(*handlers.Deps)) *site {
	t.Helper()
	s := &site{db: db}
	change = append([]func(*handlers.Deps){func(d *handlers.Deps) {
		d.Store, d.Now, s.logs = s.db.Store, s.db.Clock.Now, d.Logs
		d.Logs.Now = d.Now
		d.Auth = newAuth(d.Store, d.Now, true)
		d.Publisher.Store = s.db.Store
		c := d.Catalog.Config
		c.Store, c.Mirror = s.db.Store, mirrorOf(t, sources)
		d.Catalog, d.Sources = catalog.New(c), c.Mirror
		must(t, d.Catalog.Refresh(t.Context()))
		d.Catalog.AddScan(catalog.Scan{
			Dir: "/srv/packages", Began: storetest.Start(), Ended: storetest.Start().Add(250 * time.Millisecond), Report: gitmirror.Report{Found: 2, Broken: map[string]error{"b": errors.New("x")}},
		})
		d.Catalog.AddScan(catalog.Scan{
			Dir: "/srv/gone", Began: storetest.Start(), Ended: storetest.Start(), Err: &fs.PathError{Op: "open", Path: "/srv/gone", Err: syscall.ENOENT},
		})
	}}, append(change, func(d *handlers.Deps) { s.catalog = d.Catalog })...)
	s.frame = newFrame(t, change...)
	return s
}

// failing makes the buildspace "lib" whose build lib is built, app failed, and
// tool waits for app.
func (s *site) failing(t *testing.T) (app, tool store.BuildRow) {
	t.Helper()
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), storetest.Plan("lib", "app: lib", "tool: app"))
	s.db.Finish(t, s.db.Claim(t, "w1"))
	s.db.End(t, s.db.Claim(t, "w1"), buildbtw.OutcomeFailed)
	return s.build(t, "app"), s.build(t, "tool")
}

func (s *site) build(t *testing.T, pkgbase string) store.BuildRow {
	t.Helper()
	rows, _, err := s.db.Builds(t.Context(), store.BuildFilter{Buildspace: "lib", Pkgbase: pkgbase})
	must(t, err)
	if len(rows) != 1 {
		t.Fatalf("%d builds of %s", len(rows), pkgbase)
	}
	return rows[0]
}

// answer is what a request was answered with.
type answer struct {
	*goquery.Document
	status int
	header http.Header
	body   string
}

// request sends a request and follows no redirect.
func (s *site) request(t *testing.T, method, path string, form url.Values, header ...string) answer {
	t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, body)
	must(t, err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Authorization", "Bearer "+adminToken)
	for i := 0; i+1 < len(header); i += 2 {
		setHeader(r, header[i], header[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	must(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	document, err := goquery.NewDocumentFromReader(strings.NewReader(string(text)))
	must(t, err)
	return answer{Document: document, status: resp.StatusCode, header: resp.Header, body: string(text)}
}

func (s *site) get(t *testing.T, path string, header ...string) answer {
	t.Helper()
	return s.request(t, http.MethodGet, path, nil, header...)
}

func (s *site) post(t *testing.T, path string, form url.Values) answer {
	t.Helper()
	if form == nil {
		form = url.Values{}
	}
	return s.request(t, http.MethodPost, path, form)
}

// wants asserts what the elements that a selector finds say: all of it, in this
// order.
func (a answer) wants(t *testing.T, selector string, sayings ...string) {
	t.Helper()
	text := words(a.Find(selector))
	rest := text
	for _, word := range sayings {
		_, after, found := strings.Cut(rest, word)
		if !found {
			t.Errorf("%s says %q; %q is missing", selector, text, word)
			return
		}
		rest = after
	}
	if a.Find(selector).Length() == 0 {
		t.Errorf("there is no %s", selector)
	}
}

// words gives the text of elements with a space between neighbours, as they are
// seen and not as they are written.
func words(e *goquery.Selection) string {
	var all []string
	var walk func(*goquery.Selection)
	walk = func(e *goquery.Selection) {
		e.Contents().Each(func(_ int, child *goquery.Selection) {
			if goquery.NodeName(child) == "#text" {
				all = append(all, strings.Fields(child.Text())...)
			} else {
				walk(child)
			}
		})
	}
	walk(e)
	return strings.Join(all, " ")
}

func (a answer) wantsNone(t *testing.T, selector string) {
	t.Helper()
	if n := a.Find(selector).Length(); n != 0 {
		t.Errorf("there are %d %s, want none: %q", n, selector, a.Find(selector).Text())
	}
}

func (a answer) wantsStatus(t *testing.T, want int) {
	t.Helper()
	if a.status != want {
		t.Errorf("status %d, want %d: %.300s", a.status, want, a.body)
	}
}

func TestTheHomePageShowsWhatRunsAndWhatFailed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	empty := s.get(t, "/")
	empty.wants(t, ".empty", "Nothing is being rebuilt", "No worker has asked")
	empty.wants(t, "[aria-labelledby=h-needs]", "Nothing needs attention.")

	s.failing(t)
	other := s.db.NewBuildspace(t, "other")
	s.db.Iterate(t, other, storetest.Plan("lib"))
	s.db.Claim(t, "w2")
	home := s.get(t, "/")
	home.wantsStatus(t, http.StatusOK)
	home.wants(t, "title", "✗ 1 needs attention")
	home.wants(t, ".home-spaces", "2 active buildspaces: 1 failed, 1 building.", "Failed 1", "lib", "failed", "1 failed", "1 blocked", "Building 1", "other", "building")
	home.wants(t, "[aria-labelledby=h-running] li", "building", "lib", "on w2")
	home.wants(t, "[aria-labelledby=h-needs] li", "failed", "app", "lib #1", "blocks 1 build", "said the test")
	home.wants(t, "[aria-labelledby=h-finished]", "failed", "app", "built", "lib")
}

func TestPlansThatCannotBeMadeAndMachinesSetAsideNeedSomebody(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	row := s.db.NewBuildspace(t, "lib")
	_, err := s.db.CreateIteration(t.Context(), store.NewIteration{
		BuildspaceID: row.ID, Revision: row.Revision, Reason: buildbtw.IterationCreated, Err: buildbtw.Invalid("lib: line 3: %s", hostile),
	})
	must(t, err)
	s.db.Iterate(t, s.db.NewBuildspace(t, "work"), storetest.Plan("lib"))
	s.db.End(t, s.db.Claim(t, "flaky"), buildbtw.OutcomeReleased)
	must(t, s.db.QuarantineWorker(t.Context(), "alice", "flaky", "its disk is full"))
	home := s.get(t, "/")
	home.wants(t, "title", "2 need attention")
	home.wants(t, "[aria-labelledby=h-needs] li", "invalid", "lib #1", "line 3: "+hostile, "quarantined", "flaky", "its disk is full")
}

func TestAFailureOfAnOldIterationIsNoNews(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.failing(t)
	row, err := s.db.Buildspace(t.Context(), "lib")
	must(t, err)
	s.db.Iterate(t, row, storetest.Plan("lib"))
	s.get(t, "/").wants(t, "[aria-labelledby=h-needs]", "Nothing needs attention.")
}

func TestAPollIsAnsweredWithThePartOnlyWhenSomethingChanged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	app, _ := s.failing(t)
	for _, path := range []string{"/", "/buildspaces", "/buildspaces/lib", "/buildspaces/lib/1/x86_64/graph", fmt.Sprintf("/builds/%d", app.ID), "/workers"} {
		t.Run(path, func(t *testing.T) {
			first := s.get(t, path, "HX-Request", "true")
			first.wantsStatus(t, http.StatusOK)
			if strings.Contains(first.body, "<html") || first.Find("#live[hx-get], hx-partial").Length() == 0 {
				t.Errorf("a poll got no fragment: %.200s", first.body)
			}
			tag := first.header.Get("ETag")
			s.get(t, path, "HX-Request", "true", "If-None-Match", tag).wantsStatus(t, http.StatusNotModified)
			whole := s.get(t, path, "If-None-Match", tag)
			whole.wantsStatus(t, http.StatusOK)
			whole.wants(t, "nav", "Buildspaces")
		})
	}
	tag := s.get(t, "/buildspaces/lib", "HX-Request", "true").header.Get("ETag")
	s.post(t, fmt.Sprintf("/builds/%d/retry", app.ID), nil).wantsStatus(t, http.StatusSeeOther)
	changed := s.get(t, "/buildspaces/lib", "HX-Request", "true", "If-None-Match", tag)
	changed.wantsStatus(t, http.StatusOK)
	changed.wants(t, ".status-counts", "1 pending")
}

func TestALargePageIsPackedForThoseWhoCanUnpack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), storetest.Synthetic(200, 400, 1))
	packed := s.get(t, "/buildspaces/lib", "Accept-Encoding", "gzip")
	plain := s.get(t, "/buildspaces/lib", "Accept-Encoding", "identity")
	if packed.header.Get("Content-Encoding") != "gzip" || plain.header.Get("Content-Encoding") != "" || len(packed.body)*4 > len(plain.body) {
		t.Errorf("packed %d bytes (%q), plain %d bytes (%q)", len(packed.body), packed.header.Get("Content-Encoding"),
			len(plain.body), plain.header.Get("Content-Encoding"))
	}
}

func TestAReaderSeesNoFormsAndMaySendNone(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(d *handlers.Deps) {
		d.Who = func(context.Context, auth.Credentials) (auth.Caller, error) {
			return auth.Caller{User: buildbtw.User{Kind: buildbtw.KindPerson, Name: "rita", Role: buildbtw.RoleReader}}, nil
		}
	})
	app, _ := s.failing(t)
	for _, path := range []string{"/", "/buildspaces/lib", fmt.Sprintf("/builds/%d", app.ID)} {
		page := s.get(t, path)
		page.wantsStatus(t, http.StatusOK)
		page.wantsNone(t, "main form[method=post], .actions .button")
	}
	for _, path := range []string{"/buildspaces", "/buildspaces/lib/stop", fmt.Sprintf("/builds/%d/retry", app.ID)} {
		s.post(t, path, nil).wantsStatus(t, http.StatusForbidden)
	}
	if got := s.build(t, "app").Status; got != buildbtw.StatusFailed {
		t.Errorf("app is %s after a reader's retry", got)
	}
}

func TestAStrangerSeesNothingButTheError(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(d *handlers.Deps) { d.Auth = newAuth(d.Store, d.Now, false) })
	s.failing(t)
	page := s.get(t, "/buildspaces/lib", "Authorization", "")
	page.wantsStatus(t, http.StatusUnauthorized)
	page.wantsNone(t, ".builds")
}

func TestAssetsAreKeptForEver(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	style, _ := s.get(t, "/").Find("link[rel=stylesheet]").Attr("href")
	asset := s.get(t, style, "Accept-Encoding", "gzip")
	asset.wantsStatus(t, http.StatusOK)
	for name, want := range map[string]string{
		"Content-Type": "text/css; charset=utf-8", "Content-Encoding": "gzip", "Vary": "Accept-Encoding",
		"Cache-Control": "public, max-age=31536000, immutable",
	} {
		if got := asset.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	s.get(t, style, "If-None-Match", asset.header.Get("ETag")).wantsStatus(t, http.StatusNotModified)
}
