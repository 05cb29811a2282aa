package gitlabrunner

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// GitLab is the server that a runner asks for jobs.
type GitLab struct {
	URL   string
	Token string // of the runner
}

// maxJob bounds GitLab's answer with a job, in bytes.
const maxJob = 16 << 20

// Serve asks for jobs and executes them, one after the other, until ctx ends.
func (r Runner) Serve(ctx context.Context, g GitLab, report func(Job, Result)) {
	for ctx.Err() == nil {
		job, ok, err := g.request(ctx)
		if err != nil || !ok {
			pause(ctx, time.Second)
			continue
		}
		report(job, r.serve(ctx, g, job))
	}
}

// serve executes a job while its log goes to GitLab. When ctx ends the job is
// cancelled, as a runner does after SIGTERM.
func (r Runner) serve(ctx context.Context, g GitLab, job Job) Result {
	t := &trace{gitlab: g, job: job}
	cancel := make(chan string, 1)
	over := make(chan struct{})
	var sending sync.WaitGroup
	sending.Go(func() {
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-over:
				return
			case <-ctx.Done():
				tell(cancel, Canceled)
				<-over
				return
			case <-tick.C:
				if status := t.send(ctx); status == Canceled || status == Canceling {
					tell(cancel, status)
				}
			}
		}
	})
	result := r.Play(job, cancel, t)
	close(over)
	sending.Wait()
	last, stop := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer stop()
	t.send(last)
	g.update(last, job, result)
	return result
}

func tell(cancel chan<- string, why string) {
	select {
	case cancel <- why:
	default:
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (g GitLab) do(ctx context.Context, method, path string, body []byte, header http.Header) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(g.URL, "/")+"/api/v4"+path, bytes.NewReader(body))
	if err != nil {
		cancel()
		return nil, err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		cancel()
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxJob))
	answer.Body.Close()
	cancel()
	answer.Body = io.NopCloser(bytes.NewReader(text))
	return answer, err
}

func (g GitLab) request(ctx context.Context) (Job, bool, error) {
	body, err := json.Marshal(map[string]any{"token": g.Token, "info": map[string]any{"executor": "custom"}})
	if err != nil {
		return Job{}, false, err
	}
	answer, err := g.do(ctx, http.MethodPost, "/jobs/request", body, http.Header{"Content-Type": {"application/json"}})
	if err != nil || answer.StatusCode != http.StatusCreated {
		return Job{}, false, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return Job{}, false, err
	}
	job, err := ParseJob(text)
	return job, err == nil, err
}

func (g GitLab) update(ctx context.Context, job Job, result Result) {
	body, err := json.Marshal(map[string]any{
		"token": job.Token, "state": result.State, "failure_reason": result.Reason, "exit_code": result.ExitCode,
	})
	if err != nil {
		return
	}
	for range 5 {
		answer, err := g.do(ctx, http.MethodPut, fmt.Sprintf("/jobs/%d", job.ID), body, http.Header{"Content-Type": {"application/json"}})
		if err == nil {
			answer.Body.Close()
			return
		}
		pause(ctx, 500*time.Millisecond)
	}
}

// trace is a job's log on its way to GitLab.
type trace struct {
	gitlab GitLab
	job    Job

	mu   sync.Mutex
	text []byte
	sent int
}

// Write implements io.Writer.
func (t *trace) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	return len(b), nil
}

// send sends the new part of the log, even an empty one, and returns the job's
// status.
func (t *trace) send(ctx context.Context) (status string) {
	t.mu.Lock()
	piece, from := t.text[t.sent:], t.sent
	t.mu.Unlock()
	answer, err := t.gitlab.do(ctx, http.MethodPatch, fmt.Sprintf("/jobs/%d/trace", t.job.ID), piece, http.Header{
		"Job-Token": {t.job.Token}, "Content-Type": {"text/plain"}, "Content-Range": {fmt.Sprintf("%d-%d", from, from+len(piece))},
	})
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusAccepted {
		t.mu.Lock()
		t.sent = from + len(piece)
		t.mu.Unlock()
	}
	return answer.Header.Get("Job-Status")
}
