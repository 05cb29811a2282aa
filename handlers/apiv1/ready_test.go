package apiv1_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"buildbtw"
	"buildbtw/handlers"
	"buildbtw/internal/logattr"
)

// lines is a log that a test reads while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestLogLinesOfALeaseNameItsBuild(t *testing.T) {
	t.Parallel()
	log := &lines{}
	s := newServer(t, func(d *handlers.Deps) {
		d.Log = slog.New(logattr.Handler(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	})
	s.space("work", "libalpha")
	job := s.claim()
	s.do(s.request("POST", lease(job, "heartbeat"), nil))
	for _, path := range []string{"/worker/claim", "/worker/leases/{lease}/heartbeat"} {
		found := false
		for line := range strings.Lines(log.String()) {
			found = found || strings.Contains(line, path+" ") && strings.Contains(line, fmt.Sprintf(" build=%s", job.BuildID)) && strings.Contains(line, " id=")
		}
		if !found {
			t.Errorf("no line of %s names build %s:\n%s", path, job.BuildID, log)
		}
	}
	if strings.Contains(log.String(), job.Lease) {
		t.Error("the log has a lease")
	}
}

// Each part that is not ready is named; the database's own word for a full disk is not
// repeated.
func TestReadyNamesAllThatIsMissing(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(d *handlers.Deps) {
		d.Fit = func() error { return buildbtw.Unavailable("the disk is full") }
		d.Loops = func() []buildbtw.LoopState {
			return []buildbtw.LoopState{{Name: "sync", Began: d.Now().AddDate(-1, 0, 0)}}
		}
	})
	got := s.do(s.request("GET", "/ready", nil))
	if got.StatusCode != http.StatusServiceUnavailable || !bytes.Contains(got.body, []byte("the disk is full; loop sync hangs: its pass has taken ")) {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if got := s.do(s.request("GET", "/health", nil)); got.StatusCode != http.StatusOK {
		t.Errorf("it lives all the same, but says %d %s", got.StatusCode, got.body)
	}
	if err := s.app.Answers(t.Context()); err == nil || !strings.Contains(err.Error(), "loop sync hangs") {
		t.Errorf("a loop that hangs is to be restarted: %v", err)
	}
	full := newServer(t, func(d *handlers.Deps) {
		d.Fit = func() error { return buildbtw.Unavailable("the disk is full") }
	})
	if err := full.app.Answers(t.Context()); err != nil {
		t.Errorf("a full disk is no reason for a restart: %v", err)
	}
	if err := full.store.Close(); err != nil {
		t.Fatal(err)
	}
	closed := newServer(t)
	if err := closed.store.Close(); err != nil {
		t.Fatal(err)
	}
	if got := closed.do(closed.request("GET", "/ready", nil)); got.StatusCode != http.StatusServiceUnavailable || !bytes.Contains(got.body, []byte("the database does not answer")) {
		t.Errorf("without a database: %d %s", got.StatusCode, got.body)
	}
}
