package runners_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"buildbtw/runners"
	"buildbtw/runners/fake"
)

// clumsy fails with errors that name files with their whole paths.
type clumsy struct{ fake.Runner }

func (clumsy) Build(_ context.Context, job runners.Job, _ io.Writer) runners.Result {
	_, err := os.Open(filepath.Join(job.Output, "lib.pkg.tar.zst"))
	return runners.Infrastructure("%v; in %s and %s, below %s", err, job.Work, filepath.Dir(job.Work), filepath.Dir(filepath.Dir(job.Work)))
}

// TestNoDirectoryOfTheMachineIsShown has a work directory below a link.
func TestNoDirectoryOfTheMachineIsShown(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	o := options(t, s)
	o.Runners = []runners.Runner{clumsy{}}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(o.WorkDir, link); err != nil {
		t.Fatal(err)
	}
	real := o.WorkDir
	o.WorkDir = filepath.Join(link, "work")
	startWorker(t, o)
	l := s.add(task{name: "lib"})
	got := s.outcome(l)
	if want := "open output/lib.pkg.tar.zst: no such file or directory; in work and the work directory, below the work directory"; got.Reason != want {
		t.Errorf("reason %q, want %q", got.Reason, want)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if log := string(l.log); strings.Contains(log, real) || strings.Contains(log, o.WorkDir) || !strings.Contains(log, "open output/lib.pkg.tar.zst") {
		t.Errorf("the log:\n%s", log)
	}
}
