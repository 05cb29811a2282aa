package handlers_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/auth"
	"buildbtw/buildlog"
	"buildbtw/catalog"
	"buildbtw/git/gitmirror"
	"buildbtw/handlers"
	"buildbtw/handover"
	"buildbtw/notify"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/progress"
	"buildbtw/publish"
	"buildbtw/retention"
	"buildbtw/store"
)

// frame is a server without sources: enough for what surrounds the handlers.
type frame struct {
	address string // host:port
	url     string
	repos   *pacmanrepo.Repos
	dir     string // of the repositories
	log     *buffer
	app     *handlers.App
}

// buffer is a log that may be read while it is written.
type buffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func newFrame(t testing.TB, change ...func(*handlers.Deps)) *frame {
	t.Helper()
	dir := t.TempDir()
	f := &frame{dir: filepath.Join(dir, "repos"), log: &buffer{}}
	db, err := store.Open(t.Context(), filepath.Join(dir, "buildbtw.sqlite"), store.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	f.repos, err = pacmanrepo.Open(f.dir, pacmanrepo.Options{})
	must(t, err)
	logs, err := buildlog.Open(filepath.Join(dir, "logs"))
	must(t, err)
	mirror, err := gitmirror.Open(t.Context(), filepath.Join(dir, "sources.git"))
	must(t, err)
	generations, err := f.repos.Generations(filepath.Join(dir, "targets"), nil)
	must(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	f.address = ln.Addr().String()
	f.url = "http://" + f.address
	quiet := slog.New(slog.DiscardHandler)
	keeper := retention.New(retention.Config{
		Store: db, Repos: f.repos, Generations: generations, Logs: logs, Policy: store.DefaultRetention(), Log: quiet, Now: time.Now,
	})
	notifier, err := notify.New(notify.Config{
		Store: db, Log: quiet, Now: time.Now, HomeURL: f.url,
		Describe: func(context.Context, string) (notify.Standing, error) { return notify.Standing{}, nil },
	})
	must(t, err)
	deps := handlers.Deps{
		Retention: keeper, Notifier: notifier,
		Store: db, Forecasts: &progress.Forecasts{}, Publisher: publish.New(publish.Config{Store: db, Repos: f.repos, Mirror: mirror, Log: slog.New(slog.DiscardHandler)}), Sources: mirror, Repos: f.repos, Logs: logs,
		Log: slog.New(slog.NewTextHandler(f.log, nil)), Wake: func() {}, LookAt: func(context.Context, string) error { return nil }, Now: time.Now, Auth: newAuth(db, time.Now, true),
		Settings: buildbtw.ServerSettings{ServerURL: f.url, SingleUser: true, Lease: time.Minute, Version: "test"},
		Catalog: catalog.New(catalog.Config{
			Mirror: mirror, Store: db, Repos: f.repos, Generations: generations, BaseRef: "main", Architectures: []string{"x86_64"}, ConfirmAbove: 500,
		}),
	}
	deps.Catalog.SetComplete() // it has no sources
	for _, c := range change {
		c(&deps)
	}
	f.start(t, deps, ln)
	return f
}

func (f *frame) start(t testing.TB, deps handlers.Deps, ln net.Listener) {
	t.Helper()
	var err error
	deps.Handover, err = handover.New(t.Context(), handover.Config{
		Store: deps.Store, Catalog: deps.Catalog, Generations: deps.Catalog.Generations, Architectures: deps.Catalog.Architectures, Bases: deps.Catalog.Bases,
		Targets: []buildbtw.Target{{Name: buildbtw.DefaultTarget, Kind: buildbtw.TargetServed}}, Log: deps.Log, Now: deps.Now,
	})
	must(t, err)
	f.app, err = handlers.New(deps)
	must(t, err)
	served := make(chan error, 1)
	go func() { served <- f.app.Serve(ln, nil) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		must(t, f.app.Shutdown(ctx))
		must(t, <-served)
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newAuth knows an administrator and a worker by their tokens.
func newAuth(db *store.Store, now func() time.Time, anonymousRead bool) *auth.Auth {
	return auth.New(auth.Config{
		Store: db, Now: now, Log: slog.New(slog.DiscardHandler), Operator: "anna", OperatorToken: adminToken,
		WorkerTokens: []string{workerToken}, AnonymousRead: anonymousRead,
	})
}

const (
	adminToken  = "token-of-anna"
	workerToken = "token-of-a-worker"
)

// setHeader sets a header, and removes it when the value is empty.
func setHeader(r *http.Request, name, value string) {
	if value == "" {
		r.Header.Del(name)
		return
	}
	r.Header.Set(name, value)
}

// get asks for a path with headers given as pairs of name and value.
func (f *frame) get(t *testing.T, path string, headers ...string) (*http.Response, []byte) {
	t.Helper()
	return f.send(t, "GET", path, "", headers...)
}

// send sends a request as anna, an administrator, unless headers say otherwise.
func (f *frame) send(t *testing.T, method, path, body string, headers ...string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, f.url+path, strings.NewReader(body))
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+adminToken)
	for i := 0; i < len(headers); i += 2 {
		setHeader(r, headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	answer, err := http.DefaultClient.Do(r)
	must(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	must(t, err)
	return answer, text
}
