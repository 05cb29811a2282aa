package fetch_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/runners"
	"buildbtw/runners/fetch"
)

func TestMain(m *testing.M) {
	fetch.Inside()
	os.Exit(m.Run())
}

// newFetcher skips the test where sources cannot be fetched.
func newFetcher(t *testing.T, o fetch.Options) *fetch.Fetcher {
	t.Helper()
	if o.Pauses == nil {
		o.Pauses = []time.Duration{time.Millisecond, time.Millisecond}
	}
	f, err := fetch.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Probe(t.Context()); err != nil {
		t.Skipf("nothing can be fetched here: %v", err)
	}
	return f
}

// fetched is what became of a job's sources.
type fetched struct {
	runners.Result
	failed bool
	dest   string
	log    string
}

func (f fetched) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(f.dest, name))
	if err != nil {
		t.Fatalf("%v\n%s", err, f.log)
	}
	return string(text)
}

func newJob(t *testing.T, sources ...string) runners.Job {
	t.Helper()
	dir := t.TempDir()
	job := runners.Job{Tree: filepath.Join(dir, "tree"), Output: filepath.Join(dir, "output"), Work: filepath.Join(dir, "work")}
	for _, d := range []string{job.Tree, job.Output, job.Work, filepath.Join(job.Work, "srcdest")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	job.Srcinfo = "pkgbase = a\n\tpkgver = 1\n\tpkgrel = 1\n\tarch = x86_64\n"
	for _, s := range sources {
		job.Srcinfo += "\tsource = " + s + "\n"
	}
	job.Srcinfo += "\npkgname = a\n"
	job.Architecture, job.Mark = "x86_64", runners.Mark(dir)
	return job
}

func run(t *testing.T, f *fetch.Fetcher, job runners.Job) fetched {
	t.Helper()
	return runContext(t.Context(), f, job)
}

func runContext(ctx context.Context, f *fetch.Fetcher, job runners.Job) fetched {
	var log bytes.Buffer
	out := fetched{dest: filepath.Join(job.Work, "srcdest")}
	out.Result, out.failed = f.Fetch(ctx, job, out.dest, &log)
	out.log = log.String()
	return out
}

// mirror serves what handler answers, and gives its HOST:PORT.
func mirror(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

func TestSourcesLieWhereMakepkgLooksForThem(t *testing.T) {
	t.Parallel()
	host := mirror(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/plain", http.StatusFound)
			return
		}
		fmt.Fprint(w, "text of "+r.URL.RequestURI())
	})
	f := newFetcher(t, fetch.Options{Allow: []string{host}})
	job := newJob(t, "http://"+host+"/dir/plain.tar.gz", "other::http://"+host+"/x", "http://"+host+"/get?file=a&b", "http://"+host+"/moved",
		"local.patch", "beside::http://"+host+"/y", "http://"+host+"/dir/plain.tar.gz")
	if err := os.WriteFile(filepath.Join(job.Tree, "beside"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	got := run(t, f, job)
	if got.failed {
		t.Fatalf("%+v\n%s", got.Result, got.log)
	}
	for name, want := range map[string]string{"plain.tar.gz": "/dir/plain.tar.gz", "other": "/x", "get?file=a&b": "/get?file=a&b", "moved": "/plain"} {
		if text := got.read(t, name); text != "text of "+want {
			t.Errorf("%s: %q", name, text)
		}
	}
	if entries, err := os.ReadDir(got.dest); err != nil || len(entries) != 4 {
		t.Errorf("%v, %v", entries, err)
	}
	if !strings.Contains(got.log, "==> Fetching sources...\n") || !strings.Contains(got.log, "  -> other (0.0 KiB from "+host) {
		t.Errorf("the log says:\n%s", got.log)
	}
}

// A redirect, a name and every form of an address lead nowhere but to the
// internet; the server on this machine hears nothing.
func TestNothingIsFetchedFromThisMachine(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	inner := mirror(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	_, port, err := net.SplitHostPort(inner)
	if err != nil {
		t.Fatal(err)
	}
	outer := mirror(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+inner+"/api/v1/me", http.StatusFound)
	})
	f := newFetcher(t, fetch.Options{Allow: []string{outer}, Resolver: names(t)})
	for _, test := range []struct{ source, says string }{
		{"x::http://127.0.0.1:PORT/", "127.0.0.1:PORT is a loopback address"},
		{"x::http://OUTER/redirect", "127.0.0.1:PORT is a loopback address"},
		{"x::http://localhost:PORT/", "a loopback address"},
		{"x::https://localhost:PORT/", "a loopback address"},
		{"x::http://0.0.0.0:PORT/", "an address of this machine"},
		{"x::http://0:PORT/", "an address of this machine"},
		{"x::http://2130706433:PORT/", "a loopback address"},
		{"x::http://[::1]:PORT/", "not an address of the public internet"},
		{"x::http://[::ffff:127.0.0.1]:PORT/", "a loopback address"},
		{"x::http://[64:ff9b::7f00:1]:PORT/", "not an address of the public internet"},
		{"x::http://169.254.169.254/latest/meta-data", "a link-local address"},
		{"x::https://10.0.2.2:PORT/", "a private address"},
		{"x::ftp://127.0.0.1:PORT/x", "a loopback address"},
		{"git+http://127.0.0.1:PORT/x.git", "a loopback address"},
		{"git+https://192.168.0.1/x.git", "a private address"},
		{"x::http://loopback.example:PORT/", "127.0.0.1, a loopback address"},
		{"x::http://metadata.example/", "169.254.169.254, a link-local address"},
		{"x::http://six.example:PORT/", "::1, not an address of the public internet"},
		{"x::https://both.example:PORT/", "a private address"},
		{"git+https://loopback.example:PORT/x.git", "127.0.0.1, a loopback address"},
	} {
		edit := strings.NewReplacer("PORT", port, "OUTER", outer)
		t.Run(test.source, func(t *testing.T) {
			t.Parallel()
			got := run(t, f, newJob(t, edit.Replace(test.source)))
			if got.Outcome != buildbtw.OutcomeFailed || !strings.Contains(got.Message, edit.Replace(test.says)) {
				t.Errorf("%+v\n%s", got.Result, got.log)
			}
		})
	}
	t.Cleanup(func() {
		if asked.Load() > 0 {
			t.Error("the server on this machine was asked")
		}
	})
}

// names is a name server for example.
func names(t *testing.T) *net.Resolver {
	t.Helper()
	hosts := map[string][]string{
		"loopback.example": {"127.0.0.1"}, "metadata.example": {"169.254.169.254"}, "six.example": {"::1"}, "both.example": {"10.1.1.1", "192.168.1.1"},
	}
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	go func() {
		for question := make([]byte, 512); ; {
			n, from, err := server.ReadFrom(question)
			if err != nil {
				return
			}
			_, _ = server.WriteTo(answer(question[:n], hosts), from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

// answer answers a DNS question (RFC 1035).
func answer(question []byte, hosts map[string][]string) []byte {
	at, labels := 12, []string(nil)
	for question[at] != 0 {
		n := int(question[at])
		labels = append(labels, string(question[at+1:at+1+n]))
		at += n + 1
	}
	name := strings.Join(labels, ".")
	kind := binary.BigEndian.Uint16(question[at+1:])
	out := append([]byte{}, question[:at+5]...)
	var records int
	for _, text := range hosts[name] {
		ip := net.ParseIP(text)
		if four := ip.To4(); four != nil {
			ip = four
		}
		if len(ip) == 4 != (kind == 1) {
			continue
		}
		records++
		out = append(out, 0xc0, 12, byte(kind>>8), byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(len(ip)))
		out = append(out, ip...)
	}
	code := byte(0)
	if hosts[name] == nil {
		code = 3 // no such name
	}
	copy(out[2:], []byte{0x81, 0x80 | code, 0, 1, 0, byte(records), 0, 0, 0, 0})
	return out
}

func TestOutcomesOfFetching(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	host := mirror(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/flaky":
			if asked.Add(1) < 3 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		case "/forbidden":
			w.WriteHeader(http.StatusForbidden)
		case "/late":
			w.WriteHeader(http.StatusRequestTimeout)
		case "/busy":
			w.WriteHeader(http.StatusBadGateway)
		case "/cut":
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "half")
		case "/circle":
			http.Redirect(w, r, "/circle", http.StatusFound)
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		case "/file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	f := newFetcher(t, fetch.Options{Allow: []string{host, "127.0.0.1:1"}, MaxBytes: 5 << 20, Resolver: names(t)})
	for _, test := range []struct {
		source  string
		outcome buildbtw.Outcome
		says    string
	}{
		{"http://HOST/flaky", "", ""},
		{"http://HOST/busy", "infrastructure", "the source busy could not be fetched: the server answered 502"},
		{"http://HOST/cut", "infrastructure", "the source cut could not be fetched"},
		{"http://HOST/missing", "failed", "the source missing could not be fetched: the server answered 404"},
		{"http://HOST/circle", "failed", "redirects"},
		{"http://HOST/file", "failed", "file"},
		{"http://HOST/endless", "failed", "more than 5 MiB were sent"},
		{"http://127.0.0.1:1/x", "infrastructure", "connection refused"},
		{"http://none.example/x", "infrastructure", "no machine is called none.example"},
		{"http://none.example/missing::http://HOST/missing", "failed", "has no name that a file can have"},
		{strings.Repeat("x", 256) + "::http://HOST/x", "failed", "has no name that a file can have"},
		{"http://HOST/forbidden", "failed", "the server answered 403"},
		{"http://HOST/late", "infrastructure", "the server answered 408"},
		{"git+http://HOST/missing.git", "failed", "not found"},
		{"git+http://127.0.0.1:1/x.git", "infrastructure", "connection refused"},
		{"git+ssh://git@host/x.git", "failed", "is not fetched by ssh: "},
		{"git://host/x.git", "failed", "use git+https"},
		{"svn+https://host/x", "failed", "sources are not fetched by svn"},
		{"hg+https://host/x", "failed", "sources are not fetched by hg"},
		{"bzr+lp:x", "failed", "cannot be understood"},
		{"fossil+https://host/x", "failed", "sources are not fetched by fossil"},
		{"rsync://host/x", "failed", "sources are not fetched by rsync"},
		{"scp://host/x", "failed", "sources are not fetched by scp"},
		{"gopher://host/x", "failed", "sources are not fetched by gopher"},
		{"../x::http://HOST/x", "failed", "has no name that a file can have"},
		{"-x::http://HOST/x", "failed", "has no name that a file can have"},
		{"http://HOST/", "failed", "has no name that a file can have"},
	} {
		t.Run(test.source, func(t *testing.T) {
			t.Parallel()
			got := run(t, f, newJob(t, strings.ReplaceAll(test.source, "HOST", host)))
			if got.Outcome != test.outcome || !strings.Contains(got.Message, test.says) || got.Blameless != (test.outcome == "infrastructure") {
				t.Errorf("%+v\n%s", got.Result, got.log)
			}
		})
	}
}

// Sources of one name are mirrors: each is tried until one has the file with the digest
// of the .SRCINFO. A file that is not there is asked for once more before the package
// is to blame, and a digest that stays wrong is makepkg's to judge.
func TestMirrorsOfASource(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	asked := map[string]int{}
	host := mirror(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.URL.Path]++
		n := asked[r.URL.Path]
		mu.Unlock()
		switch path.Base(r.URL.Path) {
		case "good":
			fmt.Fprint(w, "good")
		case "bad":
			fmt.Fprint(w, "bad")
		case "late": // there at the second try only: the upload was under way
			if n == 1 {
				w.WriteHeader(http.StatusNotFound)
				return
			}
			fmt.Fprint(w, "good")
		case "busy":
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	f := newFetcher(t, fetch.Options{Allow: []string{host}})
	const good = "770e607624d689265ca6c44884d0807d9b054d23c473c106c72be9de08b7376c"
	for name, test := range map[string]struct {
		mirrors  string // names of answers
		sum      string
		outcome  buildbtw.Outcome
		says     string // in the reason, or else in the log
		content  string
		requests int
	}{
		"the second has it":           {"gone good", good, "", "", "good", 2},
		"the first does not answer":   {"busy good", good, "", "", "good", 2},
		"the first has another":       {"bad good", good, "", "", "good", 2},
		"it comes late":               {"late", good, "", "the server answered 404; trying again", "good", 2},
		"all say that it is gone":     {"gone gone2", good, "failed", "could not be fetched: " + host + ": the server answered 404; " + host + ": the server answered 404", "", 4},
		"one of them may have it":     {"gone busy", good, "infrastructure", "the server answered 503", "", 5},
		"a wrong digest twice":        {"bad", good, "", "it has the sha256 2f05d4b689d2…, and not that of the .SRCINFO, " + good[:12], "bad", 2},
		"no digest":                   {"bad", "SKIP", "", "", "bad", 1},
		"a wrong digest, else gone":   {"bad gone", good, "", "it has the sha256", "bad", 0},
		"the same address once again": {"gone gone", good, "failed", "the server answered 404", "", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := strings.ReplaceAll(name, " ", "-")
			var sources []string
			for _, m := range strings.Fields(test.mirrors) {
				sources = append(sources, "f::http://"+host+"/"+dir+"/"+m)
			}
			job := newJob(t, sources...)
			job.Srcinfo = strings.Replace(job.Srcinfo, "\n\npkgname", strings.Repeat("\n\tsha256sums = "+test.sum, len(sources))+"\n\npkgname", 1)
			got := run(t, f, job)
			if got.Outcome != test.outcome || !strings.Contains(got.Message+got.log, test.says) {
				t.Errorf("%+v\n%s", got.Result, got.log)
			}
			if test.content != "" && got.read(t, "f") != test.content {
				t.Errorf("it is %q", got.read(t, "f"))
			}
			mu.Lock()
			defer mu.Unlock()
			n := 0
			for file, times := range asked {
				if strings.HasPrefix(file, "/"+dir+"/") {
					n += times
				}
			}
			if test.requests > 0 && n != test.requests {
				t.Errorf("%d requests, want %d: %v", n, test.requests, asked)
			}
		})
	}
}

func TestCancelEndsFetching(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	host := mirror(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel(errors.New("enough"))
		<-r.Context().Done()
	})
	f := newFetcher(t, fetch.Options{Allow: []string{host}})
	if got := runContext(ctx, f, newJob(t, "http://"+host+"/x")); got.Outcome != buildbtw.OutcomeCancelled || got.Message != "enough" {
		t.Errorf("%+v\n%s", got.Result, got.log)
	}
}

// gitServer serves the repositories of a directory, and gives its HOST:PORT.
func gitServer(t *testing.T, dir string) string {
	t.Helper()
	path, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Skipf("no git: %v", err)
	}
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
	}
	return mirror(t, backend.ServeHTTP)
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@b", "-c", "safe.directory=*"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestGitIsAMirrorWithoutHooks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	git(t, dir, "init", "-q", "-b", "main", "tool.git")
	repo := filepath.Join(dir, "tool.git")
	git(t, repo, "commit", "-q", "--allow-empty", "-m", "one")
	git(t, repo, "tag", "v1")
	host := gitServer(t, dir)
	f := newFetcher(t, fetch.Options{Allow: []string{host}})
	got := run(t, f, newJob(t, "git+http://"+host+"/tool.git#tag=v1", "again::git+http://"+host+"/tool.git?signed#branch=main"))
	if got.failed {
		t.Fatalf("%+v\n%s", got.Result, got.log)
	}
	for _, name := range []string{"tool", "again"} {
		clone := filepath.Join(got.dest, name)
		if commit := git(t, clone, "rev-parse", "v1"); commit != git(t, repo, "rev-parse", "main") {
			t.Errorf("%s: v1 is %s", name, commit)
		}
		if address := git(t, clone, "config", "remote.origin.url"); address != "http://"+host+"/tool.git" { // makepkg compares it
			t.Errorf("%s: cloned from %s", name, address)
		}
		if hooks, _ := filepath.Glob(filepath.Join(clone, "hooks/*")); len(hooks) > 0 {
			t.Errorf("%s: hooks %q", name, hooks)
		}
	}
}

// The site's own proxy is asked where there is one; what names an internal
// network is not asked for.
func TestSitesProxyIsUsed(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 10)
	site := mirror(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.URL.String() + " " + r.Host + " " + r.Header.Get("Proxy-Authorization")
		if r.Method == http.MethodConnect {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		fmt.Fprint(w, "by the site's proxy")
	})
	f := newFetcher(t, fetch.Options{Resolver: names(t), Proxy: []string{"http_proxy=http://u:p@" + site, "HTTPS_PROXY=http://u:p@" + site, "no_proxy=127.0.0.1,.direct.example"}})
	got := run(t, f, newJob(t, "http://far.example/dir/file"))
	if got.failed || got.read(t, "file") != "by the site's proxy" {
		t.Fatalf("%+v\n%s", got.Result, got.log)
	}
	if said := <-asked; said != "GET http://far.example/dir/file far.example Basic dTpw" {
		t.Errorf("the site's proxy was asked for %s", said)
	}
	got = run(t, f, newJob(t, "https://far.example/file"))
	if said := <-asked; got.Outcome != buildbtw.OutcomeInfrastructure || !strings.Contains(got.Message, "the site's proxy gives no connection to far.example:443: 418") || said != "CONNECT //far.example:443 far.example:443 Basic dTpw" {
		t.Errorf("%s: %+v\n%s", said, got.Result, got.log)
	}
	for len(asked) > 0 { // it was tried again
		<-asked
	}
	for source, says := range map[string]string{
		"http://loopback.example/x": "127.0.0.1, a loopback address", "https://metadata.example/x": "a link-local address", "http://10.0.0.1/x": "a private address",
		"https://intranet/x": "a name of an internal network", "http://a.internal/x": "a name of an internal network",
		"http://127.0.0.1/x": "a loopback address",
	} {
		if got := run(t, f, newJob(t, source)); got.Outcome != buildbtw.OutcomeFailed || !strings.Contains(got.Message, says) {
			t.Errorf("%s: %+v\n%s", source, got.Result, got.log)
		}
	}
	if len(asked) > 0 {
		t.Errorf("the site's proxy was asked for %s", <-asked)
	}
}

func TestSettingsOfFetching(t *testing.T) {
	t.Parallel()
	for _, o := range []fetch.Options{{Allow: []string{"mirror"}}, {Allow: []string{":80"}}, {Proxy: []string{"https_proxy=socks5://x:1"}}, {Proxy: []string{"http_proxy=http://"}}} {
		if _, err := fetch.New(o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}

// Where there are no namespaces, the proxy is the same.
func TestWithoutABox(t *testing.T) {
	t.Parallel()
	host := mirror(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "text") })
	f := newFetcher(t, fetch.Options{Allow: []string{host}, NoBox: true})
	job := newJob(t, "http://"+host+"/x")
	for dir := job.Work; strings.Count(dir, "/") > 1; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if got := run(t, f, job); got.failed || got.read(t, "x") != "text" {
		t.Errorf("%+v\n%s", got.Result, got.log)
	}
	if got := run(t, f, newJob(t, "http://127.0.0.1:1/x")); got.Outcome != buildbtw.OutcomeFailed || !strings.Contains(got.Message, "a loopback address") {
		t.Errorf("%+v\n%s", got.Result, got.log)
	}
}
