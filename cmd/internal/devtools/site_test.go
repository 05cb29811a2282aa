// Package devtools has the runner pkgctl build with the real devtools, in a small
// distribution that is made for it. There are only tests in it, and they need root and
// a devtools: see make test-devtools.
package devtools

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/cmdtest"
)

// distribution is the directory that infrastructure/devtools/distribution.sh has made.
// It is set by make test-devtools, inside of infrastructure/devtools/inside.sh only.
var distribution = flag.String("devtools.distribution", "", "directory of the distribution to build for")

const (
	mirrorAddress = "127.0.0.1:8099" // as inside.sh says
	user          = "packager"       // who runs workers
	archbuild     = "/var/lib/archbuild/buildbtw"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if *distribution == "" {
		os.Exit(m.Run()) // everything is skipped
	}
	os.Exit(cmdtest.Main(func() int {
		programs, _, _ := strings.Cut(os.Getenv("PATH"), ":")
		if err := os.Chmod(programs, 0o755); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}))
}

// need skips a test where there is no distribution.
func need(t *testing.T) {
	t.Helper()
	if *distribution == "" {
		t.Skip("this needs root and devtools; BUILDBTW_DEVTOOLS=… make test-devtools runs it")
	}
}

// mirror serves the distribution. What a test has released stands before it.
type mirror struct {
	released string // directory, laid out as the distribution's

	mu   sync.Mutex
	gone map[string]bool // names of files that are not served
}

func startMirror(t *testing.T) *mirror {
	t.Helper()
	m := &mirror{released: openDir(t), gone: map[string]bool{}}
	files := http.FileServer(http.Dir(filepath.Join(*distribution, "repo")))
	fresh := http.FileServer(http.Dir(m.released))
	server := &http.Server{Addr: mirrorAddress, ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		gone := m.gone[filepath.Base(r.URL.Path)]
		m.mu.Unlock()
		if gone {
			http.NotFound(w, r)
			return
		}
		if _, err := os.Stat(filepath.Join(m.released, r.URL.Path)); err == nil {
			fresh.ServeHTTP(w, r)
			return
		}
		files.ServeHTTP(w, r)
	})}
	go func() { _ = server.ListenAndServe() }() // a test that cannot reach it fails
	t.Cleanup(func() { _ = server.Close() })
	return m
}

// lose has the mirror lose a file, or have it back.
func (m *mirror) lose(name string, gone bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gone[name] = gone
}

// release puts packages into the repository extra, signed.
func (m *mirror) release(t *testing.T, packages ...string) {
	t.Helper()
	dir := filepath.Join(m.released, "extra/os/x86_64")
	run(t, "mkdir", "-p", dir)
	run(t, "bash", append([]string{"-ec", `cp --no-clobber --dereference "$1"/repo/extra/os/x86_64/extra.* "$2"; cd "$2"; rm -f ./*.old; shift 2
		for p; do rm -f "$(basename "$p")"*; cp "$p" .; gpg --batch --quiet --detach-sign "$(basename "$p")"; done
		repo-add -q extra.db.tar.gz "${@##*/}"`, "bash", *distribution, dir}, packages...)...)
}

// openDir makes a directory that every user may enter. It is not below that of
// the test, which only root may.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "devtools-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "GNUPGHOME="+filepath.Join(*distribution, "signer"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// site is a server with its sources.
type site struct {
	dir    string
	server *cmdtest.Server
	client *api.Client
}

