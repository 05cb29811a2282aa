package apiv1_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/auth"
	"buildbtw/buildlog"
	"buildbtw/catalog"
	"buildbtw/git/gitmirror"
	"buildbtw/handlers"
	"buildbtw/handover"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/progress"
	"buildbtw/publish"
	"buildbtw/retention"
	"buildbtw/store"
)

const (
	workerToken = "a worker's token"
	adminToken  = "an administrator's token"
)

// server is a running server on real parts; only the loops are left out, so
// that a test says when an iteration is made.
type server struct {
	t        testing.TB
	url      string
	app      *handlers.App
	store    *store.Store
	repos    *pacmanrepo.Repos
	logs     *buildlog.Logs
	catalog  *catalog.Catalog
	mirror   *gitmirror.Mirror
	handover *handover.Handover
	data     string // directory of the repositories and the rest
	sources  string // directory of the git repositories
}

// newServer starts a server over the sources libalpha, beta (which needs
// libalpha), gamma (which has a pkgver function), and broken (whose .SRCINFO
// cannot be read).
func newServer(t testing.TB, change ...func(*handlers.Deps)) *server {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	dir := t.TempDir()
	s := &server{t: t, data: dir, sources: filepath.Join(dir, "sources")}
	s.addSource("libalpha", "1.0-1", "")
	s.addSource("beta", "2.0-1", "libalpha")
	s.addSource("gamma", "0.r1-1", "")
	s.git("broken", map[string]string{"PKGBUILD": "pkgname=broken\n", ".SRCINFO": "pkgbase = broken\n\tpkgver =\nnonsense\n"})

	mirror, err := gitmirror.Open(t.Context(), filepath.Join(dir, "sources.git"))
	s.must(err)
	_, err = mirror.SyncDir(t.Context(), s.sources)
	s.must(err)
	s.store, err = store.Open(t.Context(), filepath.Join(dir, "buildbtw.sqlite"), store.Options{})
	s.must(err)
	t.Cleanup(func() { s.must(s.store.Close()) })
	s.repos, err = pacmanrepo.Open(filepath.Join(dir, "repos"), pacmanrepo.Options{})
	s.must(err)
	s.logs, err = buildlog.Open(filepath.Join(dir, "logs"))
	s.must(err)

	quiet := slog.New(slog.DiscardHandler)
	generations, err := s.repos.Generations(filepath.Join(dir, "targets"), nil)
	s.must(err)
	s.catalog = catalog.New(catalog.Config{
		Mirror: mirror, Store: s.store, Repos: s.repos, Generations: generations, BaseRef: "main", Architectures: []string{"x86_64"}, ConfirmAbove: 500,
	})
	publisher := publish.New(publish.Config{Store: s.store, Repos: s.repos, Mirror: mirror, Log: quiet})
	s.mirror = mirror
	s.must(s.catalog.Refresh(t.Context()))
	s.handover, err = handover.New(t.Context(), handoverConfig(s.catalog))
	s.must(err)
	keeper := retention.New(retention.Config{
		Store: s.store, Repos: s.repos, Generations: generations, Logs: s.logs, Policy: store.DefaultRetention(), Log: quiet, Now: time.Now,
	})
	s.serve(handlers.Deps{
		Retention: keeper,
		Store:     s.store, Catalog: s.catalog, Forecasts: &progress.Forecasts{}, Publisher: publisher, Handover: s.handover, Sources: mirror, Repos: s.repos, Logs: s.logs,
		Log: quiet, Wake: func() {}, LookAt: func(context.Context, string) error { return nil }, Now: time.Now,
		Auth: auth.New(auth.Config{
			Store: s.store, Now: time.Now, Log: quiet, Operator: "anna", OperatorToken: adminToken, WorkerTokens: []string{workerToken}, AnonymousRead: true,
		}),
		Settings: buildbtw.ServerSettings{Version: "test", SingleUser: true, Lease: time.Minute},
	}, change)
	return s
}

// handoverConfig is that of a server with one target, stable.
func handoverConfig(c *catalog.Catalog) handover.Config {
	return handover.Config{
		Store: c.Store, Catalog: c, Generations: c.Generations, Bases: c.Bases, Architectures: c.Architectures,
		Targets: []buildbtw.Target{{Name: buildbtw.DefaultTarget, Kind: buildbtw.TargetServed}}, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	}
}

func (s *server) serve(d handlers.Deps, change []func(*handlers.Deps)) {
	s.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	s.url = "http://" + ln.Addr().String()
	d.Settings.ServerURL = s.url
	for _, f := range change {
		f(&d)
	}
	s.handover = d.Handover
	s.app, err = handlers.New(d)
	s.must(err)
	served := make(chan error, 1)
	go func() { served <- s.app.Serve(ln, nil) }()
	s.t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		s.must(s.app.Shutdown(ctx))
		s.must(<-served)
	})
}

