package runners_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw/api"
	"buildbtw/runners"
)

// filler is a runner that writes so many MiB, and fails with words about the disk.
type filler struct{ mib int }

func (filler) Name() string                { return "filler" }
func (filler) Probe(context.Context) error { return nil }

func (f filler) Build(_ context.Context, job runners.Job, log io.Writer) runners.Result {
	file, err := os.Create(filepath.Join(job.Work, "fill"))
	if err != nil {
		return runners.Failed("%v", err)
	}
	defer file.Close()
	for range f.mib {
		if _, err := file.Write(make([]byte, 1<<20)); err != nil {
			break
		}
	}
	fmt.Fprintln(log, "cc1: error: No space left on device")
	return runners.PackageFailed("build() failed")
}

// A worker whose disk is full takes no build, says so, and takes one when there is room.
func TestAFullDiskTakesNoBuild(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	log := &safeLog{}
	o := options(t, s)
	o.Log = slog.New(slog.NewTextHandler(log, nil))
	if err := syscall.Mount("tmpfs", o.WorkDir, "tmpfs", 0, "size=100m"); err != nil {
		t.Skipf("nothing can be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(o.WorkDir, syscall.MNT_DETACH) })
	l := s.add(task{name: "it"})
	startWorker(t, o)
	waitFor(t, "the line that the disk is full", func() bool { return log.count("no build is taken") > 0 })
	s.mu.Lock()
	claims := len(s.claims)
	s.mu.Unlock()
	if claims > 0 || log.count("no build is taken") != 1 {
		t.Errorf("%d claims; the log:\n%s", claims, log)
	}
	if err := syscall.Mount("tmpfs", o.WorkDir, "tmpfs", syscall.MS_REMOUNT, "size=2g"); err != nil {
		t.Fatal(err)
	}
	checkBuilt(t, s, l)
}

// Whether a disk was full is asked of the file system: what a build filled does not count
// against the machine.
func TestTheFileSystemIsAskedForItsRoom(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		disk      string
		fill      int
		outcome   api.FinishRequest
		beginning bool // the reason begins so
	}{
		{"filled by the build", "300m", 400, api.FinishRequest{Outcome: "infrastructure", Blameless: true, Reason: "the disk was full: "}, true},
		{"perhaps full", "600m", 0, api.FinishRequest{Outcome: "infrastructure", Doubtful: true, Reason: "perhaps the disk is full (build() failed)"}, false},
		{"never full", "2g", 100, api.FinishRequest{Outcome: "failed", Reason: "build() failed"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			o := options(t, s)
			if err := syscall.Mount("tmpfs", o.WorkDir, "tmpfs", 0, "size="+test.disk); err != nil {
				t.Skipf("nothing can be mounted here: %v", err)
			}
			t.Cleanup(func() { _ = syscall.Unmount(o.WorkDir, syscall.MNT_DETACH) })
			o.Runners = []runners.Runner{filler{test.fill}}
			l := s.add(task{name: "it"})
			startWorker(t, o)
			got := s.outcome(l)
			if test.beginning && strings.HasPrefix(got.Reason, test.outcome.Reason) {
				got.Reason = test.outcome.Reason
			}
			if !cmp.Equal(got, test.outcome) {
				t.Errorf("got %+v, want %+v", got, test.outcome)
			}
		})
	}
}
