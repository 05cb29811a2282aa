package hosts_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"buildbtw/api"
	"buildbtw/cmd/internal/cmdtest"
)

// TestNginx runs infrastructure/proxy/nginx.conf.
func TestNginx(t *testing.T) {
	t.Parallel()
	needs(t, "nginx", "curl", "openssl")
	s := behindProxy(t)
	workers := userOfNginx(t)
	s.behindSocket(workers)
	var people strings.Builder
	for _, name := range []string{"alice", "bob", eve} {
		fmt.Fprintf(&people, "%s:%s\n", name, output(t, "openssl", "passwd", "-apr1", "secret of "+name))
	}
	s.write("htpasswd", people.String())
	s.example("nginx.conf", "site.conf", "/etc/buildbtw/", s.dir+"/", "/run/buildbtw.sock", s.path("buildbtw.sock"))
	s.nginx(workers)
	s.story()
}

// With nginx as it comes, which lets bodies of 1 MiB pass, no package fails: the build is
// tried again, and the words say what is to be changed in nginx.
func TestNginxWithItsOwnLimit(t *testing.T) {
	t.Parallel()
	needs(t, "nginx", "curl", "openssl")
	s := newSite(t)
	workers := userOfNginx(t)
	s.behindSocket(workers)
	s.write("htpasswd", "alice:"+output(t, "openssl", "passwd", "-apr1", "secret of alice")+"\n")
	s.example("nginx.conf", "site.conf", "/etc/buildbtw/", s.dir+"/", "/run/buildbtw.sock", s.path("buildbtw.sock"), "client_max_body_size", "# client_max_body_size")
	s.nginx(workers)
	s.until("the server behind the proxy is ready", func() bool { return s.curl("/api/v1/ready").status == 200 })
	alice := s.secret("alice", s.token("alice:secret of alice", `{"name":"laptop"}`))
	s.work(serverURL, s.secret("b1", s.token("alice:secret of alice", `{"kind":"worker","name":"b1"}`)))
	s.until("the source is known", func() bool { return strings.Contains(s.curl("/api/v1/sources").text, `"big"`) })
	s.bbtw(alice, "new", "big", "--name", "big")
	var attempts string
	s.until("an attempt has ended", func() bool {
		attempts = s.curl("/api/v1/builds/1/attempts").text
		return strings.Contains(attempts, `"outcome"`)
	})
	for _, words := range []string{`"infrastructure"`, "refused the upload with 413", "nginx", "client_max_body_size 0"} {
		if !strings.Contains(attempts, words) {
			t.Errorf("the attempts do not say %s: %s", words, attempts)
		}
	}
	if a := s.want(200, "/api/v1/builds/1"); !strings.Contains(a.text, `"status":"pending"`) {
		t.Errorf("the build is not tried again: %s", a.text)
	}
}

// userOfNginx returns as whom nginx works.
func userOfNginx(t *testing.T) *user.User {
	t.Helper()
	workers, err := user.Lookup("www-data")
	if err != nil {
		if workers, err = user.Lookup("http"); err != nil {
			t.Skip("neither Debian's nor Arch's user of nginx is there")
		}
	}
	return workers
}

// nginx starts nginx on the server's host with site.conf.
func (s *site) nginx(workers *user.User) {
	s.t.Helper()
	s.write("nginx.conf", fmt.Sprintf("user %s;\nworker_processes 1;\npid %s;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n%s\ninclude %s;\n}\n",
		workers.Username, s.path("nginx.pid"), temporary(s.dir), s.path("site.conf")))
	s.start(s.server, "nginx", cmdtest.Spec{Args: []string{"nginx", "-g", "daemon off;", "-c", s.path("nginx.conf")}})
}

// eve has a name that would be markup in a page.
const eve = "<img>eve"

// temporary are settings for where nginx keeps bodies that it does not pass on.
func temporary(dir string) string {
	var b strings.Builder
	for _, what := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&b, "%s_temp_path %s;\n", what, filepath.Join(dir, "nginx-"+what))
	}
	return b.String()
}

