package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"buildbtw/cmd/internal/cmdtest"
	"buildbtw/cmd/internal/local"
)

func TestServerRefusesToStartAndSaysWhy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file, short := write("file", ""), write("short", "secret\n")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	sources := "--sources=dir:" + dir
	sso := func(args ...string) []string {
		return append([]string{sources, "--oidc-issuer=https://sso.example.org", "--oidc-client-id=buildbtw", "--oidc-packager-groups=packagers"}, args...)
	}
	for _, test := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"data directory below a file", []string{sources, "--data-dir", file + "/data"}, 1, "choose another one with --data-dir"},
		{"data directory not writable", []string{sources, "--data-dir", "/proc/self"}, 1, "the data directory /proc/self is not writable"},
		{"listening to the world", []string{sources, "--listen", "0.0.0.0:0"}, 2, "without sign-in the server listens on loopback only"},
		{"a header that nobody may send", []string{sources, "--auth-header", "Remote-User"}, 2, "nobody could sign in"},
		{"administrators of nobody", []string{sources, "--admins", "ada"}, 2, "give that too"},
		{"a role that is none", []string{sources, "--auth-header", "Remote-User", "--trusted-proxies", "192.0.2.1", "--auth-header-role", "king"}, 2, "none of reader, packager or admin"},
		{"listening to the world, unnamed", []string{sources, "--listen", ":0"}, 2, "without sign-in the server listens on loopback only"},
		{"no address", []string{sources, "--listen", "8080"}, 2, "write HOST:PORT or unix:PATH"},
		{"port in use", []string{sources, "--listen", taken.Addr().String()}, 1, "is another server running?"},
		{"no sources", nil, 2, "name a directory of packages with --sources dir:PATH"},
		{"sources of an unknown kind", []string{"--sources", "ftp:somewhere"}, 2, "write dir:PATH"},
		{"sources that are not there", []string{"--sources", "dir:" + dir + "/none"}, 1, "there is no such directory"},
		{"sources that are a file", []string{"--sources", "dir:" + file}, 1, "there is no such directory"},
		{"unknown repository tool", []string{sources, "--repo-tool", "apt"}, 2, "none of native or repo-add"},
		{"lease too short", []string{sources, "--lease", "10ms"}, 2, "at least 1s"},
		{"unknown log format", []string{sources, "--log-format", "xml"}, 2, "none of text or json"},
		{"fewer than no workers", []string{sources, "--workers=-1"}, 2, "-1 is too small"},
		{"unknown dispatch", []string{sources, "--dispatch", "cron"}, 2, "none of workers or gitlab"},
		{"GitLab builds what is not there", []string{sources, "--dispatch", "gitlab"}, 2, "name a group"},
		{"GitLab without an address", []string{"--sources", "gitlab:g"}, 2, "--gitlab-url"},
		{"GitLab builds without a token", []string{"--sources", "gitlab:g", "--gitlab-url", "http://127.0.0.1:1", "--dispatch", "gitlab"}, 2, "needs a token"},
		{"second builds where GitLab builds", []string{"--sources", "gitlab:g", "--gitlab-url", "http://127.0.0.1:1", "--dispatch", "gitlab", "--reproduce"}, 2, "--reproduce does not go with --dispatch gitlab"},
		{"no token", []string{sources, "--worker-token-file", dir + "/none"}, 1, "read the workers' token"},
		{"a token that can be guessed", []string{sources, "--worker-token-file", short}, 1, "use at least 16"},
		{"a provider without a client", []string{sources, "--oidc-issuer", "https://sso.example.org", "--oidc-admin-groups=a"}, 2, "needs --oidc-client-id"},
		{"a provider without groups", []string{sources, "--oidc-issuer", "https://sso.example.org", "--oidc-client-id=b"}, 2, "nobody gets a role"},
		{"a group without a name", sso("--oidc-admin-groups="), 2, "one is empty"},
		{"no claim of groups", sso("--oidc-groups-claim="), 2, "nobody would get a role"},
		{"groups without a provider", []string{sources, "--oidc-admin-groups=a"}, 2, "name it with --oidc-issuer"},
		{"a provider without TLS", sso("--oidc-issuer=http://sso.example.org"), 2, "must be reached by https"},
		{"a provider that is none", sso("--oidc-issuer=sso.example.org"), 2, "write a URL such as https://"},
		{"people sign in without TLS", sso("--public-url=http://build.example.org"), 2, "people sign in by https only"},
		{"people sign in at no name", sso("--listen=0.0.0.0:0"), 2, "--public-url https://"},
		{"a session key that can be guessed", sso("--session-key=short"), 2, "use at least 32"},
		{"asking all the time", sso("--oidc-period=1ms"), 2, "at least 1s"},
		{"unknown flag", []string{sources, "--frobnicate"}, 2, "unknown flag: --frobnicate"},
		{"an argument", []string{sources, "now"}, 2, "now"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := start(t, append([]string{"buildbtw", "serve", "--listen", "127.0.0.1:0", "--data-dir", filepath.Join(t.TempDir(), "data")}, test.args...)...)
			code, err := p.Wait(patience)
			if err != nil || code != test.code || !strings.Contains(p.Log(), test.says) {
				t.Errorf("exit code %d, error %v, want %d and %q; it said:\n%s", code, err, test.code, test.says, p.Log())
			}
			if strings.Contains(p.Log(), "goroutine") {
				t.Errorf("it panicked:\n%s", p.Log())
			}
		})
	}
}

