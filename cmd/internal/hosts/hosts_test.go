package hosts_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"buildbtw/cmd/internal/cmdtest"
)

// What the hosts are called and where they are. Namespaces of several tests do not
// see each other.
const (
	serverName    = "build.example.org"
	serverAddress = "10.77.0.1"
	clientAddress = "10.77.0.2"
	serverURL     = "https://" + serverName
	providerName  = "sso.example.org" // of the server's host, too
)

// patience bounds the wait for what must happen.
const patience = 30 * time.Second

// host is a machine with a network of its own and one user.
type host struct {
	namespace string
	env       []string
}

// site is two hosts with a wire between them, and what they have on their disks.
type site struct {
	t              *testing.T
	dir            string // everybody may enter it, as the proxies' users must
	server, client host
	authority      authority
	upload         int64         // bytes of the package big
	waits          bool          // a claim waits for as long as it may
	patience       time.Duration // bounds the wait for what must happen
}

// newSite makes the hosts, certificates for the first, and sources.
func newSite(t *testing.T) *site {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces are root's to make")
	}
	dir, err := os.MkdirTemp("", "buildbtw-hosts-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, dir: dir, authority: newAuthority(t), upload: 3_000_000, patience: patience}
	id := filepath.Base(dir)
	s.write("ca.pem", string(s.authority.pem))
	s.server, s.client = s.host(id+"-a", "server"), s.host(id+"-b", "client")
	s.wire()
	s.certify(1)
	s.source("live", "outcome=hang\nlog-lines=3\n")
	s.source("big", "size=3000000\n")
	return s
}

// envUpload makes the tests of nginx and Caddy heavy: the size in bytes of the package
// that goes through them, and a claim waits for as long as it may.
const envUpload = "BUILDBTW_TEST_UPLOAD"

// behindProxy is newSite for a proxy in front of the server: the package is larger than what
// proxies take as they come, and than what they hold in memory.
func behindProxy(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	s.upload = 64 << 20
	if text := os.Getenv(envUpload); text != "" {
		var err error
		if s.upload, err = strconv.ParseInt(text, 10, 64); err != nil {
			t.Fatalf("%s: %v", envUpload, err)
		}
		s.waits, s.patience = true, 10*time.Minute
	}
	s.source("big", fmt.Sprintf("size=%d\n", s.upload))
	return s
}

// host makes a host whose programs do not find those of the other's user.
func (s *site) host(namespace, name string) host {
	s.t.Helper()
	if out, err := exec.CommandContext(s.t.Context(), "ip", "netns", "add", namespace).CombinedOutput(); err != nil {
		s.t.Skipf("network namespaces cannot be made here: %v: %s", err, out)
	}
	etc := filepath.Join("/etc/netns", namespace) // "ip netns exec" shows these files as those of /etc
	s.t.Cleanup(func() {
		//nolint:usetesting // t.Context has ended by now
		_ = exec.CommandContext(context.Background(), "ip", "netns", "del", namespace).Run()
		_ = os.RemoveAll(etc)
	})
	if err := os.MkdirAll(etc, 0o755); err != nil {
		s.t.Fatal(err)
	}
	hosts := "127.0.0.1 localhost\n" + serverAddress + " " + serverName + " " + providerName + "\n"
	if err := os.WriteFile(filepath.Join(etc, "hosts"), []byte(hosts), 0o644); err != nil {
		s.t.Fatal(err)
	}
	home := filepath.Join(s.dir, name)
	if err := os.MkdirAll(home, 0o700); err != nil {
		s.t.Fatal(err)
	}
	return host{namespace: namespace, env: append(os.Environ(), "HOME="+home, "XDG_STATE_HOME="+home, "XDG_CONFIG_HOME="+home,
		"XDG_DATA_HOME="+home, "SSL_CERT_FILE="+s.path("ca.pem"), "BUILDBTW_SERVER_URL=")}
}

