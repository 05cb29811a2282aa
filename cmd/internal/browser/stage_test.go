package browser_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/auth/oidctest"
	"buildbtw/cmd/internal/cmdtest"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// newStage starts a server on the first sources. No worker runs yet: nothing is
// built before the story says so. What prepares the stage does so before the
// server starts.
func newStage(t testing.TB, prepare ...func(*stage) error) *stage {
	t.Helper()
	s := &stage{ctx: t.Context(), dir: t.TempDir(), workers: map[string]*cmdtest.Process{}}
	for _, p := range firstSources() {
		if err := s.push(p); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range prepare {
		if err := p(s); err != nil {
			t.Fatal(err)
		}
	}
	server, err := cmdtest.StartServer(s.ctx, "", cmdtest.Spec{
		Args: append([]string{
			"--data-dir", filepath.Join(s.dir, "data"), "--sources", "dir:" + filepath.Join(s.dir, "sources"),
			"--sync-period", "200ms", "--debounce", "200ms",
		}, s.args...),
		Dir: s.dir, Log: filepath.Join(s.dir, "server.log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.server = server
	t.Cleanup(s.end)
	if s.provider != nil {
		s.provider.SetRedirect(server.URL + "/sign-in/oidc/callback")
	}
	return s
}

// addLargeBuildspace puts the buildspace "distribution" with 3,000 builds into the
// database before the server opens it: so many sources would take minutes.
func (s *stage) addLargeBuildspace() error {
	data := filepath.Join(s.dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	db, err := store.Open(s.ctx, filepath.Join(data, "buildbtw.sqlite"), store.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer db.Close()
	row, err := db.CreateBuildspace(s.ctx, "alice", buildbtw.Buildspace{Name: "distribution", Settings: buildbtw.DefaultSettings()}, []buildbtw.Changeset{{Source: "lib"}})
	if err != nil {
		return err
	}
	_, err = db.CreateIteration(s.ctx, store.NewIteration{
		BuildspaceID: row.ID, Revision: row.Revision, Reason: buildbtw.IterationRequested, Plan: storetest.Synthetic(3000, 25000, 1),
	})
	return err
}

// addProvider lets people sign in with an OpenID Connect provider that knows bob, a
// packager. Its groups are asked for again every second.
func (s *stage) addProvider() (err error) {
	s.provider, err = oidctest.Start(oidctest.Person{Name: "bob", Groups: []string{"packagers"}})
	if err != nil {
		return err
	}
	s.args = []string{
		"--oidc-issuer", s.provider.Issuer, "--oidc-name", "Our SSO", "--oidc-client-id", oidctest.ClientID, "--oidc-client-secret", oidctest.ClientSecret,
		"--oidc-packager-groups", "packagers", "--oidc-admin-groups", "admins", "--session-key", strings.Repeat("k", 32), "--oidc-period", "1s",
	}
	return nil
}

// compareFailures has the server compare failed builds with the base by itself.
func (s *stage) compareFailures() error {
	s.args = append(s.args, "--baseline")
	return nil
}

func (s *stage) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.workers {
		w.Kill()
	}
	s.server.Kill()
	if s.provider != nil {
		s.provider.Close()
	}
}

// firstSources is a small distribution: programs on a library, a tool that only
// the tests of another need, and a source that cannot be read.
func firstSources() []pushed {
	return []pushed{
		{Name: "libcalc", Version: "1.0"},
		{Name: "abacus", Version: "2.1", Depends: []string{"libcalc"}},
		{Name: "town", Version: "0.9", Depends: []string{"abacus"}},
		{Name: "atlas", Version: "4.0", Depends: []string{"town"}},
		{Name: "zeppelin", Version: "7.3"},
		{Name: "broken", Srcinfo: "pkgbase = broken\n\tpkgver = 1\n\tpkgrel\n"},
	}
}

// pushed is a commit that somebody pushes to a source.
type pushed struct {
	Name    string   `json:"name"`
	Version string   `json:"version"`
	Depends []string `json:"depends"`
	Fake    []string `json:"fake"`    // what the fake runner is to do, as lines of .fake
	Srcinfo string   `json:"srcinfo"` // instead of the one that is made from the rest
}

func (p pushed) srcinfo() string {
	if p.Srcinfo != "" {
		return p.Srcinfo
	}
	var b strings.Builder
	fmt.Fprintf(&b, "pkgbase = %s\n\tpkgver = %s\n\tpkgrel = 1\n\tarch = x86_64\n", p.Name, p.Version)
	for _, d := range p.Depends {
		fmt.Fprintf(&b, "\tdepends = %s\n", d)
	}
	fmt.Fprintf(&b, "\npkgname = %s\n", p.Name)
	return b.String()
}

func (s *stage) push(p pushed) error {
	return cmdtest.Commit(filepath.Join(s.dir, "sources", filepath.Base(p.Name)), "main", "version "+p.Version, map[string]string{
		"PKGBUILD": "", ".SRCINFO": p.srcinfo(), ".fake": strings.Join(p.Fake, "\n") + "\n",
	})
}

// ServeHTTP does what a story asks for: POST /push with a commit, POST
// /worker/NAME to start a worker, DELETE /worker/NAME to tell it to end, POST /groups
// with a person and the groups of him or her at the provider from now on.
func (s *stage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	err := s.act(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *stage) act(r *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	name, isWorker := strings.CutPrefix(r.URL.Path, "/worker/")
	switch {
	case r.URL.Path == "/push":
		var p pushed
		if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
			return err
		}
		return s.push(p)
	case r.URL.Path == "/groups" && s.provider != nil:
		var p oidctest.Person
		if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
			return err
		}
		s.provider.SetGroups(p.Name, p.Groups...)
		return nil
	case isWorker && r.Method == http.MethodPost:
		return s.startWorker(name)
	case isWorker && r.Method == http.MethodDelete && s.workers[name] != nil:
		_, err := s.workers[name].Stop(time.Minute)
		return err
	}
	return fmt.Errorf("the stage does not know %s %s", r.Method, r.URL.Path)
}

func (s *stage) startWorker(name string) error {
	p, err := cmdtest.Start(cmdtest.Spec{
		Args: []string{
			"buildbtw-worker", "run", "--runner", "fake", "--architectures", "x86_64",
			"--name", name, "--work-dir", filepath.Join(s.dir, "workers", name),
		},
		Dir: s.dir, Log: filepath.Join(s.dir, name+".log"),
		Env: append(slices.Clip(os.Environ()), "BUILDBTW_SERVER_URL="+s.server.URL),
	})
	if err == nil {
		s.workers[name] = p
	}
	return err
}
