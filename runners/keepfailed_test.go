package runners_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/runners"
	"buildbtw/runners/fake"
)

// sheller is the fake runner with shells.
type sheller struct {
	fake.Runner
	not error // why it has none
}

func (s sheller) Shells() error { return s.not }

func (s sheller) Shell(context.Context, runners.Job, string, []string) (int, error) { return 0, s.not }

func TestFailedBuildsAreKept(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fake string
		keep time.Duration
		not  error
		want bool
	}{
		"failed":          {"outcome=failed\nmessage=build() failed", time.Hour, nil, true},
		"without package": {"outcome=exit0-no-package", time.Hour, nil, true},
		"built":           {"size=10", time.Hour, nil, false},
		"machine's fault": {"outcome=infrastructure\nmessage=no room", time.Hour, nil, false},
		"not asked for":   {"outcome=failed\nmessage=build() failed", 0, nil, false},
		"no shells":       {"outcome=failed\nmessage=build() failed", time.Hour, errors.New("no box"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			l := s.add(task{name: "it", fake: c.fake})
			o := options(t, s)
			o.KeepFailed, o.Runners = c.keep, []runners.Runner{sheller{not: c.not}}
			w := startWorker(t, o)
			s.outcome(l)
			w.stop()
			w.wait(t)
			kept, err := runners.OpenKept(w.dir, l.job.BuildID)
			s.mu.Lock()
			log := string(l.log)
			s.mu.Unlock()
			if said := l.finished.KeptSeconds; (said > 0) != c.want || said > c.keep.Seconds() {
				t.Errorf("the server is told that it is kept for %g s", said)
			}
			if !c.want {
				left, _ := filepath.Glob(filepath.Join(w.dir, "attempt-*"))
				if buildbtw.KindOf(err) != buildbtw.KindNotFound || len(left) > 0 || strings.Contains(log, "buildbtw-worker shell") {
					t.Errorf("%v, left %q\n%s", err, left, log)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer kept.Close()
			lines := strings.Split(strings.TrimSpace(log), "\n")
			if last := lines[len(lines)-1]; !strings.Contains(last, "kept on test-worker until") || !strings.Contains(last, "buildbtw-worker shell "+l.job.BuildID) {
				t.Errorf("the log ends with %q", last)
			}
			if kept.Job.Lease != "" || kept.Runner != "fake" || kept.Job.Pkgbase != l.job.Pkgbase || !kept.Until.After(time.Now()) {
				t.Errorf("%+v", kept)
			}
		})
	}
}

var _ runners.Sheller = sheller{}