// TestCaddy runs infrastructure/proxy/Caddyfile.
func TestCaddy(t *testing.T) {
	t.Parallel()
	needs(t, "caddy", "curl", "openssl")
	s := behindProxy(t)
	s.behindSocket(nil)
	var people strings.Builder
	for _, name := range []string{"alice", "bob", eve} {
		fmt.Fprintf(&people, "%s %s\n", name, output(t, "caddy", "hash-password", "--plaintext", "secret of "+name))
	}
	s.write("people", people.String())
	s.example("Caddyfile", "Caddyfile", "/etc/buildbtw/", s.dir+"/", "/run/buildbtw.sock", s.path("buildbtw.sock"))
	s.start(s.server, "caddy", cmdtest.Spec{Args: []string{"caddy", "run", "--adapter", "caddyfile", "--config", s.path("Caddyfile")}})
	s.story()
}

// needs skips a test whose programs are not there.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("two hosts take a while")
	}
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%v; infrastructure/setup.sh test installs it", err)
		}
	}
}

func output(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).Output()
	if err != nil {
		t.Fatalf("%s: %v", args[0], err)
	}
	return strings.TrimSpace(string(out))
}

// example copies an example, with other paths.
func (s *site) example(name, to string, replacements ...string) {
	s.t.Helper()
	root, err := cmdtest.Root()
	if err != nil {
		s.t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "infrastructure", "proxy", name))
	if err != nil {
		s.t.Fatal(err)
	}
	s.write(to, strings.NewReplacer(replacements...).Replace(string(text)))
}

// behindSocket starts the server with the socket.
func (s *site) behindSocket(proxy *user.User) {
	s.t.Helper()
	s.serve(cmdtest.Spec{Args: []string{"--trusted-proxies", "unix"}, Files: []*os.File{s.socket(proxy)}}, "sh", "-c", passSocket+`exec "$@"`, "sh")
}

// passSocket is what a shell does to pass the first of the files as systemd does.
const passSocket = "export LISTEN_FDS=1 LISTEN_PID=$$; "

