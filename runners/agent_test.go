package runners_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/pacman/alpm"
	"buildbtw/runners"
	"buildbtw/runners/fake"
)

// worker is an agent with the fake runner that runs in the test.
type worker struct {
	agent *runners.Agent
	stop  context.CancelFunc
	ended chan error
	dir   string
}

func options(t *testing.T, s *server) runners.Options {
	t.Helper()
	backoff := runners.Backoff(slog.New(slog.DiscardHandler))
	backoff.First, backoff.Max = time.Millisecond, 20*time.Millisecond
	backoff.Notify = func(error, time.Duration) { s.change(func() { s.failed++ }) }
	client, err := api.New("http://"+s.address, "secret", api.Options{Backoff: backoff})
	if err != nil {
		t.Fatal(err)
	}
	return runners.Options{
		Client: client, Worker: "test-worker", Architectures: []string{"x86_64"},
		Runners: []runners.Runner{fake.Runner{}}, WorkDir: t.TempDir(),
		Log:         slog.New(slog.NewTextHandler(testLog{t}, nil)),
		LogInterval: time.Millisecond, Retry: time.Millisecond, Drain: time.Minute, Wait: time.Second,
	}
}

type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func startWorker(t *testing.T, o runners.Options) *worker {
	t.Helper()
	agent, err := runners.NewAgent(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	w := &worker{agent: agent, stop: stop, ended: make(chan error, 1), dir: o.WorkDir}
	go func() {
		err := agent.Run(ctx)
		agent.Close()
		w.ended <- err
	}()
	t.Cleanup(func() {
		stop()
		agent.Release()
		w.wait(t)
	})
	return w
}

func (w *worker) wait(t *testing.T) {
	t.Helper()
	if err := <-w.ended; err != nil {
		t.Errorf("the worker ended with %v", err)
	}
	w.ended <- nil
}

// checkBuilt compares what the server got with what the job asked for.
func checkBuilt(t *testing.T, s *server, l *lease) {
	t.Helper()
	result := s.outcome(l)
	s.mu.Lock()
	defer s.mu.Unlock()
	if result.Outcome != buildbtw.OutcomeBuilt || len(result.Files) != 2 {
		t.Fatalf("%s: %+v\n%s", l.job.Pkgbase, result, l.log)
	}
	for _, f := range result.Files {
		body := l.packages[f.Name]
		if digest := sha256.Sum256(body); hex.EncodeToString(digest[:]) != f.SHA256 {
			t.Errorf("%s: the digest is not that of the upload", f.Name)
		}
		p, err := alpm.ReadPackage(bytes.NewReader(body))
		if err != nil || p.Info.Base != l.job.Pkgbase || p.Info.Version != "1-1" {
			t.Errorf("%s: %v, %+v", f.Name, err, p)
		}
	}
}

// logLines gives the lines of the build itself.
func logLines(l *lease) (lines []string) {
	for line := range strings.Lines(string(l.log)) {
		if strings.HasPrefix(line, "line ") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

func wantLines(n int) (lines []string) {
	for i := range n {
		lines = append(lines, fmt.Sprintf("line %d of %d", i+1, n))
	}
	return lines
}

func TestBuildIsClaimedExecutedAndReported(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	l := s.add(task{name: "one", fake: "log-lines=30000\nsize=100000\nsoname=libone.so.2"})
	w := startWorker(t, options(t, s))
	checkBuilt(t, s, l)
	w.stop()
	w.wait(t)
	if diff := cmp.Diff(wantLines(30000), logLines(l)); diff != "" {
		t.Errorf("log: %s", diff)
	}
	if l.finishes != 1 {
		t.Errorf("finished %d times", l.finishes)
	}
	left, err := filepath.Glob(filepath.Join(w.dir, "attempt-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left in the work directory: %q, %v", left, err)
	}
}

func TestOutcomesAreToldApart(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		task    task
		during  func(s *server, l *lease) // while the build runs
		outcome buildbtw.Outcome
		reason  string
		doubt   bool
	}{
		// The machine is asked for its disk; of memory only a control group would know.
		{
			name: "printed that the disk is full", task: task{fake: "outcome=failed\nmessage=write: No space left on device"},
			outcome: "failed", reason: "write: No space left on device",
		},
		{
			name: "printed that memory is short", task: task{fake: "outcome=failed\nmessage=fork: Cannot allocate memory"}, doubt: true,
			outcome: "infrastructure", reason: "perhaps out of memory or processes (fork: Cannot allocate memory)",
		},
		{
			name: "printed that the network is down", task: task{fake: "outcome=failed\nmessage=curl: (6) Could not resolve host: x.example"},
			outcome: "failed", reason: "curl: (6) Could not resolve host: x.example",
		},
		{name: "failed", task: task{fake: "outcome=failed\nmessage=build() failed"}, outcome: "failed", reason: "build() failed"},
		{name: "infrastructure", task: task{fake: "outcome=infrastructure\nmessage=no room"}, outcome: "infrastructure", reason: "no room"},
		{name: "success without package", task: task{fake: "outcome=exit0-no-package"}, outcome: "failed", reason: "fake ended with success but made no package for it-a"},
		{name: "time limit", task: task{fake: "outcome=hang", timeout: 0.1}, outcome: "timed-out", reason: "not done after 0 s, which is the limit"},
		{name: "bad wish", task: task{fake: "sleep=soon"}, outcome: "failed", reason: `.fake line 1: time: invalid duration "soon"`},
		{name: "tree that leaves itself", task: task{tree: map[string]string{"../../evil": "x"}}, outcome: "failed", reason: `the source tree holds the path "../../evil", which leaves it`},
		{
			name: "stop", task: task{fake: "outcome=hang"}, outcome: "cancelled", reason: "the server told the worker to stop: cancelled by anna",
			during: func(s *server, l *lease) { s.change(func() { l.stop = "cancelled by anna" }) },
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t)
			test.task.name = "it"
			l := s.add(test.task)
			startWorker(t, options(t, s))
			if test.during != nil {
				s.until("the build's start", func() bool { return bytes.Contains(l.log, []byte("Making package")) })
				test.during(s, l)
			}
			if got, want := s.outcome(l), (api.FinishRequest{Outcome: test.outcome, Reason: test.reason, Doubtful: test.doubt}); !cmp.Equal(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// silent is the fake runner without what it knows of installed packages.
type silent struct{ fake.Runner }

func (r silent) Build(ctx context.Context, job runners.Job, log io.Writer) runners.Result {
	result := r.Runner.Build(ctx, job, log)
	result.Installed = ""
	return result
}

// What was installed is reported with every outcome of a build that has begun. Where the
// runner does not know, the packages say it.
func TestWhatWasInstalledIsReported(t *testing.T) {
	t.Parallel()
	many := strings.Builder{}
	for i := range api.MaxInstalled + 1 {
		fmt.Fprintf(&many, "installed=p%d 1-1\n", i)
	}
	const list = "installed=zlib 1:1.3-1\ninstalled=libcalc 1.9-1\ninstalled=libcalc 2.0.0-1\n"
	sorted := []string{"libcalc 2.0.0-1", "zlib 1:1.3-1"}
	for name, test := range map[string]struct {
		task   task
		runner runners.Runner
		want   []string
	}{
		"built":                    {task{fake: list}, fake.Runner{}, sorted},
		"failed":                   {task{fake: list + "outcome=failed"}, fake.Runner{}, sorted},
		"time limit":               {task{fake: list + "outcome=hang", timeout: 0.1}, fake.Runner{}, sorted},
		"no package":               {task{fake: list + "outcome=exit0-no-package"}, fake.Runner{}, sorted},
		"from the package":         {task{fake: list}, silent{}, sorted},
		"failed, and not known":    {task{fake: list + "outcome=failed"}, silent{}, nil},
		"too many to be a list of": {task{fake: many.String() + "outcome=failed"}, fake.Runner{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			test.task.name = "it"
			l := s.add(test.task)
			o := options(t, s)
			o.Runners = []runners.Runner{test.runner}
			startWorker(t, o)
			if d := cmp.Diff(test.want, s.outcome(l).Installed); d != "" {
				t.Error(d)
			}
		})
	}
}

// A lease that is over ends the build, and nothing is reported.
func TestLostLeaseEndsTheBuild(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	l := s.add(task{name: "lost", fake: "outcome=hang"})
	startWorker(t, options(t, s))
	s.until("a heartbeat", func() bool { return l.beats > 0 })
	s.change(func() { l.over = true })
	checkBuilt(t, s, s.add(task{name: "next"})) // the slot is free again
	if l.finishes != 0 {
		t.Errorf("a result was taken for a lost lease")
	}
}

// Without a token that is good the lease runs out: the build ends then, and not when
// the worker would give up a server that is away.
func TestARevokedTokenEndsTheBuild(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	l := s.add(task{name: "revoked", fake: "outcome=hang"})
	startWorker(t, options(t, s))
	s.until("a heartbeat", func() bool { return l.beats > 0 })
	s.setFault(func(w http.ResponseWriter, r *http.Request, handle http.HandlerFunc) {
		if strings.Contains(r.URL.Path, "revoked") {
			problem(w, buildbtw.Unauthenticated("the token was revoked"), nil)
			return
		}
		s.change(func() { l.over = true }) // the worker claims only after its end
		handle(w, r)
	})
	checkBuilt(t, s, s.add(task{name: "next"})) // the slot is free again
	if l.finishes != 0 {
		t.Errorf("a result was taken without a token")
	}
}

// Whatever happens to requests and answers, everything arrives once and whole.
func TestFaultsLoseNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	random := rand.New(rand.NewPCG(1, 2))
	var mu sync.Mutex
	s.setFault(func(w http.ResponseWriter, r *http.Request, handle http.HandlerFunc) {
		mu.Lock()
		kind := random.IntN(12)
		mu.Unlock()
		switch kind {
		case 0: // never arrives
			cut(w)
		case 1: // arrives, the answer is lost
			handle(discard{}, r)
			cut(w)
		case 2: // arrives torn
			r.Body = io.NopCloser(&torn{r.Body, 100})
			handle(discard{}, r)
			cut(w)
		case 3:
			problem(w, buildbtw.Unavailable("restarting"), nil)
		case 4: // arrives, half an answer
			handle(discard{}, r)
			w.Header().Set("Content-Length", "1000000")
			io.WriteString(w, `{"le`)
			cut(w)
		default:
			handle(w, r)
		}
	})
	o := options(t, s)
	o.Slots = 4
	startWorker(t, o)
	var all []*lease
	for i := range 12 {
		all = append(all, s.add(task{name: fmt.Sprintf("p%d", i), fake: "log-lines=20000\nsize=300000"}))
	}
	for _, l := range all {
		checkBuilt(t, s, l)
		if diff := cmp.Diff(wantLines(20000), logLines(l)); diff != "" {
			t.Fatalf("log of %s: %s", l.job.Pkgbase, diff)
		}
	}
}

// cut breaks the connection.
func cut(w http.ResponseWriter) {
	c, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		c.Close()
	}
}

type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

// torn breaks after some bytes.
type torn struct {
	r    io.Reader
	left int
}

func (t *torn) Read(p []byte) (int, error) {
	if t.left == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := t.r.Read(p[:min(len(p), t.left)])
	t.left -= n
	return n, err
}

// While the server is away the build goes on, ends, and waits with its result.
func TestServerRestartCostsNoBuild(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	l := s.add(task{name: "patient", fake: "sleep=300ms\nlog-lines=5000"})
	w := startWorker(t, options(t, s))
	s.until("the build's start", func() bool { return bytes.Contains(l.log, []byte("Making package")) })
	s.kill()
	waitFor(t, "the packages", func() bool {
		made, err := filepath.Glob(filepath.Join(w.dir, "attempt-*/output/*"))
		return err == nil && len(made) == 2
	})
	var before int
	s.change(func() { before = s.failed })
	s.until("calls that fail", func() bool { return s.failed >= before+3 })
	s.start(s.address)
	checkBuilt(t, s, l)
	if diff := cmp.Diff(wantLines(5000), logLines(l)); diff != "" || l.finishes != 1 {
		t.Errorf("finished %d times; log: %s", l.finishes, diff)
	}
}

// waitFor waits for what other processes do, which tell nobody.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	look, deadline := time.NewTicker(5*time.Millisecond), time.After(patience)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// A worker that comes back after SIGKILL gets its build again and goes on in the
// same log.
func TestKilledWorkersSuccessorContinuesTheLog(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	l := s.add(task{name: "again", fake: "log-lines=10"})
	s.change(func() { l.log = []byte("line of the one that was killed\n") })
	o := options(t, s)
	dead := filepath.Join(o.WorkDir, "attempt-0-dead", "work", "pkg")
	if err := os.MkdirAll(filepath.Join(dead, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dead, 0o111); err != nil { // as makepkg leaves it
		t.Fatal(err)
	}
	startWorker(t, o)
	checkBuilt(t, s, l)
	if want := append([]string{"line of the one that was killed"}, wantLines(10)...); !cmp.Equal(logLines(l), want) {
		t.Errorf("log: %q", l.log)
	}
	if _, err := os.Stat(filepath.Join(o.WorkDir, "attempt-0-dead")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the predecessor's files are still there: %v", err)
	}
}

func TestDrainFinishesOrHandsBack(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	o := options(t, s)
	o.Slots, o.Drain = 2, 3*time.Second
	short, long := s.add(task{name: "short", fake: "sleep=200ms"}), s.add(task{name: "long", fake: "outcome=hang"})
	w := startWorker(t, o)
	s.until("both builds", func() bool { return short.beats > 0 && long.beats > 0 })
	w.stop()
	never := s.add(task{name: "never"})
	w.wait(t)
	checkBuilt(t, s, short)
	if got, want := s.outcome(long), (api.FinishRequest{Outcome: buildbtw.OutcomeReleased, Reason: "the worker is shutting down"}); !cmp.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if never.worker != "" {
		t.Error("a worker that drains has claimed a build")
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, method, path string
		err                error
		outcome            buildbtw.Outcome
		reason             string
	}{
		{"package", "PUT", "/packages/", buildbtw.Invalid("pkgname x is not expected"), "failed", "the server refused it-a-1-1-x86_64.pkg.tar.zst: pkgname x is not expected"},
		{"upload", "PUT", "/packages/", &buildbtw.Error{Kind: buildbtw.KindInternal, Message: "the disk is full"}, "infrastructure", "it-a-1-1-x86_64.pkg.tar.zst could not be uploaded: the disk is full"},
		{"source", "GET", "/source", buildbtw.NotFound("no such commit"), "infrastructure", "the source could not be fetched: no such commit"},
		{"log", "PATCH", "/log", buildbtw.TooLarge("enough"), "built", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t)
			s.setFault(func(w http.ResponseWriter, r *http.Request, handle http.HandlerFunc) {
				if r.Method == test.method && strings.Contains(r.URL.Path, test.path) {
					problem(w, test.err, nil)
					return
				}
				handle(w, r)
			})
			l := s.add(task{name: "it"})
			startWorker(t, options(t, s))
			if got := s.outcome(l); got.Outcome != test.outcome || got.Reason != test.reason {
				t.Errorf("got %s %q, want %s %q", got.Outcome, got.Reason, test.outcome, test.reason)
			}
		})
	}
}

// What a proxy on the way answers says nothing about a package, nor about a lease.
func TestProxiesThatRefuse(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, method, path string
		status, times      int // how often it is answered so, then the server is asked
		outcome            buildbtw.Outcome
		reason             string
	}{
		{"upload that is too large", "PUT", "/packages/", 413, 1 << 30, "infrastructure", "it-a-1-1-x86_64.pkg.tar.zst could not be uploaded: something between this machine and the server at "},
		{"upload that is sent on", "PUT", "/packages/", 302, 1 << 30, "infrastructure", "it-a-1-1-x86_64.pkg.tar.zst could not be uploaded: the server at "},
		{"upload that it forbids", "PUT", "/packages/", 403, 1 << 30, "infrastructure", "answered 403 Forbidden, and that is no answer of buildbtw"},
		{"upload while it has no such page", "PUT", "/packages/", 404, 2, "built", ""},
		{"result", "POST", "/finish", 422, 2, "built", ""},
		{"result that is too large", "POST", "/finish", 413, 2, "built", ""},
		{"heartbeats", "POST", "/heartbeat", 404, 1 << 30, "built", ""},
		{"log", "PATCH", "/log", 409, 2, "built", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			asked := 0
			s.setFault(func(w http.ResponseWriter, r *http.Request, handle http.HandlerFunc) {
				if r.Method == test.method && strings.Contains(r.URL.Path, test.path) {
					refuse := false
					s.change(func() { asked++; refuse = asked <= test.times })
					if refuse {
						w.Header().Set("Server", "nginx")
						w.Header().Set("Location", "https://elsewhere.example.org/")
						w.WriteHeader(test.status)
						return
					}
				}
				handle(w, r)
			})
			fake := ""
			if test.name == "heartbeats" {
				fake = "sleep=1s"
			}
			l := s.add(task{name: "it", fake: fake})
			startWorker(t, options(t, s))
			if got := s.outcome(l); got.Outcome != test.outcome || !strings.Contains(got.Reason, test.reason) {
				t.Errorf("got %s %q, want %s %q", got.Outcome, got.Reason, test.outcome, test.reason)
			}
			if asked == 0 {
				t.Error("the proxy refused nothing")
			}
		})
	}
}

