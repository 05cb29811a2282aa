package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"buildbtw/cmd/internal/cmdtest"
)

// systemd is the socket to which services tell how they stand.
type systemd struct {
	*net.UnixConn
	path string
}

func newSystemd(t *testing.T) systemd {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "buildbtw-notify-*") // a socket's path has at most 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := systemd{path: filepath.Join(dir, "socket")}
	s.UnixConn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: s.path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// hear returns the next message in which a line is; others before it are skipped.
func (s systemd) hear(t *testing.T, line string, limit time.Duration) (skipped []string) {
	t.Helper()
	if err := s.SetReadDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	for {
		b := make([]byte, 8192)
		n, err := s.Read(b)
		if err != nil {
			t.Fatalf("systemd was not told %s (%v), but %q", line, err, skipped)
		}
		for told := range strings.Lines(string(b[:n])) {
			if strings.TrimSpace(told) == line {
				return skipped
			}
		}
		skipped = append(skipped, string(b[:n]))
	}
}

func (s systemd) environment(watchdog string) func(string) string {
	return func(name string) string {
		return map[string]string{"NOTIFY_SOCKET": s.path, "WATCHDOG_USEC": watchdog}[name]
	}
}

func TestSystemdIsToldHowTheServerStands(t *testing.T) {
	t.Parallel()
	s := newSystemd(t)
	n := newNotifier(s.environment("20000"), slog.New(slog.DiscardHandler))
	defer n.close()
	var missing atomic.Value // string
	var hangs atomic.Bool
	missing.Store("the disk is\nfull")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go n.run(ctx)
	s.hear(t, "STATUS=starting", patience)
	n.app.Store(&checks{
		ready: func(context.Context) error {
			if words := missing.Load().(string); words != "" {
				return errors.New(words)
			}
			return nil
		},
		answers: func(context.Context) error {
			if hangs.Load() {
				return errors.New("loop rescue hangs")
			}
			return nil
		},
	})
	for _, told := range s.hear(t, "STATUS=not ready: the disk is full", patience) {
		if strings.Contains(told, "READY=1") || strings.Contains(told, "WATCHDOG=1") {
			t.Errorf("before it is ready systemd was told %q", told)
		}
	}
	missing.Store("")
	s.hear(t, "READY=1", patience)
	missing.Store("the disk is full again") // no reason for a restart
	s.hear(t, "WATCHDOG=1", patience)
	s.hear(t, "WATCHDOG=1", patience)
	hangs.Store(true)
	drain(t, s)
	hangs.Store(false)
	s.hear(t, "WATCHDOG=1", patience)
	cancel()
	n.stopping()
	s.hear(t, "STOPPING=1", patience)
}

// drain reads until nothing comes for ten periods of the watchdog.
func drain(t *testing.T, s systemd) {
	t.Helper()
	for told := 0; ; told++ {
		if told > 1000 {
			t.Fatal("a server that hangs says that it lives")
		}
		if err := s.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Read(make([]byte, 8192)); errors.Is(err, os.ErrDeadlineExceeded) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestWithoutSystemdNobodyIsTold(t *testing.T) {
	t.Parallel()
	for _, socket := range []string{"", "/nowhere/socket"} {
		n := newNotifier(func(name string) string { return map[string]string{"NOTIFY_SOCKET": socket}[name] }, slog.New(slog.DiscardHandler))
		n.run(t.Context())
		n.stopping()
		n.close()
	}
}

// A real server under a socket as systemd makes it, with its watchdog, and again after a
// restart: connections that come meanwhile wait.
func TestARestartUnderSystemdRefusesNoConnection(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	told := newSystemd(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	file, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	begin := func() *cmdtest.Process {
		p, err := cmdtest.Start(cmdtest.Spec{
			Args: []string{
				"sh", "-c", `LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"`, "sh", "buildbtw", "serve", "--listen", "127.0.0.1:1",
				"--data-dir", s.data(), "--sources", "dir:" + s.sources(), "--debug-listen", "127.0.0.1:0",
			},
			Env: append(os.Environ(), "NOTIFY_SOCKET="+told.path, "WATCHDOG_USEC=100000"), Log: filepath.Join(s.dir, "server.log"), Files: []*os.File{file},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Kill)
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("the server said:\n%s", p.Log())
			}
		})
		return p
	}
	ask := func(url string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
		if err != nil {
			t.Fatalf("%s: %v", url, err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(text)
	}
	ready := "http://" + ln.Addr().String() + "/api/v1/ready"
	first := begin()
	told.hear(t, "READY=1", patience)
	told.hear(t, "WATCHDOG=1", patience)
	if status, text := ask(ready); status != http.StatusOK {
		t.Errorf("after READY=1: %d %s", status, text)
	}
	profiles, _, _ := strings.Cut(after(first.Log(), `msg="profiles are served" url=`), "\n")
	if status, text := ask(profiles); status != http.StatusOK || !strings.Contains(text, "goroutine") {
		t.Errorf("%s: %d %.300s", profiles, status, text)
	}
	if code, err := first.Stop(patience); err != nil || code != 0 {
		t.Errorf("exit code %d, %v", code, err)
	}
	told.hear(t, "STOPPING=1", patience)
	answered := make(chan int, 1)
	go func() {
		status, _ := ask("http://" + ln.Addr().String() + "/api/v1/health") // nobody serves yet
		answered <- status
	}()
	second := begin()
	told.hear(t, "READY=1", patience)
	select {
	case status := <-answered:
		if status != http.StatusOK {
			t.Errorf("who connected between the two got %d", status)
		}
	case <-time.After(patience):
		t.Error("who connected between the two waits for ever")
	}
	stop(t, &cmdtest.Server{Process: second}, patience)
}

// after returns what follows the first occurrence of a text.
func after(text, begin string) string {
	_, rest, _ := strings.Cut(text, begin)
	return rest
}

func TestProfilesAreForThisMachineAlone(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"0.0.0.0:6060", ":6060", "localhost:6060", "[::]:6060", "192.0.2.1:6060", "6060", "unix:/tmp/x"} {
		if ln, err := listenDebug(t.Context(), address); err == nil {
			ln.Close()
			t.Errorf("it listens on %s", address)
		}
	}
	ln, err := listenDebug(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serveDebug(ctx, ln) }()
	for host, want := range map[string]int{"": http.StatusOK, "evil.example": http.StatusMisdirectedRequest, "evil.example:80": http.StatusMisdirectedRequest} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+ln.Addr().String()+"/debug/pprof/cmdline", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("asked as %q it answers %d", host, answer.StatusCode)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