// wire connects the hosts.
func (s *site) wire() {
	a, b := s.server.namespace, s.client.namespace
	for _, args := range [][]string{
		{"-n", a, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", b},
		{"-n", a, "address", "add", serverAddress + "/24", "dev", "eth0"},
		{"-n", b, "address", "add", clientAddress + "/24", "dev", "eth0"},
		{"-n", a, "link", "set", "lo", "up"},
		{"-n", b, "link", "set", "lo", "up"},
		{"-n", a, "link", "set", "eth0", "up"},
		{"-n", b, "link", "set", "eth0", "up"},
	} {
		if out, err := exec.CommandContext(s.t.Context(), "ip", args...).CombinedOutput(); err != nil {
			s.t.Skipf("the hosts cannot be connected here: ip %s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// write writes a file that everybody may read.
func (s *site) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// secret writes a file that only its owner may read, and returns its path.
func (s *site) secret(name, text string) string {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return s.path(name)
}

// source makes a source of one package, which the fake runner builds as told.
func (s *site) source(name, fake string) {
	s.t.Helper()
	err := cmdtest.Commit(s.path("sources/"+name), "main", "new", map[string]string{
		"PKGBUILD": "pkgname=" + name + "\n", ".fake": fake,
		".SRCINFO": "pkgbase = " + name + "\n\tpkgver = 1\n\tpkgrel = 1\n\tarch = x86_64\n\npkgname = " + name + "\n",
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// start starts a program of a host, which ends with the test.
func (s *site) start(h host, name string, spec cmdtest.Spec) *cmdtest.Process {
	s.t.Helper()
	spec.Args = append([]string{"ip", "netns", "exec", h.namespace}, spec.Args...)
	spec.Env, spec.Log = append(slices.Clip(h.env), spec.Env...), s.path(name+".log")
	p, err := cmdtest.Start(spec)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if _, err := p.Stop(cmdtest.OnBusyMachine(20 * time.Second)); err != nil {
			s.t.Errorf("%s: %v", name, err)
		}
		if s.t.Failed() {
			s.t.Logf("%s said:\n%s", name, p.Log())
		}
	})
	return p
}

// serve starts the server on its host.
func (s *site) serve(spec cmdtest.Spec, wrap ...string) {
	s.t.Helper()
	spec.Args = append(append(wrap, "buildbtw", "serve", "--data-dir", s.path("data"), "--sources", "dir:"+s.path("sources"),
		"--public-url", serverURL, "--auth-header", "Remote-User", "--admins", "alice"), spec.Args...)
	s.start(s.server, "serve", spec)
}

// until waits until something is so.
func (s *site) until(what string, is func() bool) {
	s.t.Helper()
	err := cmdtest.Poll(s.t.Context(), cmdtest.OnBusyMachine(s.patience), func() (bool, error) { return is(), nil })
	if err != nil {
		s.t.Fatalf("%s: %v", what, err)
	}
}

// run runs a program of a host to its end and returns what it wrote.
func (s *site) run(h host, env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(s.t.Context(), "ip", append([]string{"netns", "exec", h.namespace}, args...)...)
	cmd.Env = append(slices.Clip(h.env), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// bbtw runs bbtw on the client's host with a token.
func (s *site) bbtw(token string, args ...string) string {
	s.t.Helper()
	out, err := s.run(s.client, []string{"BUILDBTW_SERVER_URL=" + serverURL, "BUILDBTW_TOKEN_FILE=" + token}, append([]string{"bbtw"}, args...)...)
	if err != nil {
		s.t.Fatalf("bbtw %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// answer is what curl got.
type answer struct {
	status int // 0: there was no answer
	text   string
}

// curl asks from the client's host. A path is one of the server's.
func (s *site) curl(path string, args ...string) answer {
	s.t.Helper()
	return s.curlFrom(s.client, path, args...)
}

func (s *site) curlFrom(h host, path string, args ...string) answer {
	s.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = serverURL + path
	}
	args = append([]string{"curl", "-sS", "--cacert", s.path("ca.pem"), "--max-time", "60", "-w", "\n%{http_code}", path}, args...)
	out, _ := s.run(h, nil, args...) // without an answer the status is 0
	i := strings.LastIndex(out, "\n")
	status, err := strconv.Atoi(out[i+1:])
	if err != nil {
		s.t.Fatalf("curl %s: %s", path, out)
	}
	return answer{status: status, text: out[:max(i, 0)]}
}

// want checks the status of an answer.
func (s *site) want(status int, path string, args ...string) answer {
	s.t.Helper()
	a := s.curl(path, args...)
	if a.status != status {
		s.t.Errorf("%s %q: status %d, want %d: %.500s", path, args, a.status, status, a.text)
	}
	return a
}

// post is what curl needs to send JSON.
func post(body string, more ...string) []string {
	return append([]string{"-H", "Content-Type: application/json", "-d", body}, more...)
}

// who returns name and role of whom the server takes a request for.
func (s *site) who(args ...string) string {
	s.t.Helper()
	var me struct{ Name, Role string }
	a := s.want(200, "/api/v1/me", args...)
	if err := json.Unmarshal([]byte(a.text), &me); err != nil {
		s.t.Fatalf("%v: %.300s", err, a.text)
	}
	return strings.TrimSpace(me.Name + " " + me.Role)
}

// secretOf returns the secret in the answer that tells of a new token.
func (s *site) secretOf(a answer) string {
	s.t.Helper()
	var created struct{ Secret string }
	if err := json.Unmarshal([]byte(a.text), &created); err != nil || created.Secret == "" {
		s.t.Fatalf("no token was made: %d %s", a.status, a.text)
	}
	return created.Secret
}

// work starts a worker on the client's host.
func (s *site) work(url, tokenFile string) *cmdtest.Process {
	return s.start(s.client, "worker", cmdtest.Spec{Args: []string{
		"buildbtw-worker", "run", "--runner", "fake", "--name", "b1", "--jobs", "2", "--server-url", url,
		"--worker-token-file", tokenFile, "--work-dir", s.path("work"), "--drain-timeout", "0s",
	}})
}

// authority signs the server's certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := authority{key: key, certificate: &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of a test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}}
	der, err := x509.CreateCertificate(rand.Reader, a.certificate, a.certificate, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

// certify writes tls.pem and tls.key: a certificate for the server with this number.
func (s *site) certify(serial int64) {
	s.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: serverName}, DNSNames: []string{serverName, providerName}, IPAddresses: []net.IP{net.ParseIP(serverAddress)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, s.authority.certificate, key.Public(), s.authority.key)
	if err != nil {
		s.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		s.t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"tls.pem": {Type: "CERTIFICATE", Bytes: der}, "tls.key": {Type: "PRIVATE KEY", Bytes: private}} {
		s.secret(name+".new", strings.TrimSpace(string(pem.EncodeToMemory(block))))
		if err := os.Rename(s.path(name+".new"), s.path(name)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// serial returns the number of the certificate that the server shows.
func (s *site) serial() string {
	out, _ := s.run(s.client, nil, "sh", "-c", fmt.Sprintf("openssl s_client -connect %s:443 </dev/null 2>&1 | openssl x509 -noout -serial", serverName))
	return strings.TrimSpace(out) // empty of meaning as long as there is no connection
}
