// Package gitlabtest is a stand-in for a GitLab, good enough to run the whole
// system offline: groups of projects with real git repositories over HTTP, the
// parts of the REST API and of GraphQL that buildbtw uses, tokens, webhooks, rate
// limits, and every way to fail.
//
// It behaves as GitLab's documentation says and as real servers were seen to, also where
// that is surprising: last_activity_at changes at most once an hour, the old path of a
// renamed project redirects, and a project that a token may not read is 404.
package gitlabtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Options change the settings of a newly installed GitLab. The zero value changes none.
type Options struct {
	Now     func() time.Time  // time.Now when nil
	PerPage int               // the most that a page of a list has; 100 when 0
	Limit   int               // requests a minute to the API; 0: any number
	Log     func(text string) // is told of every request and webhook; nil: nobody

	// Tags are those of the runner, which takes no untagged jobs; nil: it takes all.
	Tags []string

	// PipelinesPerMinute bounds the pipelines of each project; 0: any number. More are refused
	// with 400.
	PipelinesPerMinute int

	// JobEnded is told of every job that a runner ends; nil: nobody.
	JobEnded func(EndedJob)
}

// EndedJob is a job that a runner has ended.
type EndedJob struct {
	ID      int64
	Project string // path
	Status  string // success, failed or canceled
	Reason  string // why it failed, in GitLab's words
}

// Server is a GitLab without people. Its methods do the work of people and
// administrators; they may be called concurrently.
type Server struct {
	options Options
	dir     string // one bare repository for each project
	mux     *http.ServeMux
	url     string // once it listens

	mu       sync.Mutex
	projects map[int64]*project
	moved    map[string]int64 // paths that projects had before
	nextID   int64
	tokens   map[string]Access
	hooks    []Hook
	queries  map[string]Query // GraphQL, by name
	faults   []*fault
	requests []string // method and path of each API request
	window   window
	onFetch  func(n int)

	fetches, allFetches int

	pipelines pipelines

	deliveries sync.WaitGroup
	stop       context.Context // ends hanging requests and deliveries
	cancel     context.CancelFunc
}

// New makes a GitLab that keeps its repositories in dir. It has no project and
// no token, and does not listen yet.
func New(dir string, o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.PerPage == 0 {
		o.PerPage = 100
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("prepare the stand-in: %w", err)
	}
	s := &Server{
		options: o, dir: dir, mux: http.NewServeMux(),
		projects: map[int64]*project{}, moved: map[string]int64{}, tokens: map[string]Access{}, queries: map[string]Query{},
	}
	s.stop, s.cancel = context.WithCancel(context.Background())
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("prepare the stand-in's repositories: %w", err)
	}
	s.projectRoutes()
	s.graphQLRoutes()
	s.gitRoutes()
	s.pipelineRoutes()
	return s, nil
}

// Start starts a GitLab for a test, with one token that may do everything.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := New(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	s.Allow(Token, Everything)
	server := httptest.NewServer(s)
	s.SetURL(server.URL)
	t.Cleanup(func() {
		s.Close()
		server.Close()
	})
	return s
}

// Token is the token of a GitLab that Start started.
const Token = "glpat-test-0123456789abcdef" // it opens a stand-in

// URL gives the address of the server.
func (s *Server) URL() string { return s.url }

// SetURL says under which address the server is reached, before it is used.
func (s *Server) SetURL(url string) { s.url = url }

// Serve answers over ln until Close.
func (s *Server) Serve(ln net.Listener) error {
	if s.url == "" {
		s.SetURL("http://" + ln.Addr().String())
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: 30 * time.Second}
	context.AfterFunc(s.stop, func() { _ = server.Close() }) // the listener's error says the same
	if err := server.Serve(ln); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the stand-in for GitLab: %w", err)
	}
	return nil
}

// Close ends hanging requests and waits for the deliveries under way.
func (s *Server) Close() {
	s.cancel()
	s.deliveries.Wait()
}

// Settle waits until every webhook has been delivered.
func (s *Server) Settle() { s.deliveries.Wait() }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.log(r.Method + " " + r.URL.Path)
	if s.fail(w, r) {
		return
	}
	s.mux.ServeHTTP(w, r)
}

func (s *Server) log(text string) {
	if s.options.Log != nil {
		s.options.Log(text)
	}
}

// now is the time as GitLab writes it.
func (s *Server) now() time.Time { return s.options.Now().UTC().Truncate(time.Millisecond) }