func start(t *testing.T, args ...string) *cmdtest.Process {
	t.Helper()
	p, err := cmdtest.Start(cmdtest.Spec{Args: args, Log: filepath.Join(t.TempDir(), "log")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

func TestSecondServerLeavesTheDataDirectoryAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	server, client := s.serve(t)
	second := start(t, "buildbtw", "serve", "--listen", "127.0.0.1:0", "--data-dir", s.data(), "--sources", "dir:"+s.sources(), "--public-url", "http://never.started.example")
	code, err := second.Wait(patience)
	if err != nil || code != 1 || !strings.Contains(second.Log(), "uses this data directory; stop it first") {
		t.Errorf("exit code %d, error %v; it said:\n%s", code, err, second.Log())
	}
	dir, err := local.Dir()
	if err != nil {
		t.Fatal(err)
	}
	if _, found, err := local.Find(dir, "http://never.started.example"); found || err != nil {
		t.Errorf("bbtw would go to a server that did not start: %t, %v", found, err)
	}
	migrate := start(t, "buildbtw", "migrate", "--data-dir", s.data())
	if code, err := migrate.Wait(patience); err != nil || code != 1 {
		t.Errorf("migrate beside a server: exit code %d, error %v; it said:\n%s", code, err, migrate.Log())
	}
	if _, err := client.Me(t.Context()); err != nil {
		t.Errorf("the first server does not answer any more: %v", err)
	}
	server.Kill() // a lock must not outlive its process
	s.serve(t)
}

func TestUnixSocketOfADeadServerIsTakenOver(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	short, err := os.MkdirTemp("/tmp", "buildbtw-socket-*") // a socket's path has at most 108 bytes, TMPDIR may be longer
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(short) })
	socket := filepath.Join(short, "socket")
	for range 2 {
		p := start(t, "buildbtw", "serve", "--listen", "unix:"+socket, "--data-dir", s.data(), "--sources", "dir:"+s.sources())
		poll(t, "connect to the socket", func() (bool, error) {
			conn, err := net.Dial("unix", socket)
			if err == nil {
				conn.Close()
			}
			return err == nil, nil
		})
		other := start(t, "buildbtw", "serve", "--listen", "unix:"+socket, "--data-dir", t.TempDir(), "--sources", "dir:"+s.sources())
		if code, err := other.Wait(patience); err != nil || code != 1 || !strings.Contains(other.Log(), "another server listens on") {
			t.Errorf("exit code %d, error %v; it said:\n%s", code, err, other.Log())
		}
		p.Kill()
	}
}