// socket makes the socket that systemd opens: only root and the proxy's user may
// connect.
func (s *site) socket(proxy *user.User) *os.File {
	s.t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(s.t.Context(), "unix", s.path("buildbtw.sock"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer ln.Close()
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	group := 0
	if proxy != nil {
		if group, err = strconv.Atoi(proxy.Gid); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := os.Chown(s.path("buildbtw.sock"), 0, group); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Chmod(s.path("buildbtw.sock"), 0o660); err != nil {
		s.t.Fatal(err)
	}
	file, err := ln.(*net.UnixListener).File()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = file.Close() })
	return file
}

// csrf finds what forms of our pages send back.
var csrf = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// shownPlan finds which plan a form to make a buildspace shows.
var shownPlan = regexp.MustCompile(`name="planned" value="([^"]+)"`)

// story is what holds behind every proxy.
func (s *site) story() {
	s.until("the server behind the proxy is ready", func() bool { return s.curl("/api/v1/ready").status == 200 })
	s.signIn()
	s.build()
}

// signIn tries who is taken for whom.
func (s *site) signIn() {
	t := s.t
	t.Helper()
	alice, bob := []string{"-u", "alice:secret of alice"}, []string{"-u", "bob:secret of bob"}

	if a := s.want(200, "/", "-i"); !strings.Contains(strings.ToLower(a.text), "\nstrict-transport-security: max-age=31536000") {
		t.Errorf("no HSTS: %.800s", a.text)
	}
	if a := s.curl("http://"+serverName+"/workers", "-i"); a.status/100 != 3 || !strings.Contains(strings.ToLower(a.text), "location: "+serverURL+"/workers") {
		t.Errorf("HTTP is not led to HTTPS: %d %s", a.status, a.text)
	}
	if a := s.want(401, "/sign-in", "-i"); !strings.Contains(strings.ToLower(a.text), "www-authenticate: basic") {
		t.Errorf("a browser is not asked for a name: %.500s", a.text)
	}

	if a := s.want(303, "/sign-in?next=/workers", append(bob, "-i")...); !strings.Contains(strings.ToLower(a.text), "location: /workers") {
		t.Errorf("who has signed in is not led on: %.500s", a.text)
	}

	forged := []string{"-H", "Remote-User: alice"}
	for _, test := range []struct {
		want string
		args []string
	}{
		{"reader", nil},
		{"reader", forged},
		{"reader", append(forged, "-H", "REMOTE-USER: alice")},
		{"reader", []string{"-H", "Remote_User: alice"}},
		{"reader", append(forged, "-H", "Connection: Remote-User")},
		{"reader", append(forged, "-H", "Authorization: Digest username=alice")},
		{"alice admin", alice},
		{"bob packager", bob},
		{"bob packager", append(bob, forged...)},
		{"alice admin", []string{"-H", "Authorization: bASIC " + output(t, "sh", "-c", "printf 'alice:secret of alice' | base64")}},
	} {
		if got := s.who(test.args...); got != test.want {
			t.Errorf("with %q the server sees %q, want %q", test.args, got, test.want)
		}
	}
	s.want(401, "/api/v1/me", "-u", "bob:wrong")
	s.want(401, "/api/v1/me", append(forged, "-u", "alice:wrong")...)
	s.want(401, "/api/v1/me", "-H", "Authorization: Bearer wrong", "-H", "Remote-User: alice")
	if a := s.curl("/api/v1/me", "-H", "Authorization: Bearer wrong", "-H", "Authorization: Basic "+output(t, "sh", "-c", "printf alice:wrong | base64")); a.status < 400 {
		t.Errorf("two sorts of credentials, both wrong: %d %s", a.status, a.text)
	}
	// The password of /repo is a token, so a name proves nothing.
	s.want(401, "/repo/nothing_1/os/x86_64/nothing.db", alice...)

	s.token(eve+":secret of "+eve, `{"name":"hers"}`)
	for path, login := range map[string]string{"/account": eve + ":secret of " + eve, "/admin": "alice:secret of alice"} {
		if a := s.want(200, path, "-u", login); strings.Contains(a.text, eve) || !strings.Contains(a.text, "&lt;img&gt;eve") {
			t.Errorf("%s does not show a name as text: %.3000s", path, a.text)
		}
	}

	body := `{"changesets":["big"]}`
	for _, args := range [][]string{nil, forged} {
		s.want(401, "/api/v1/buildspaces", post(body, args...)...)
		s.want(401, "/buildspaces", append([]string{"-d", "changesets=big"}, args...)...)
	}
	s.want(403, "/api/v1/buildspaces", post(body, bob...)...) // another page could have sent this
	s.want(403, "/api/v1/audit", bob...)
}

// token makes a token for a person, a bot or a build machine, as somebody signed in
// by the proxy does.
func (s *site) token(login, body string) string {
	s.t.Helper()
	page := s.want(200, "/buildspaces/new", "-u", login)
	found := csrf.FindStringSubmatch(page.text)
	if found == nil {
		s.t.Fatalf("the page has no token for forms: %.2000s", page.text)
	}
	return s.secretOf(s.want(201, "/api/v1/tokens", post(body, "-u", login, "-H", "X-CSRF-Token: "+found[1])...))
}

// build lets a packager and a build machine of the other host work through the proxy.
func (s *site) build() {
	t := s.t
	t.Helper()
	if s.waits {
		s.longPoll()
	}
	bob := s.secret("bob", s.token("bob:secret of bob", `{"name":"laptop"}`))
	worker := s.secret("b1", s.token("alice:secret of alice", `{"kind":"worker","name":"b1"}`))
	admin := s.secret("alice", s.token("alice:secret of alice", `{"name":"laptop"}`))
	s.watchAndBuild(serverURL, bob, worker)
	var entries []string
	for _, line := range strings.Split(s.want(200, "/api/v1/audit?format=jsonl", "-H", "Authorization: Bearer "+s.read(admin),
		"-H", "X-Forwarded-For: 198.51.100.7", "-H", "Forwarded: for=198.51.100.8").text, "\n") {
		if strings.Contains(line, `"bob"`) {
			entries = append(entries, line)
		}
	}
	all := strings.Join(entries, "\n")
	if !strings.Contains(all, `"`+clientAddress+`"`) || strings.Contains(all, "198.51.100") || strings.Contains(all, `"unix"`) {
		t.Errorf("the audit does not name the client's host alone:\n%s", all)
	}
}

// longPoll has a claim wait for as long as it may, when nothing is to be built.
func (s *site) longPoll() {
	s.t.Helper()
	token := s.token("alice:secret of alice", `{"kind":"worker","name":"idle"}`)
	begun := time.Now()
	body := fmt.Sprintf(`{"worker":"idle","architectures":["x86_64"],"runners":["fake"],"wait":%d}`, api.MaxWait)
	a := s.curl("/api/v1/worker/claim", post(body, "-H", "Authorization: Bearer "+token, "--max-time", "120")...)
	if took := time.Since(begun); a.status != 204 || took < api.MaxWait*time.Second {
		s.t.Errorf("a claim that waits is answered %d after %s: %s", a.status, took, a.text)
	}
}

func (s *site) read(path string) string {
	s.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// watchAndBuild rebuilds both sources by a worker on the client's host: one is watched
// while it lasts, the other is a large package.
func (s *site) watchAndBuild(workersURL, packager, worker string) {
	t := s.t
	t.Helper()
	events := s.start(s.client, "events", cmdtest.Spec{Args: []string{
		"curl", "-sSN", "--cacert", s.path("ca.pem"), "-H", "Accept: text/event-stream", serverURL + "/api/v1/events",
	}})
	s.until("bbtw sees both sources", func() bool {
		a := s.curl("/api/v1/sources")
		return strings.Contains(a.text, `"live"`) && strings.Contains(a.text, `"big"`)
	})
	s.bbtw(packager, "new", "live", "--name", "live")
	s.work(workersURL, worker)
	s.until("the build of live begins", func() bool { return s.curl("/api/v1/builds/1/log").status == 200 })
	log := s.start(s.client, "log", cmdtest.Spec{
		Args: []string{"bbtw", "log", "-f", "live/live"}, Env: []string{"BUILDBTW_SERVER_URL=" + serverURL, "BUILDBTW_TOKEN_FILE=" + packager},
	})
	// This build does not end by itself: what arrives, arrives while it lasts.
	s.until("the log comes as it is written", func() bool { return strings.Contains(log.Log(), "line 3 of 3") })
	s.until("events come as they happen", func() bool { return strings.Contains(events.Log(), "live") && !events.Ended() })
	s.bbtw(packager, "cancel", "live/live")

	begun := time.Now()
	s.bbtw(packager, "new", "big", "--name", "big", "--wait")
	t.Logf("a package of %d bytes was built and uploaded in %s", s.upload, time.Since(begun).Round(time.Second))
	s.want(200, "/repo/big_1/os/x86_64/big.db", "-o", s.path("big.db"), "-H", "Authorization: Bearer "+s.read(packager))
	s.bbtw(packager, "download", "big", "--dir", s.path("downloads"))
	files, err := filepath.Glob(s.path("downloads/big-1-1-x86_64.pkg.tar*"))
	if err != nil || len(files) != 1 {
		entries, _ := os.ReadDir(s.path("downloads"))
		t.Fatalf("downloaded %v, %v", entries, err)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Size() < s.upload {
		t.Errorf("%s is not the package of %d bytes: %v, %v", files[0], s.upload, info, err)
	}
}
