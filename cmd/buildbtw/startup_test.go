package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"buildbtw/cmd/internal/cmdtest"
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
	for _, test := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"data directory below a file", []string{sources, "--data-dir", file + "/data"}, 1, "choose another one with --data-dir"},
		{"data directory not writable", []string{sources, "--data-dir", "/proc/self"}, 1, "the data directory /proc/self is not writable"},
		{"listening to the world", []string{sources, "--listen", "0.0.0.0:0"}, 2, "without sign-in the server listens on loopback only"},
		{"listening to the world, unnamed", []string{sources, "--listen", ":0"}, 2, "without sign-in the server listens on loopback only"},
		{"no address", []string{sources, "--listen", "8080"}, 2, "write HOST:PORT or unix:PATH"},
		{"port in use", []string{sources, "--listen", taken.Addr().String()}, 1, "is another server running?"},
		{"no sources", nil, 2, "name a directory of packages with --sources dir:PATH"},
		{"sources of an unknown kind", []string{"--sources", "ftp:somewhere"}, 2, "write dir:PATH"},
		{"sources that are not there", []string{"--sources", "dir:" + dir + "/none"}, 1, "there is no such directory"},
		{"sources that are a file", []string{"--sources", "dir:" + file}, 1, "there is no such directory"},
		{"unknown repository tool", []string{sources, "--repo-tool", "apt"}, 2, "choose native or repo-add"},
		{"lease too short", []string{sources, "--lease", "10ms"}, 2, "at least one second"},
		{"unknown log format", []string{sources, "--log-format", "xml"}, 2, "choose text or json"},
		{"fewer than no workers", []string{sources, "--workers=-1"}, 2, "cannot be negative"},
		{"unknown dispatch", []string{sources, "--dispatch", "cron"}, 2, "choose workers or gitlab"},
		{"GitLab builds what is not there", []string{sources, "--dispatch", "gitlab"}, 2, "name a group"},
		{"GitLab without an address", []string{"--sources", "gitlab:g"}, 2, "--gitlab-url"},
		{"GitLab builds without a token", []string{"--sources", "gitlab:g", "--gitlab-url", "http://127.0.0.1:1", "--dispatch", "gitlab"}, 2, "needs a token"},
		{"no token", []string{sources, "--worker-token-file", dir + "/none"}, 1, "read the workers' token"},
		{"a token that can be guessed", []string{sources, "--worker-token-file", short}, 1, "use at least 16"},
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
	second := start(t, "buildbtw", "serve", "--listen", "127.0.0.1:0", "--data-dir", s.data(), "--sources", "dir:"+s.sources())
	code, err := second.Wait(patience)
	if err != nil || code != 1 || !strings.Contains(second.Log(), "uses this data directory; stop it first") {
		t.Errorf("exit code %d, error %v; it said:\n%s", code, err, second.Log())
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