func TestSuccessThatTheServerRefusesIsAFailure(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.setFault(func(w http.ResponseWriter, r *http.Request, handle http.HandlerFunc) {
		if body, err := io.ReadAll(r.Body); err == nil {
			r.Body = io.NopCloser(bytes.NewReader(body))
			if strings.HasSuffix(r.URL.Path, "/finish") && bytes.Contains(body, []byte(`"built"`)) {
				problem(w, buildbtw.Invalid("a package is missing"), nil)
				return
			}
		}
		handle(w, r)
	})
	l := s.add(task{name: "it"})
	startWorker(t, options(t, s))
	if got := s.outcome(l); got.Outcome != buildbtw.OutcomeFailed || got.Reason != "the server refused the result: a package is missing" {
		t.Errorf("got %+v", got)
	}
}

func TestWrongTokenEndsTheWorker(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.setFault(func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		problem(w, buildbtw.Unauthenticated("unknown token"), nil)
	})
	agent, err := runners.NewAgent(options(t, s))
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	if err := agent.Run(t.Context()); buildbtw.KindOf(err) != buildbtw.KindUnauthenticated {
		t.Errorf("got %v", err)
	}
}

// A server that was started again has a new token for workers of the same user, which
// they find a moment later, however long the claim before had waited; one that does not
// know the worker any more ends it.
func TestATokenMayChangeWithTheServer(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	o := options(t, s)
	o.GiveUp = 3 * time.Second
	refused := 0
	w := startWorker(t, o)
	checkBuilt(t, s, s.add(task{name: "known"}))
	s.setFault(func(w http.ResponseWriter, r *http.Request, handle http.HandlerFunc) {
		s.mu.Lock()
		refused++
		first, known := refused == 1, refused > 3
		s.mu.Unlock()
		if first { // a claim that waited for a build when the server ended
			<-time.After(o.GiveUp)
		}
		if !known {
			problem(w, buildbtw.Unauthenticated("the token is not known here"), nil)
			return
		}
		handle(w, r)
	})
	checkBuilt(t, s, s.add(task{name: "later"}))
	s.setFault(func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		problem(w, buildbtw.Unauthenticated("the token is not known here"), nil)
	})
	if err := <-w.ended; buildbtw.KindOf(err) != buildbtw.KindUnauthenticated {
		t.Errorf("it ended with %v", err)
	}
	w.ended <- nil
}

