package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"buildbtw/api"
	"buildbtw/cmd/internal/cmdtest"
)

// idle opens connections that never ask for anything. Some may be closed again by
// the server.
func idle(t *testing.T, address string, n int) {
	t.Helper()
	for range n {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
	}
}

// healthTakes returns how long the server takes to answer over a new connection,
// the median of some.
func healthTakes(t *testing.T, url string) time.Duration {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var all []time.Duration
	for range 9 {
		began := time.Now()
		answer, err := client.Get(url + api.Prefix + "/health")
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Fatalf("health: %s", answer.Status)
		}
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// More connections than the process may have files open end nothing: the server goes
// on and answers.
func TestMoreConnectionsThanDescriptors(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	server, err := cmdtest.StartServer(t.Context(), "", cmdtest.Spec{
		Args: []string{"--data-dir", s.data(), "--sources", "dir:" + s.sources()},
		Log:  filepath.Join(s.dir, "server.log"), OpenFiles: 256,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	if !strings.Contains(server.Log(), "the limit of open files is small") {
		t.Errorf("the log does not say that 256 files are few:\n%s", server.Log())
	}
	idle(t, server.URL[len("http://"):], 1000)
	t.Logf("health after 1000 connections: %s", healthTakes(t, server.URL))
	client, err := api.New(server.URL, "", api.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Workers(t.Context()); err != nil { // needs descriptors of its own
		t.Errorf("with 1000 connections: %v", err)
	}
	if server.Ended() {
		t.Errorf("the server ended:\n%s", server.Log())
	}
	stop(t, server, time.Minute)
}

func TestTenThousandConnections(t *testing.T) {
	const many, files = 10_000, 16_384
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if testing.Short() || limit.Cur < files {
		t.Skipf("needs %d open files and some seconds; the limit is %d", files, limit.Cur)
	}
	t.Parallel()
	s := newSite(t, "")
	server, _ := s.serve(t)
	idle(t, server.URL[len("http://"):], many)
	took := healthTakes(t, server.URL)
	t.Logf("health beside %d connections: %s", many, took)
	if limit := cmdtest.OnBusyMachine(50 * time.Millisecond); took > limit {
		t.Errorf("health takes %s beside %d connections, want at most %s", took, many, limit)
	}
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(server.PID()), "status"))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("memory: %s", regexp.MustCompile(`VmRSS:\s+(.*)`).FindString(string(status)))
	stop(t, server, time.Minute)
}

// Only a socket is removed to make room for the server's: neither at the start, nor
// when it stops and something else has come to its place.
func TestAFileIsNoSocketToRemove(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	dir, err := os.MkdirTemp("/tmp", "buildbtw-socket-*") // a socket's path has at most 108 bytes, TMPDIR may be longer
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "precious")
	serve := func() *cmdtest.Process {
		return start(t, "buildbtw", "serve", "--listen", "unix:"+path, "--data-dir", s.data(), "--sources", "dir:"+s.sources())
	}
	for kind, make := range map[string]func() error{
		"a file":      func() error { return os.WriteFile(path, []byte("precious"), 0o600) },
		"a directory": func() error { return os.Mkdir(path, 0o700) },
		"a FIFO":      func() error { return syscall.Mkfifo(path, 0o600) },
		"a link":      func() error { return os.Symlink("/dev/null", path) },
	} {
		if err := make(); err != nil {
			t.Fatal(err)
		}
		p := serve()
		if code, err := p.Wait(patience); err != nil || code != 1 || !strings.Contains(p.Log(), "is there and no socket") {
			t.Errorf("%s: exit code %d, error %v; it said:\n%s", kind, code, err, p.Log())
		}
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("%s is gone: %v", kind, err)
		}
		os.Remove(path)
	}
	for _, replaced := range []bool{false, true} {
		p := serve()
		poll(t, "serve", func() (bool, error) { return strings.Contains(p.Log(), "msg=serving"), nil })
		if replaced {
			if err := errors.Join(os.Remove(path), os.WriteFile(path, []byte("precious"), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		if code, err := p.Stop(patience); err != nil || code != 0 {
			t.Errorf("exit code %d, error %v; it said:\n%s", code, err, p.Log())
		}
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) == replaced {
			t.Errorf("after the end, replaced %v: %v", replaced, err)
		}
	}
}

// certificate writes a new pair for 127.0.0.1 with a serial number.
func certificate(t *testing.T, cert, key string, serial int64) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	if err != nil {
		t.Fatal(err)
	}
}

// A renewed certificate is used without a restart; one that is broken is not, and the
// log says so once.
func TestTLSFilesAreReadAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	cert, key := filepath.Join(s.dir, "cert.pem"), filepath.Join(s.dir, "key.pem")
	certificate(t, cert, key, 1)
	p := start(t, "buildbtw", "serve", "--listen", "127.0.0.1:0", "--data-dir", s.data(), "--sources", "dir:"+s.sources(), "--tls-cert", cert, "--tls-key", key)
	var address string
	poll(t, "serve", func() (bool, error) {
		if m := regexp.MustCompile(`msg=serving url=https://(\S+)`).FindStringSubmatch(p.Log()); m != nil {
			address = m[1]
		}
		return address != "", nil
	})
	unchecked := &tls.Config{InsecureSkipVerify: true} // it is the serial number that is looked at
	serial := func() int64 {
		c, err := tls.Dial("tcp", address, unchecked)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if n := serial(); n != 1 {
		t.Errorf("certificate %d, want the first", n)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: unchecked}}
	answer, err := client.Get("https://" + address + api.Prefix + "/health")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK || !strings.Contains(answer.Header.Get("Strict-Transport-Security"), "max-age=") {
		t.Errorf("%s, HSTS %q", answer.Status, answer.Header.Get("Strict-Transport-Security"))
	}
	certificate(t, cert, key, 2)
	poll(t, "use the new certificate", func() (bool, error) { return serial() == 2, nil })
	if err := os.WriteFile(key, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	const words = "the new TLS certificate cannot be used"
	poll(t, "see that the pair is broken", func() (bool, error) { return serial() == 2 && strings.Contains(p.Log(), words), nil })
	certificate(t, cert, key, 3)
	poll(t, "use the third certificate", func() (bool, error) { return serial() == 3, nil })
	if n := strings.Count(p.Log(), words); n != 1 {
		t.Errorf("a broken pair is logged %d times:\n%s", n, p.Log())
	}
}

// Build machines have a listener of their own, which the workers of this machine use.
func TestWorkersUseTheirListener(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	server, client := s.serve(t, "--listen-workers", "127.0.0.1:0", "--workers", "1")
	if _, err := client.CreateBuildspace(t.Context(), api.NewBuildspace{Name: "work", Changesets: []string{"lib"}}); err != nil {
		t.Fatal(err)
	}
	poll(t, "build it", func() (bool, error) {
		it, err := client.Iteration(t.Context(), "work", api.Latest)
		if err != nil {
			return false, nil // not made yet
		}
		return it.Status.Final(), nil
	})
	_, _, err := client.Claim(t.Context(), api.ClaimRequest{Worker: "other", Architectures: []string{"x86_64"}, Runners: []string{"fake"}})
	if err == nil || !strings.Contains(err.Error(), "build machines of this server use http://127.0.0.1:") {
		t.Errorf("a claim over the listener of people: %v", err)
	}
	stop(t, server, time.Minute)
}
