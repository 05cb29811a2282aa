package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"buildbtw/cmd/internal/cmdtest"
)

const (
	workers = 5 // processes
	slots   = 2 // of each
)

// site is a server with workers that reach it through the proxy.
type site struct {
	dir      string
	server   *cmdtest.Server
	address  string // of the server, kept over restarts
	proxy    *proxy
	machines []*machine
	relief   sync.WaitGroup // makes room on the disk
}

// machine is a worker that comes back under its name.
type machine struct {
	name string
	*cmdtest.Process
}

func (s *site) sources() string     { return filepath.Join(s.dir, "sources") }
func (s *site) data() string        { return filepath.Join(s.dir, "data") }
func (s *site) workerToken() string { return filepath.Join(s.dir, "worker-token") }
func (s *site) database() string    { return filepath.Join(s.data(), "buildbtw.sqlite") }

// startSite starts everything; sources and data directory are there.
func startSite(t *testing.T, dir string) *site {
	t.Helper()
	s := &site{dir: dir}
	if err := os.WriteFile(s.workerToken(), []byte("the token of all machines\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.bringUp(t.Context()); err != nil { // a busy machine needs long to read all sources
		t.Fatal(err)
	}
	t.Cleanup(func() { s.server.Kill() })
	s.proxy = startProxy(t, s.address)
	for i := range workers {
		m := &machine{name: fmt.Sprintf("w%d", i+1)}
		if err := s.startWorker(m); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Kill() })
		s.machines = append(s.machines, m)
	}
	t.Cleanup(s.relief.Wait)
	return s
}

func (s *site) startServer(ctx context.Context) error {
	server, err := cmdtest.StartServer(ctx, s.address, cmdtest.Spec{
		Args: []string{
			"--data-dir", s.data(), "--sources", "dir:" + s.sources(),
			"--worker-token-file", s.workerToken(), "--lease", lease.String(), "--sync-period", "10s", "--debounce", "200ms",
		},
		Log: filepath.Join(s.dir, "server.log"),
	})
	if err != nil {
		return err
	}
	s.server, s.address = server, strings.TrimPrefix(server.URL, "http://")
	return nil
}

func (s *site) startWorker(m *machine) (err error) {
	m.Process, err = cmdtest.Start(cmdtest.Spec{
		Args: []string{
			"buildbtw-worker", "run", "--server-url", s.proxy.url(), "--architectures", "x86_64", "--runner", "fake", "--worker-token-file", s.workerToken(),
			"--name", m.name, "--jobs", fmt.Sprint(slots), "--work-dir", filepath.Join(s.dir, m.name),
		},
		Log: s.workerLog(m),
	})
	return err
}

func (s *site) workerLog(m *machine) string { return filepath.Join(s.dir, m.name+".log") }

// startTries bounds how often a server that ends at its start is started again,
// as a service manager does: on a full disk it cannot start.
const startTries = 20

// restartServer is a power cut of the server.
func (s *site) restartServer(ctx context.Context, down time.Duration) error {
	s.server.Kill()
	wait(ctx, down)
	return s.bringUp(ctx)
}

func (s *site) bringUp(ctx context.Context) (err error) {
	for range startTries {
		if err = s.startServer(ctx); err == nil {
			return nil
		}
		wait(ctx, time.Second)
	}
	return fmt.Errorf("the server does not come up: %w", err)
}

// restartWorker is a power cut of a machine.
func (s *site) restartWorker(ctx context.Context, k strike) error {
	m := s.machines[k.worker]
	m.Kill()
	wait(ctx, k.down)
	return s.startWorker(m)
}

// pauseWorker stands a machine still, as a suspended laptop or a host without
// memory does. Nothing else happens meanwhile: a server that starts anew gives
// every lease more time, and this one is to run out.
func (s *site) pauseWorker(ctx context.Context, k strike) error {
	m := s.machines[k.worker]
	if err := m.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	wait(ctx, k.down)
	return m.Signal(syscall.SIGCONT)
}

func (s *site) pauseServer(ctx context.Context, down time.Duration) error {
	if err := s.server.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	wait(ctx, down)
	return s.server.Signal(syscall.SIGCONT)
}

// uploadPatience bounds the wait for an upload that is to be torn.
const uploadPatience = 3 * time.Second

// killInUpload cuts an upload and kills the server at that moment; or just kills
// it, when none comes.
func (s *site) killInUpload(ctx context.Context, k strike) error {
	f := s.proxy.arm(k.bytes)
	select {
	case <-f.blown:
	case <-time.After(uploadPatience):
	case <-ctx.Done():
	}
	return s.restartServer(ctx, k.down)
}

// fillDisk fills the disk of the data directory while builds go on, kills the
// server meanwhile, and makes room again before it is back.
func (s *site) fillDisk(ctx context.Context) error {
	ballast, err := fill(s.data())
	if err != nil {
		return err
	}
	wait(ctx, lease)
	s.relief.Go(func() {
		wait(ctx, lease)
		_ = os.Remove(ballast) // what fails here fails everything after it
	})
	return s.restartServer(ctx, 0)
}

// awaitReady waits until a worker that was just started listens to signals: one
// that is asked to end before dies of it.
func (m *machine) awaitReady() {
	for since := time.Now(); !strings.Contains(m.Log(), "worker is ready") && !m.Ended() && time.Since(since) < time.Minute; {
		wait(context.Background(), 20*time.Millisecond)
	}
}

// stop ends everything as for the night, and wants it to end well.
func (s *site) stop() error {
	s.relief.Wait()
	var errs []error
	for _, m := range s.machines {
		m.awaitReady()
		code, err := m.Stop(time.Minute)
		if err != nil || code != 0 {
			errs = append(errs, err, fmt.Errorf("worker %s ended with exit code %d, having said:\n%s", m.name, code, m.Log()))
		}
	}
	code, err := s.server.Stop(time.Minute)
	if err != nil || code != 0 {
		errs = append(errs, fmt.Errorf("the server ended with exit code %d: %w", code, err))
	}
	return errors.Join(errs...)
}

// wait gives a disturbance its time.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
