package gitmirror_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"buildbtw/git/gitmirror"
)

// sshServer is a real sshd that lets one key in.
type sshServer struct {
	dir  string // with the keys and known_hosts
	port int
	user string
}

func newSSHServer(t *testing.T) *sshServer {
	t.Helper()
	sshd, err := exec.LookPath("/usr/sbin/sshd")
	if err != nil {
		t.Skip("sshd is not installed (Debian: apt install openssh-server): fetching over SSH is not tested")
	}
	if os.Getuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	s := &sshServer{dir: t.TempDir(), port: freePort(t), user: me.Username}
	for _, key := range []string{"host", "client", "stranger"} {
		run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(s.dir, key))
	}
	write(t, filepath.Join(s.dir, "authorized_keys"), s.read(t, "client.pub"))
	write(t, filepath.Join(s.dir, "known_hosts"), fmt.Sprintf("[127.0.0.1]:%d %s", s.port, s.read(t, "host.pub")))
	write(t, filepath.Join(s.dir, "config"), fmt.Sprintf(
		"Port %d\nListenAddress 127.0.0.1\nHostKey %s/host\nAuthorizedKeysFile %s/authorized_keys\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPidFile none\n",
		s.port, s.dir, s.dir))
	cmd := exec.CommandContext(t.Context(), sshd, "-D", "-e", "-f", filepath.Join(s.dir, "config"))
	said := &listening{up: make(chan struct{})}
	cmd.Stderr, cmd.WaitDelay = said, time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-said.up:
	case err := <-ended:
		t.Fatalf("sshd does not listen: %v\n%s", err, &said.text)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	return s
}

// listening is what sshd says, until it listens.
type listening struct {
	text bytes.Buffer
	up   chan struct{}
	once sync.Once
}

func (l *listening) Write(p []byte) (int, error) {
	l.text.Write(p)
	if bytes.Contains(l.text.Bytes(), []byte("Server listening on")) {
		l.once.Do(func() { close(l.up) })
	}
	return len(p), nil
}

func (s *sshServer) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func TestFetchOverSSH(t *testing.T) {
	t.Parallel()
	s := newSSHServer(t)
	m := openMirror(t)
	dir := filepath.Join(t.TempDir(), "a")
	commit := newSource(t, dir, "1")
	remote := gitmirror.Remote{Slug: "a", URL: fmt.Sprintf("ssh://%s@127.0.0.1:%d%s/.git", s.user, s.port, dir)}
	good := gitmirror.Access{SSHKey: filepath.Join(s.dir, "client"), KnownHosts: filepath.Join(s.dir, "known_hosts"), Timeout: time.Minute}
	stranger, unknown := good, good
	stranger.SSHKey = filepath.Join(s.dir, "stranger")
	unknown.KnownHosts = filepath.Join(s.dir, "nobody")
	write(t, unknown.KnownHosts, "")
	for says, a := range map[string]gitmirror.Access{"does not accept the SSH key": stranger, "SSH key is not known or has changed": unknown} {
		if _, err := m.FetchRemote(t.Context(), a, remote); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
	changed, err := m.FetchRemote(t.Context(), good, remote)
	if err != nil || !changed || tipsOf(t, m)["a main"] != commit {
		t.Errorf("changed %v, %v, tips %v", changed, err, tipsOf(t, m))
	}
}
