package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/cmdtest"
)

// crash is a way to go down in the middle of the demo's main job.
type crash struct {
	name    string
	workers int   // that the server starts itself; else two stand beside it
	after   []int // numbers of built builds after which it happens
	strike  func(*demoRun)
}

// TestCrashesLoseNothing does the demo's main job with real makepkg, kills a
// part of it in the middle, starts that again, and wants the very packages that
// a quiet run makes, built in the right order.
func TestCrashesLoseNothing(t *testing.T) {
	t.Parallel()
	needPrograms(t, "makepkg", "bwrap", "pacman", "gcc")
	for _, c := range []crash{
		{name: "nothing is killed"},
		{name: "the server is killed", after: []int{2, 6, 11}, strike: (*demoRun).killServer},
		{name: "the server is killed with its own workers", workers: 2, after: []int{5}, strike: (*demoRun).killServer},
		{name: "a worker is killed", after: []int{4, 9}, strike: (*demoRun).killBusyWorker},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := startDemo(t, c.workers)
			r.drain(drainedWorker)
			newBuildspace(t, r.client, "demo", "libcalc")
			for _, n := range c.after {
				r.waitFor(n)
				c.strike(r)
			}
			r.waitFor(demoBuilds)
			r.end()
			checkDemo(t, r.site)
		})
	}
}

// drainedWorker is a worker that drains from the beginning to the end.
const drainedWorker = "drained"

// demoBuilds is how many builds a change of libcalc makes in the demo.
const demoBuilds = 17

func needPrograms(t *testing.T, programs ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds 17 packages several times; not with -short")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is not installed: %v", p, err)
		}
	}
}

// demoRun is one run of the demo's main job.
type demoRun struct {
	t       *testing.T
	site    *site
	flags   []string // of the server
	server  *cmdtest.Server
	client  *api.Client
	workers map[string]*cmdtest.Process
	seen    string // the last event that was read
	built   int    // events that say so
}

func startDemo(t *testing.T, children int) *demoRun {
	t.Helper()
	r := &demoRun{t: t, site: &site{dir: t.TempDir(), runner: "makepkg"}, workers: map[string]*cmdtest.Process{}}
	copyDemo(t, r.site)
	r.flags = []string{"--workers", strconv.Itoa(children)}
	r.startServer()
	if children == 0 {
		for _, name := range []string{"one", "two"} {
			r.startWorker(name)
		}
	}
	return r
}

// copyDemo makes a git repository of each of the demo's sources.
func copyDemo(t *testing.T, s *site) {
	t.Helper()
	root, err := cmdtest.Root()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(s.sources(), os.DirFS(filepath.Join(root, "infrastructure", "demo", "sources"))); err != nil {
		t.Fatal(err)
	}
	dirs, err := os.ReadDir(s.sources())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		s.commit(t, d.Name(), nil)
	}
}

func (r *demoRun) startServer() {
	r.t.Helper()
	r.server, r.client = r.site.serve(r.t, r.flags...)
}

func (r *demoRun) startWorker(name string) {
	r.t.Helper()
	r.workers[name] = r.site.worker(r.t, name)
}

// drain starts a worker that gets no builds because a person says so, whatever is
// killed and started again meanwhile.
func (r *demoRun) drain(name string) {
	r.t.Helper()
	r.startWorker(name)
	poll(r.t, name+" is drained", func() (bool, error) {
		_, err := r.client.DrainWorker(r.t.Context(), name)
		if buildbtw.KindOf(err) == buildbtw.KindNotFound { // it has not asked for work yet
			return false, nil
		}
		return err == nil, err
	})
}

// waitFor reads the history until so many builds were built; a build that was
// built twice counts twice, which the check at the end would not forgive.
func (r *demoRun) waitFor(n int) {
	r.t.Helper()
	poll(r.t, fmt.Sprintf("%d builds are built", n), func() (bool, error) {
		events, err := r.client.Events(r.t.Context(), api.EventFilter{Buildspace: "demo", Since: r.seen})
		for _, e := range events {
			r.seen = e.ID
			if e.To == buildbtw.StatusBuilt {
				r.built++
			}
			if e.To == buildbtw.StatusFailed {
				return false, fmt.Errorf("%s failed: %s", e.Pkgbase, e.Message)
			}
		}
		return r.built >= n, err
	})
}

// killServer is a power cut of the server, in the middle of some build.
func (r *demoRun) killServer() {
	r.t.Helper()
	poll(r.t, "something is building", func() (bool, error) { return running(r.t, r.client) > 0, nil })
	r.server.Kill()
	r.startServer()
}

// killBusyWorker is a power cut of a machine that is building; the machine comes
// back under its old name.
func (r *demoRun) killBusyWorker() {
	r.t.Helper()
	var name string
	poll(r.t, "a worker is building", func() (bool, error) {
		list, err := r.client.Workers(r.t.Context())
		i := slices.IndexFunc(list, func(w api.Worker) bool { return len(w.Running) > 0 })
		if i >= 0 {
			name = list[i].Name
		}
		return i >= 0, err
	})
	r.workers[name].Kill()
	r.startWorker(name)
}

// end stops everything, as for the night.
func (r *demoRun) end() {
	r.t.Helper()
	for name, w := range r.workers {
		if code, err := w.Stop(patience); err != nil || code != 0 {
			r.t.Errorf("worker %s ended with exit code %d: %v", name, code, err)
		}
	}
	stop(r.t, r.server, patience)
}