func (s *server) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// addSource makes a git repository with one package.
func (s *server) addSource(name, version, depends string) {
	s.t.Helper()
	pkgver, pkgrel, _ := strings.Cut(version, "-")
	pkgbuild := fmt.Sprintf("pkgname=%s\npkgver=%s\npkgrel=%s\narch=(x86_64)\n", name, pkgver, pkgrel)
	if name == "gamma" {
		pkgbuild += "pkgver() {\n  echo 0.r2\n}\n"
	}
	srcinfo := fmt.Sprintf("pkgbase = %s\n\tpkgver = %s\n\tpkgrel = %s\n\tarch = x86_64\n", name, pkgver, pkgrel)
	if depends != "" {
		srcinfo += "\tdepends = " + depends + "\n"
	}
	s.git(name, map[string]string{"PKGBUILD": pkgbuild, ".SRCINFO": srcinfo + "\npkgname = " + name + "\n"})
}

func (s *server) git(name string, files map[string]string) {
	s.t.Helper()
	dir := filepath.Join(s.sources, name)
	s.must(os.MkdirAll(dir, 0o755))
	for file, text := range files {
		s.must(os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644))
	}
	for _, args := range [][]string{{"init", "--quiet"}, {"add", "."}, {"commit", "--quiet", "-m", "new"}} {
		cmd := exec.Command("git", append([]string{
			"-C", dir, "-c", "user.name=T", "-c", "user.email=t@example.org",
			"-c", "init.defaultBranch=main",
		}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			s.t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
}

// iterate does what the scheduler's loop would: it makes an iteration of a
// buildspace.
func (s *server) iterate(name string) store.IterationRow {
	s.t.Helper()
	ctx := s.t.Context()
	row, err := s.store.Buildspace(ctx, name)
	s.must(err)
	plan, err := s.catalog.Plan(ctx, row.Changesets, row.Settings)
	s.must(err)
	it, err := s.store.CreateIteration(ctx, store.NewIteration{BuildspaceID: row.ID, Reason: buildbtw.IterationCreated, Plan: plan})
	s.must(err)
	for arch := range plan.Architectures {
		s.must(s.repos.Create(ctx, pacmanrepo.ID{Repository: buildbtw.RepositoryName(name, it.Number), DB: name, Architecture: arch}))
	}
	return it
}

// space makes a buildspace with an iteration.
func (s *server) space(name string, changesets ...string) {
	s.t.Helper()
	s.call("POST", "/buildspaces", api.NewBuildspace{Name: name, Changesets: changesets}, http.StatusCreated, nil)
	s.iterate(name)
}

// claim leases the next build.
func (s *server) claim() api.Job {
	s.t.Helper()
	var job api.Job
	s.call("POST", "/worker/claim", claimRequest("w1"), http.StatusOK, &job)
	return job
}

func claimRequest(name string) api.ClaimRequest {
	return api.ClaimRequest{Worker: name, Architectures: []string{"x86_64"}, Runners: []string{"fake"}}
}

// answer is what came back, read to its end.
type answer struct {
	*http.Response
	body []byte
}

func (s *server) do(r *http.Request) answer {
	s.t.Helper()
	response, err := http.DefaultClient.Do(r)
	s.must(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	s.must(err)
	return answer{response, body}
}

func (s *server) request(method, path string, body io.Reader) *http.Request {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+api.Prefix+path, body)
	s.must(err)
	r.Header.Set("Authorization", "Bearer "+adminToken)
	return r
}

// call sends in as JSON, wants the status, and reads the answer into out.
func (s *server) call(method, path string, in any, status int, out any) answer {
	s.t.Helper()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		s.must(err)
		body = bytes.NewReader(text)
	}
	got := s.do(s.request(method, path, body))
	if got.StatusCode != status {
		s.t.Fatalf("%s %s: %s, want %d\n%s", method, path, got.Status, status, got.body)
	}
	if out != nil {
		s.must(json.Unmarshal(got.body, out))
	}
	return got
}

// wantProblem checks an error answer: its status, its media type, and that its
// words name what they must.
func (s *server) wantProblem(got answer, status int, words ...string) api.Problem {
	s.t.Helper()
	var p api.Problem
	if got.StatusCode != status || got.Header.Get("Content-Type") != "application/problem+json" {
		s.t.Fatalf("%s with %q, want %d and a problem\n%s", got.Status, got.Header.Get("Content-Type"), status, got.body)
	}
	s.must(json.Unmarshal(got.body, &p))
	if p.Status != status || !strings.HasPrefix(p.Type, api.ProblemType) || p.Title == "" {
		s.t.Errorf("incomplete problem: %+v", p)
	}
	for _, word := range words {
		if !strings.Contains(p.Detail, word) {
			s.t.Errorf("the problem does not say %q: %s", word, p.Detail)
		}
	}
	return p
}