func TestWorkDirectoryIsForOneWorker(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	o := options(t, s)
	startWorker(t, o)
	if _, err := runners.NewAgent(o); err == nil || !strings.Contains(err.Error(), "another worker") {
		t.Errorf("got %v", err)
	}
}

// commands is a runner that runs a command: a quick one for a job called
// quick, else one that lasts until many of those have ended.
type commands struct{ quick chan struct{} }

func (commands) Name() string                { return "commands" }
func (commands) Probe(context.Context) error { return nil }

func (c commands) Build(ctx context.Context, job runners.Job, log io.Writer) runners.Result {
	script := "cat go"
	if strings.HasPrefix(job.Pkgbase, "quick") {
		script = "true"
		defer func() { c.quick <- struct{}{} }()
	} else if err := syscall.Mkfifo(filepath.Join(job.Tree, "go"), 0o600); err != nil {
		return runners.Infrastructure("%v", err)
	}
	command := shell(script)
	command.Dir, command.Output, command.Mark = job.Tree, log, job.Mark
	exit, err := command.Run(ctx)
	return runners.Failed("%v, %v", exit, err)
}

// What one slot's build leaves behind is cleaned up without harm to another's.
func TestSlotsDoNotDisturbEachOther(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	o := options(t, s)
	quick := make(chan struct{}, 10)
	o.Slots, o.Runners = 2, []runners.Runner{commands{quick}}
	long := s.add(task{name: "long"})
	w := startWorker(t, o)
	s.until("the long build", func() bool { return long.beats > 0 })
	for i := range 3 {
		s.add(task{name: fmt.Sprintf("quick%d", i)})
		<-quick
	}
	fifos, err := filepath.Glob(filepath.Join(w.dir, "attempt-*/source/go"))
	if err != nil || len(fifos) != 1 {
		t.Fatalf("%q, %v", fifos, err)
	}
	f, err := os.OpenFile(fifos[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(f, "on")
	s.until("the long build's output", func() bool { return bytes.Contains(long.log, []byte("on\n")) })
	f.Close()
	if got := s.outcome(long); got.Reason != "exit code 0, <nil>" {
		t.Errorf("the long build: %+v", got)
	}
}
