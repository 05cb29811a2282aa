package makepkg_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/srcinfo"
	"buildbtw/runners"
	"buildbtw/runners/fetch"
	"buildbtw/runners/makepkg"
)

func TestMain(m *testing.M) {
	fetch.Inside()
	os.Exit(m.Run())
}

// repository is a pacman repository that real repo-add writes, served on
// loopback.
type repository struct {
	dir    string
	server *httptest.Server
}

func newRepository(t *testing.T) *repository {
	t.Helper()
	r := &repository{dir: t.TempDir()}
	r.add(t)
	r.server = httptest.NewServer(http.FileServer(http.Dir(r.dir)))
	t.Cleanup(r.server.Close)
	return r
}

func (r *repository) add(t *testing.T, files ...string) {
	t.Helper()
	args := []string{"-q", filepath.Join(r.dir, "chain.db.tar.zst")}
	for _, f := range files {
		to := filepath.Join(r.dir, filepath.Base(f))
		if err := os.Rename(f, to); err != nil {
			t.Fatal(err)
		}
		args = append(args, to)
	}
	if out, err := exec.Command("repo-add", args...).CombinedOutput(); err != nil {
		t.Fatalf("repo-add: %v\n%s", err, out)
	}
}

func (r *repository) port(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(r.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Port()
}

// fetcher lets sources be fetched from the repository's server.
func (r *repository) fetcher(t *testing.T) *fetch.Fetcher {
	t.Helper()
	f, err := fetch.New(fetch.Options{Allow: []string{"127.0.0.1:" + r.port(t)}, Pauses: []time.Duration{time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// newRunner skips the test where the runner cannot work.
func newRunner(t *testing.T, o makepkg.Options) *makepkg.Runner {
	t.Helper()
	for _, program := range []string{"makepkg", "pacman", "repo-add", "bwrap", "gcc"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	o.Pauses = []time.Duration{time.Millisecond}
	r := makepkg.New(o)
	if err := r.Probe(t.Context()); err != nil {
		t.Skipf("the runner does not work here: %v", err)
	}
	return r
}

// built is what became of a job.
type built struct {
	runners.Result
	log   string
	files []string // paths of packages
	names []string // pkgname version arch, in order of files
	err   error    // of Collect
}

// source is a directory of testdata with replacements for its files' text.
type source struct {
	name string
	edit []string // old, new, …
	job  func(*runners.Job)
}

func (s source) prepare(t *testing.T, r *repository) runners.Job {
	t.Helper()
	dir := t.TempDir()
	job := runners.Job{Tree: filepath.Join(dir, "a:b,c source"), Output: filepath.Join(dir, "output"), Work: filepath.Join(dir, "work")}
	for _, d := range []string{job.Tree, job.Output, job.Work} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	job.Mark = runners.Mark(dir)
	edit := strings.NewReplacer(append(s.edit, "PORT", r.port(t))...)
	entries, err := os.ReadDir(filepath.Join("testdata", s.name))
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(job.Tree, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join("testdata", s.name, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		write(e.Name(), edit.Replace(string(text)))
		if e.Name() == ".SRCINFO" {
			job.Srcinfo = edit.Replace(string(text))
		}
	}
	write("port", r.port(t))
	info, err := srcinfo.Parse([]byte(job.Srcinfo))
	if err != nil {
		t.Fatal(err)
	}
	job.Pkgbase, job.Version, job.Architecture, job.SourceDate = info.Pkgbase, info.Version(), "x86_64", 1_700_000_000
	for _, p := range info.Packages {
		job.Pkgnames = append(job.Pkgnames, p.Name)
	}
	job.Repository.Name, job.Repository.URL = "chain", r.server.URL
	if s.job != nil {
		s.job(&job)
	}
	return job
}

func build(t *testing.T, run *makepkg.Runner, r *repository, s source) built {
	t.Helper()
	return execute(t, run, s.prepare(t, r))
}

func execute(t *testing.T, run *makepkg.Runner, job runners.Job) built {
	t.Helper()
	var log syncBuffer
	b := built{Result: run.Build(t.Context(), job, &log)}
	b.log = log.String()
	files, err := runners.Collect(job, run.Name())
	b.err = err
	for _, f := range files {
		path := filepath.Join(job.Output, f.Name)
		b.files = append(b.files, path)
		info := readInfo(t, path)
		b.names = append(b.names, info.Name+" "+info.Version+" "+info.Arch)
	}
	if t.Failed() || testing.Verbose() {
		t.Logf("%s: %s %s\n%s", job.Pkgbase, b.Outcome, b.Message, b.log)
	}
	return b
}

func readInfo(t *testing.T, path string) alpm.PkgInfo {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p, err := alpm.ReadPackage(f)
	if err != nil {
		t.Fatal(err)
	}
	return p.Info
}

func mustBuild(t *testing.T, run *makepkg.Runner, r *repository, s source) built {
	t.Helper()
	b := build(t, run, r, s)
	if b.Outcome != buildbtw.OutcomeBuilt || b.err != nil {
		t.Fatalf("%s: %s %q, %v\n%s", s.name, b.Outcome, b.Message, b.err, b.log)
	}
	return b
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// A program is compiled against the library that was built before it, in the
// version that the repository holds now, and cannot be compiled without it.
func TestProgramIsBuiltAgainstTheRepositorysLibrary(t *testing.T) {
	t.Parallel()
	run, r := newRunner(t, makepkg.Options{}), newRepository(t)
	app := source{name: "fooapp"}

	b := build(t, run, r, app)
	if b.Outcome != buildbtw.OutcomeFailed || b.Message != "not checked: libfoo, libfoo.so (nothing here provides it); build() failed (makepkg exit code 4)" || !strings.Contains(b.log, "foo.h: No such file") {
		t.Fatalf("without the library: %s %q\n%s", b.Outcome, b.Message, b.log)
	}
	r.add(t, mustBuild(t, run, r, source{name: "libfoo"}).files...)
	b = mustBuild(t, run, r, app)
	if !strings.Contains(b.log, "answer=42") {
		t.Errorf("the program did not run against libfoo 1:\n%s", b.log)
	}
	if deps := readInfo(t, b.files[0]).Depends; !slices.Contains(deps, "libfoo.so=1-64") {
		t.Errorf("depends of fooapp: %q", deps)
	}
	r.add(t, mustBuild(t, run, r, source{name: "libfoo", edit: []string{"1.0.0", "2.0.0"}}).files...)
	b = mustBuild(t, run, r, app)
	if deps := readInfo(t, b.files[0]).Depends; !strings.Contains(b.log, "answer=43") || !slices.Contains(deps, "libfoo.so=2-64") {
		t.Errorf("after the bump: depends %q\n%s", deps, b.log)
	}

	b = build(t, run, r, source{name: "wantsfoo3"})
	if b.Outcome != buildbtw.OutcomeFailed || !strings.Contains(b.Message, "libfoo>=3") {
		t.Errorf("a constraint that nothing meets: %s %q", b.Outcome, b.Message)
	}
	b = mustBuild(t, run, r, source{name: "checkpkg"})
	if !strings.Contains(b.log, "CHECK RAN with libfoo") {
		t.Errorf("check() did not see its dependency:\n%s", b.log)
	}
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	run := newRunner(t, makepkg.Options{Fetcher: r.fetcher(t)})
	for _, test := range []struct {
		source  source
		outcome buildbtw.Outcome
		message string
		collect string // part of Collect's error
		names   []string
	}{
		{source: source{name: "splitpkg"}, outcome: "built", names: []string{"split-a 2:2.3-1.1 x86_64", "split-b 2:2.3-1.1 any"}},
		{source: source{name: "splitpkg", edit: []string{"arch=('x86_64')", "arch=('armv7h')", "arch = x86_64", "arch = armv7h"}}, outcome: "built", names: []string{"split-a 2:2.3-1.1 x86_64", "split-b 2:2.3-1.1 any"}}, // --ignore-arch
		{source: source{name: "newver"}, outcome: "built", names: []string{"newver 7-1 any"}},
		{source: source{name: "remote"}, outcome: "failed", message: "the source payload could not be fetched: the server answered 404"},
		{source: source{name: "exit0"}, outcome: "built", collect: "makepkg ended with success but made no package for exit0"},
		{source: source{name: "failbuild"}, outcome: "failed", message: "build() failed (makepkg exit code 4)"},
		{source: source{name: "failsum"}, outcome: "failed", message: "One or more files did not pass the validity check (makepkg exit code 1)"},
		{source: source{name: "failpackage"}, outcome: "infrastructure", message: "a program that makepkg needs is missing on this machine (makepkg exit code 15)"},
		{source: source{name: "failbuild", job: func(j *runners.Job) { j.Repository.URL = "http://127.0.0.1:1" }}, outcome: "infrastructure"},
		{source: source{name: "checkpkg", job: func(j *runners.Job) { j.NoCheck = true }}, outcome: "built", names: []string{"checkpkg 1-1 any"}},
		{source: source{name: "hangs", job: func(j *runners.Job) { j.StallSeconds = 1 }}, outcome: "stalled", message: "no output and no CPU use for 1 s", collect: "no package"},
	} {
		t.Run(test.source.name+" "+string(test.outcome), func(t *testing.T) {
			t.Parallel()
			b := build(t, run, r, test.source)
			message := strings.ReplaceAll(test.message, "PORT", r.port(t))
			if b.Outcome != test.outcome || message != "" && b.Message != message {
				t.Errorf("got %s %q, want %s %q\n%s", b.Outcome, b.Message, test.outcome, message, b.log)
			}
			if !slices.Equal(b.names, test.names) {
				t.Errorf("packages %q, want %q", b.names, test.names)
			}
			if test.collect != "" && (b.err == nil || !strings.Contains(b.err.Error(), test.collect)) {
				t.Errorf("Collect says %v, want %q", b.err, test.collect)
			}
		})
	}
}

// Sources are fetched before the build, which has no network itself.
func TestRemoteSourceIsFetchedFirst(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs makepkg several times; not with -short")
	}
	r := newRepository(t)
	run := newRunner(t, makepkg.Options{Fetcher: r.fetcher(t)})
	if err := os.WriteFile(filepath.Join(r.dir, "payload"), []byte("from afar"), 0o644); err != nil {
		t.Fatal(err)
	}
	mustBuild(t, run, r, source{name: "remote"})
}

func TestSameJobMakesTheSameBytes(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs makepkg several times; not with -short")
	}
	run, r := newRunner(t, makepkg.Options{}), newRepository(t)
	var texts [][]byte
	for range 2 {
		text, err := os.ReadFile(mustBuild(t, run, r, source{name: "libfoo"}).files[0])
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	if !bytes.Equal(texts[0], texts[1]) {
		t.Error("two builds of one job differ")
	}
}

// A hanging build ends at once when it is cancelled, with every process it
// started, also those that left its process group.
func TestCancelLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, isolation := range []makepkg.Isolation{makepkg.Sandbox, makepkg.None} {
		t.Run(string(isolation), func(t *testing.T) {
			t.Parallel()
			run, r := newRunner(t, makepkg.Options{Isolation: isolation}), newRepository(t)
			seconds := strconv.Itoa(1_000_000 + os.Getpid() + len(isolation)*5_000_000)
			job := hanging(seconds).prepare(t, r)
			reachable(t, isolation, job)
			job.StallSeconds = 60
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			var log syncBuffer
			done := make(chan runners.Result, 1)
			go func() { done <- run.Build(ctx, job, &log) }()
			waitFor(t, "both sleeps", func() bool { return sleeping(t, seconds) == 2 })
			cause := errors.New("enough")
			cancel(cause)
			select {
			case result := <-done:
				if result.Outcome != buildbtw.OutcomeCancelled || result.Message != "enough" {
					t.Errorf("got %s %q", result.Outcome, result.Message)
				}
			case <-time.After(patience):
				t.Fatalf("the build did not end:\n%s", log.String())
			}
			waitFor(t, "the end of both sleeps", func() bool { return sleeping(t, seconds) == 0 })
			if err := runners.RemoveTree(filepath.Dir(job.Work)); err != nil {
				t.Error(err)
			}
		})
	}
}

// hanging is testdata/hangs with a number that tells its two sleeps from those
// of other tests.
func hanging(seconds string) source { return source{name: "hangs", edit: []string{"3141", seconds}} }

// sleeping counts the processes of a hanging build.
func sleeping(t *testing.T, seconds string) int {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, name := range names {
		if text, err := os.ReadFile(name); err == nil && string(text) == "sleep\x00"+seconds+"\x00" {
			n++
		}
	}
	return n
}

// patience bounds a wait for what must come; machines may be busy.
const patience = 5 * time.Minute

// waitFor waits for what other processes do, which tell nobody.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	look, deadline := time.NewTicker(10*time.Millisecond), time.After(patience)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// reachable lets the build's user reach the test's directories, which only the
// sandbox does without.
func reachable(t *testing.T, isolation makepkg.Isolation, job runners.Job) {
	t.Helper()
	if isolation != makepkg.None {
		return
	}
	for dir := filepath.Dir(job.Work); strings.Count(dir, "/") > 1; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWithoutIsolation(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs makepkg several times; not with -short")
	}
	run, r := newRunner(t, makepkg.Options{Isolation: makepkg.None}), newRepository(t)
	prepare := func(s source) runners.Job {
		job := s.prepare(t, r)
		reachable(t, makepkg.None, job)
		return job
	}
	lib := execute(t, run, prepare(source{name: "libfoo"}))
	if lib.Outcome != buildbtw.OutcomeBuilt || lib.err != nil {
		t.Fatalf("libfoo: %s %q %v\n%s", lib.Outcome, lib.Message, lib.err, lib.log)
	}
	r.add(t, lib.files...)
	job := prepare(source{name: "fooapp"})
	text, err := os.ReadFile(filepath.Join(job.Tree, "PKGBUILD"))
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(text), "  test ") // what check() asks of a sandbox
	_, after, _ := strings.Cut(string(text), "2>/dev/null\n}")
	if err := os.WriteFile(filepath.Join(job.Tree, "PKGBUILD"), []byte(before+"}"+after), 0o644); err != nil {
		t.Fatal(err)
	}
	app := execute(t, run, job)
	if app.Outcome != buildbtw.OutcomeBuilt || !strings.Contains(app.log, "answer=42") {
		t.Errorf("fooapp: %s %q\n%s", app.Outcome, app.Message, app.log)
	}
}

// A worker that is killed takes its builds along. The worker is this test's
// program, started again.
func TestBuildDiesWithItsWorker(t *testing.T) {
	if seconds := os.Getenv("BUILDBTW_TEST_WORKER"); seconds != "" {
		run := newRunner(t, makepkg.Options{})
		run.Build(t.Context(), hanging(seconds).prepare(t, newRepository(t)), os.Stderr)
		return
	}
	t.Parallel()
	seconds := strconv.Itoa(50_000_000 + os.Getpid())
	newRunner(t, makepkg.Options{}) // skips where it cannot work
	worker := exec.Command(os.Args[0], "-test.run=^TestBuildDiesWithItsWorker$")
	worker.Env = append(os.Environ(), "BUILDBTW_TEST_WORKER="+seconds, "TMPDIR="+t.TempDir())
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "both sleeps", func() bool { return sleeping(t, seconds) == 2 })
	if err := worker.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	worker.Wait()
	waitFor(t, "the end of both sleeps", func() bool { return sleeping(t, seconds) == 0 })
}
