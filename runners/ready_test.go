package runners_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/runners"
)

type safeLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *safeLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *safeLog) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

func (l *safeLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// A worker says at once that its server does not answer, once and not at every try, and
// that it is ready only when the server has answered; so it does when another machine
// has its name.
func TestAWorkerIsReadyAfterTheFirstAnswer(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.kill()
	log := &safeLog{}
	o := options(t, s)
	o.Log, o.Slots = slog.New(slog.NewTextHandler(log, nil)), 2
	backoff := runners.Backoff(o.Log)
	backoff.First, backoff.Max = time.Millisecond, 2*time.Millisecond
	var err error
	if o.Client, err = api.New("http://"+s.address, "secret", api.Options{Backoff: backoff}); err != nil {
		t.Fatal(err)
	}
	taken := true
	s.setFault(func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		s.mu.Lock()
		conflict := taken
		s.mu.Unlock()
		if conflict {
			problem(w, buildbtw.Conflict("worker test-worker is connected from 10.0.0.9"), nil)
			return
		}
		next(w, r)
	})
	startWorker(t, o)
	waitFor(t, "the first line", func() bool { return log.count("the server does not answer; trying again") == 1 })
	s.start(s.address)
	waitFor(t, "the other machine", func() bool { return log.count("worker test-worker is connected from 10.0.0.9") > 0 })
	if n := log.count("worker is ready"); n > 0 {
		t.Errorf("it is ready without an answer:\n%s", log)
	}
	s.change(func() { taken = false })
	waitFor(t, "an answer", func() bool { return log.count("worker is ready") > 0 })
	s.until("a claim that waits for work", func() bool { return s.claims[len(s.claims)-1].Wait > 0 })
	s.mu.Lock()
	wait := s.claims[0].Wait
	s.mu.Unlock()
	if wait != 0 || log.count("worker is ready") != 1 || log.count("does not answer") != 1 {
		t.Errorf("the first claim waits %d s; the log:\n%s", wait, log)
	}
}

// A worker that gets no new builds says so once, not at every claim, and once that it gets
// some again.
func TestAWorkerSaysOnceThatItIsDraining(t *testing.T) {
	t.Parallel()
	const why = "draining: gets no new builds until 'bbtw workers resume test-worker'"
	s := newServer(t)
	log := &safeLog{}
	o := options(t, s)
	o.Log = slog.New(slog.NewTextHandler(log, nil))
	draining, asked := true, 0
	s.setFault(func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		s.change(func() {
			if asked++; draining {
				w.Header().Set(api.HeaderNoBuilds, why)
			}
		})
		w.WriteHeader(http.StatusNoContent)
	})
	startWorker(t, o)
	s.until("some claims", func() bool { return asked > 5 })
	s.change(func() { draining = false })
	waitFor(t, "the line that it gets builds", func() bool { return log.count("gets new builds again") == 1 })
	if n := log.count(why); n != 1 {
		t.Errorf("%d lines say that it is draining:\n%s", n, log)
	}
}
