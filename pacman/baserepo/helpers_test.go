package baserepo_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"buildbtw/pacman/alpm"
	"buildbtw/pacman/baserepo"
)

// member is one file of an archive.
type member struct{ name, text string }

func tarOf(tb testing.TB, members ...member) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, m := range members {
		if err := w.WriteHeader(&tar.Header{Name: m.name, Mode: 0o644, Size: int64(len(m.text))}); err != nil {
			tb.Fatal(err)
		}
		if _, err := io.WriteString(w, m.text); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

func compress(tb testing.TB, format string, plain []byte) []byte {
	tb.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	switch format {
	case "zst":
		w, err = zstd.NewWriter(&out)
	case "xz":
		w, err = xz.NewWriter(&out)
	case "gz":
		w = gzip.NewWriter(&out)
	default:
		return plain
	}
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// pkg is a package that repo-add can add.
type pkg struct {
	name, base, version string
	lines               []string // further ones of .PKGINFO
	files               []string
}

func (p pkg) write(tb testing.TB, dir string) string {
	tb.Helper()
	info := fmt.Sprintf("pkgname = %s\npkgbase = %s\npkgver = %s\npkgdesc = made up\nbuilddate = 1700000000\nsize = 1\narch = x86_64\n%s\n",
		p.name, p.base, p.version, strings.Join(p.lines, "\n"))
	members := []member{{".PKGINFO", info}}
	for _, f := range p.files {
		members = append(members, member{f, ""})
	}
	path := filepath.Join(dir, alpm.Filename(p.name, p.version, "x86_64", "gz"))
	if err := os.WriteFile(path, compress(tb, "gz", tarOf(tb, members...)), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// repoAdd makes a repository with the real program and gives its database and
// its lists of files.
func repoAdd(tb testing.TB, ext string, pkgs ...pkg) (db, files []byte) {
	tb.Helper()
	if _, err := exec.LookPath("repo-add"); err != nil {
		tb.Skip("skipped: repo-add is not installed")
	}
	dir := tb.TempDir()
	args := []string{"--nocolor", "--quiet", filepath.Join(dir, "x.db.tar"+ext)}
	for _, p := range pkgs {
		args = append(args, p.write(tb, dir))
	}
	cmd := exec.CommandContext(tb.Context(), "repo-add", args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TMPDIR="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("repo-add: %v\n%s", err, out)
	}
	return read(tb, filepath.Join(dir, "x.db.tar"+ext)), read(tb, filepath.Join(dir, "x.files.tar"+ext))
}

func read(tb testing.TB, path string) []byte {
	tb.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return body
}

// madeUp is a database of n packages without calling repo-add.
func madeUp(tb testing.TB, n int) []byte {
	tb.Helper()
	var members []member
	for i := range n {
		id := fmt.Sprintf("package-%d-1.%d-1", i, i)
		members = append(members, member{id + "/desc", fmt.Sprintf("%%FILENAME%%\n%s-x86_64.pkg.tar.zst\n\n%%NAME%%\npackage-%d\n\n%%BASE%%\nbase-%d\n\n"+
			"%%VERSION%%\n1.%d-1\n\n%%DESC%%\nThe %s of all packages, %s\n\n%%CSIZE%%\n123\n\n%%PGPSIG%%\n%s\n\n%%ARCH%%\nx86_64\n\n%%PROVIDES%%\nlib%d.so=1-64\n\n"+
			"%%DEPENDS%%\nglibc\ngcc-libs>=13\nlibx.so=1-64\n\n%%MAKEDEPENDS%%\ncmake\nninja\n\n",
			id, i, i/2, i, strings.Repeat("best ", i%9), id, strings.Repeat(fmt.Sprintf("%x", i*7919), 80), i)})
	}
	return compress(tb, "gz", tarOf(tb, members...))
}

// linksDB is what createlinks writes.
func linksDB(tb testing.TB, needed map[string][]string) []byte {
	tb.Helper()
	var members []member
	for id, sonames := range needed {
		members = append(members, member{id + "/links", strings.Join(sonames, "\n") + "\n"})
	}
	return compress(tb, "gz", tarOf(tb, members...))
}

// mirror is a web server whose files and faults a test sets.
type mirror struct {
	*httptest.Server
	mu    sync.Mutex
	files map[string]http.HandlerFunc
	asked []string // paths with the status that was answered
}

func newMirror(tb testing.TB) *mirror {
	tb.Helper()
	m := &mirror{files: map[string]http.HandlerFunc{}}
	m.Server = httptest.NewServer(http.HandlerFunc(m.serve))
	tb.Cleanup(m.Close)
	return m
}

func (m *mirror) serve(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	handler := m.files[r.URL.Path]
	m.mu.Unlock()
	if handler == nil {
		handler = http.NotFound
	}
	recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
	defer func() {
		m.mu.Lock()
		m.asked = append(m.asked, fmt.Sprintf("%s %d", r.URL.Path, recorder.status))
		m.mu.Unlock()
	}()
	handler(recorder, r)
}

type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (s *statusRecorder) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

func (s *statusRecorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// takeAsked gives what was asked for since the last time.
func (m *mirror) takeAsked() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	asked := m.asked
	m.asked = nil
	return asked
}

func (m *mirror) set(path string, handler http.HandlerFunc) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[path] = handler
}

// put serves a file as mirrors do, with Last-Modified and 304.
func (m *mirror) put(path string, body []byte, modified time.Time) {
	m.set(path, func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", modified, bytes.NewReader(body))
	})
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func open(tb testing.TB, dir string, o baserepo.Options, repos ...baserepo.Repo) *baserepo.Base {
	tb.Helper()
	b, err := baserepo.Open(dir, repos, o)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// refresh fails the test when anything is warned about.
func refresh(tb testing.TB, b *baserepo.Base) []baserepo.Result {
	tb.Helper()
	results := b.Refresh(tb.Context())
	for _, r := range results {
		if r.Warning != "" {
			tb.Fatalf("%s: %s", r.Repo, r.Warning)
		}
	}
	return results
}
