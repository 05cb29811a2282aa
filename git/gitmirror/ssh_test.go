package gitmirror

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"
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
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	s.waitUp(t)
	return s
}

func (s *sshServer) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (s *sshServer) waitUp(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var d net.Dialer
	for {
		conn, err := d.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
		if err == nil {
			conn.Close()
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("sshd does not listen: %v", err)
		}
		time.Sleep(20 * time.Millisecond) // it is another process
	}
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
	remote := Remote{Slug: "a", URL: fmt.Sprintf("ssh://%s@127.0.0.1:%d%s/.git", s.user, s.port, dir)}
	good := Access{SSHKey: filepath.Join(s.dir, "client"), KnownHosts: filepath.Join(s.dir, "known_hosts"), Timeout: time.Minute}
	stranger, unknown := good, good
	stranger.SSHKey = filepath.Join(s.dir, "stranger")
	unknown.KnownHosts = filepath.Join(s.dir, "nobody")
	write(t, unknown.KnownHosts, "")
	for says, a := range map[string]Access{"does not accept the SSH key": stranger, "SSH key is not known or has changed": unknown} {
		if _, err := m.FetchRemote(t.Context(), a, remote); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
	changed, err := m.FetchRemote(t.Context(), good, remote)
	if err != nil || !changed || tipsOf(t, m)["a main"] != commit {
		t.Errorf("changed %v, %v, tips %v", changed, err, tipsOf(t, m))
	}
}