// startSite starts a server. Sources are files by name by package; a package whose
// files are nil is the demo's; args are for the server.
func startSite(t *testing.T, sources map[string]map[string]string, args ...string) *site {
	t.Helper()
	s := &site{dir: openDir(t)}
	root, err := cmdtest.Root()
	if err != nil {
		t.Fatal(err)
	}
	run(t, "mkdir", "-p", filepath.Join(s.dir, "sources"))
	for name, files := range sources {
		dir := filepath.Join(s.dir, "sources", name)
		for file := range files {
			run(t, "mkdir", "-p", filepath.Dir(filepath.Join(dir, file)))
		}
		if files == nil {
			run(t, "cp", "-r", filepath.Join(root, "infrastructure/demo/sources", name), dir)
		}
		if err := cmdtest.Commit(dir, "main", "first", files); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(s.token(), []byte("the token of all machines\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.server, err = cmdtest.StartServer(t.Context(), "", cmdtest.Spec{
		Args: append([]string{"--data-dir", filepath.Join(s.dir, "data"), "--sources", "dir:" + filepath.Join(s.dir, "sources"), "--worker-token-file", s.token(), "--lease", "10s", "--sync-period", "1s", "--debounce", "200ms"}, args...),
		Log:  filepath.Join(s.dir, "server.log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.server.Kill)
	if s.client, err = s.server.Client(api.Options{}); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) token() string { return filepath.Join(s.dir, "worker-token") }

// worker starts a worker as a user who may use sudo; its runner is pkgctl when args name
// none.
func (s *site) worker(t *testing.T, name string, args ...string) *cmdtest.Process {
	t.Helper()
	return s.startWorker(t, name, user, args...)
}

func (s *site) startWorker(t *testing.T, name, user string, args ...string) *cmdtest.Process {
	t.Helper()
	work := filepath.Join(s.dir, name)
	if err := os.MkdirAll(work, 0o700); err != nil {
		t.Fatal(err)
	}
	run(t, "chown", user+":", work)
	token := filepath.Join(s.dir, name+"-token")
	run(t, "install", "-m", "600", "-o", user, s.token(), token)
	if !slices.Contains(args, "--runner") {
		args = append([]string{"--runner", "pkgctl"}, args...)
	}
	p, err := cmdtest.Start(cmdtest.Spec{
		Args: append([]string{
			"setpriv", "--reuid=" + user, "--regid=" + user, "--init-groups", "--", "buildbtw-worker", "run", "--server-url", s.server.URL,
			"--worker-token-file", token, "--name", name, "--work-dir", work, "--make-jobs", "1",
		}, args...),
		Dir: s.dir, Env: append(os.Environ(), "HOME=/tmp/"+user, "USER="+user, "LOGNAME="+user), Log: filepath.Join(s.dir, name+".log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("worker %s: %s", name, p.Log())
		}
	})
	return p
}

// create makes a buildspace in which everything is built.
func (s *site) create(t *testing.T, name string, changesets ...string) {
	t.Helper()
	reuse := false
	if _, err := s.client.CreateBuildspace(t.Context(), api.NewBuildspace{Name: name, Changesets: changesets, Settings: api.Settings{Reuse: &reuse}, Confirm: true}); err != nil {
		t.Fatal(err)
	}
}

// patience bounds the wait for a few builds.
const patience = 5 * time.Minute

// builds waits until no build of the latest iteration moves any more.
func (s *site) builds(t *testing.T, buildspace string) []api.Build {
	t.Helper()
	var list []api.Build
	err := cmdtest.Poll(t.Context(), cmdtest.OnBusyMachine(patience), func() (bool, error) {
		var err error
		list, err = s.client.Builds(t.Context(), api.BuildFilter{Buildspace: buildspace, Iteration: api.Latest})
		if buildbtw.KindOf(err) == buildbtw.KindNotFound { // no iteration yet
			return false, nil
		}
		for _, b := range list {
			if b.Status.Active() && b.Status != buildbtw.StatusBlocked {
				return false, err
			}
		}
		return len(list) > 0, err
	})
	if err != nil {
		t.Fatalf("%v: %+v", err, list)
	}
	return list
}

// wait waits until the latest build of a package is as wanted.
func (s *site) wait(t *testing.T, buildspace, pkgbase string, want func(b api.Build, attempts []api.Attempt, log string) bool) {
	t.Helper()
	var state string
	err := cmdtest.Poll(t.Context(), cmdtest.OnBusyMachine(patience), func() (bool, error) {
		list, err := s.client.Builds(t.Context(), api.BuildFilter{Buildspace: buildspace, Iteration: api.Latest, Pkgbase: pkgbase})
		if buildbtw.KindOf(err) == buildbtw.KindNotFound { // no iteration yet
			return false, nil
		}
		if err != nil || len(list) != 1 {
			return false, err
		}
		attempts, err := s.client.Attempts(t.Context(), list[0].ID)
		if err != nil {
			return false, err
		}
		log := s.log(t.Context(), list[0].ID)
		state = fmt.Sprintf("%+v\n%+v\n%s", list[0], attempts, log)
		return want(list[0], attempts, log), nil
	})
	if err != nil {
		t.Fatalf("%v: %s", err, state)
	}
}

func (s *site) log(ctx context.Context, build string) string {
	body, err := s.client.Log(ctx, api.LogRequest{Build: build})
	if err != nil {
		return err.Error()
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// allBuilt wants every build built at the first try.
func (s *site) allBuilt(t *testing.T, buildspace string, number int) {
	t.Helper()
	list := s.builds(t, buildspace)
	if len(list) != number {
		t.Errorf("%d builds, want %d", len(list), number)
	}
	for _, b := range list {
		if b.Status != buildbtw.StatusBuilt || b.Attempts != 1 {
			attempts, err := s.client.Attempts(t.Context(), b.ID)
			t.Errorf("%s is %s after %d attempts: %+v %v\n%s", b.Pkgbase, b.Status, b.Attempts, attempts, err, s.log(t.Context(), b.ID))
		}
	}
}

// packages downloads what a buildspace has built.
func (s *site) packages(t *testing.T, buildspace string) []string {
	t.Helper()
	dir := openDir(t)
	var files []string
	for _, b := range s.builds(t, buildspace) {
		detail, err := s.client.Build(t.Context(), b.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range detail.Packages {
			name := filepath.Join(dir, p.Filename)
			f, err := os.Create(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.client.DownloadPackage(t.Context(), b.ID, p, f); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			files = append(files, name)
		}
	}
	return files
}

// source returns a small source.
func source(name, more, functions string) map[string]string {
	var fields, shell strings.Builder
	fields.WriteString("pkgver = 1\n\tpkgrel = 1\n\tarch = x86_64\n")
	shell.WriteString("pkgver=1\npkgrel=1\narch=(x86_64)\n")
	for line := range strings.Lines(more) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " = ")
		fmt.Fprintf(&fields, "\t%s\n", strings.TrimSpace(line))
		fmt.Fprintf(&shell, "%s+=('%s')\n", key, value)
	}
	return map[string]string{
		".SRCINFO": "pkgbase = " + name + "\n\t" + fields.String() + "\npkgname = " + name + "\n",
		"PKGBUILD": "pkgname=" + name + "\n" + shell.String() + functions + "\n",
	}
}

const packageNothing = "package() { install -d \"$pkgdir/usr\"; }\n"
