package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"buildbtw/api"
	"buildbtw/cmd/internal/cmdtest"
)

func TestMain(m *testing.M) { os.Exit(cmdtest.Main(m.Run)) }

// patience bounds every wait; machines may be busy.
const patience = 5 * time.Minute

// site is a directory with sources and data for servers of one test.
type site struct {
	dir     string
	address string // of the server, kept over restarts
	runner  string // of workers
}

// newSite makes a site with one source, lib; the fake runner does with it what
// the lines of .fake say.
func newSite(t *testing.T, fake string) *site {
	t.Helper()
	s := &site{dir: t.TempDir(), runner: "fake"}
	s.commit(t, "lib", map[string]string{
		"PKGBUILD": "", ".fake": fake,
		".SRCINFO": "pkgbase = lib\n\tpkgver = 1\n\tpkgrel = 1\n\tarch = x86_64\n\npkgname = lib\n",
	})
	return s
}

func (s *site) commit(t *testing.T, slug string, files map[string]string) {
	t.Helper()
	if err := cmdtest.Commit(filepath.Join(s.sources(), slug), "main", "change", files); err != nil {
		t.Fatal(err)
	}
}

func (s *site) sources() string { return filepath.Join(s.dir, "sources") }
func (s *site) data() string    { return filepath.Join(s.dir, "data") }

// serve starts a server and waits until it is ready. Started again it has the
// same address.
func (s *site) serve(t *testing.T, args ...string) (*cmdtest.Server, *api.Client) {
	t.Helper()
	server, err := cmdtest.StartServer(t.Context(), s.address, cmdtest.Spec{
		Args: append([]string{
			"--data-dir", s.data(), "--sources", "dir:" + s.sources(),
			"--lease", "3s", "--sync-period", "200ms", "--debounce", "200ms",
		}, args...),
		Env: append(os.Environ(), "BUILDBTW_RUNNER="+s.runner), // of the workers that it starts
		Log: filepath.Join(s.dir, "server.log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the server said:\n%s", server.Log())
		}
	})
	client, err := server.Client(api.Options{Backoff: api.Backoff{Patience: patience}})
	if err != nil {
		t.Fatal(err)
	}
	s.address = server.URL[len("http://"):]
	return server, client
}

// worker starts a worker beside the server.
func (s *site) worker(t *testing.T, name string) *cmdtest.Process {
	t.Helper()
	p, err := cmdtest.Start(cmdtest.Spec{
		Args: []string{
			"buildbtw-worker", "run", "--server-url", "http://" + s.address, "--architectures", "x86_64",
			"--runner", s.runner, "--name", name, "--work-dir", filepath.Join(s.dir, name),
		},
		Log: filepath.Join(s.dir, name+".log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("worker %s said:\n%s", name, p.Log())
		}
	})
	return p
}

// poll waits until done reports true.
func poll(t *testing.T, what string, done func() (bool, error)) {
	t.Helper()
	if err := cmdtest.Poll(t.Context(), patience, done); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// stop ends a server as systemd does and wants it to end well and soon.
func stop(t *testing.T, server *cmdtest.Server, limit time.Duration) {
	t.Helper()
	code, err := server.Stop(limit)
	if err != nil || code != 0 {
		t.Errorf("stopped with exit code %d: %v", code, err)
	}
}
