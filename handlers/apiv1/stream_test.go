package apiv1_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/api"
)

// patience is how long a test waits for what must come; nothing waits so long
// when all is well.
const patience = 20 * time.Second

// open starts a request whose answer goes on.
func (s *server) open(path string, headers ...string) *http.Response {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	s.t.Cleanup(cancel)
	r := s.request("GET", path, nil).WithContext(ctx)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	s.must(err)
	s.t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != http.StatusOK {
		s.t.Fatalf("GET %s: %s", path, response.Status)
	}
	return response
}

// nextEvent reads the next event of a stream.
func nextEvent(t *testing.T, lines *bufio.Scanner) (id string, e api.Event) {
	t.Helper()
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "id":
			id = value
		case "data":
			if err := json.Unmarshal([]byte(value), &e); err != nil {
				t.Fatal(err)
			}
		case "":
			if id != "" {
				return id, e
			}
		}
	}
	t.Fatalf("the stream ended: %v", lines.Err())
	return
}

func TestEventsComeAsTheyHappenAndAfterAReconnect(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("before", "beta")
	stream := s.open("/events", "Accept", "text/event-stream")
	if got := stream.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("content type %q", got)
	}
	lines := bufio.NewScanner(stream.Body)
	if !lines.Scan() { // the greeting: from here on nothing is missed
		t.Fatal("the stream says nothing")
	}
	s.call("POST", "/buildspaces", api.NewBuildspace{Name: "after", Changesets: []string{"beta"}}, 201, nil)
	id, e := nextEvent(t, lines)
	if e.Buildspace != "after" || e.Kind != buildbtw.EventBuildspace || e.ID != id || e.Actor != "anna" {
		t.Errorf("event %s: %+v", id, e)
	}
	s.iterate("after")
	wantID, _ := nextEvent(t, lines)
	again := s.open("/events", "Accept", "text/event-stream", "Last-Event-ID", id)
	if gotID, _ := nextEvent(t, bufio.NewScanner(again.Body)); gotID != wantID {
		t.Errorf("after event %s came %s, want %s", id, gotID, wantID)
	}
}

func TestEventsAsPages(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("one", "beta")
	s.space("two", "gamma")
	var all, of api.Page[api.Event]
	s.call("GET", "/events?limit=500", nil, 200, &all)
	s.call("GET", "/events?buildspace=two", nil, 200, &of)
	if len(of.Items) == 0 || len(of.Items) >= len(all.Items) {
		t.Errorf("%d of %d events are of one buildspace", len(of.Items), len(all.Items))
	}
	var read []api.Event
	for cursor := ""; ; {
		var page api.Page[api.Event]
		s.call("GET", "/events?limit=1&cursor="+cursor, nil, 200, &page)
		read = append(read, page.Items...)
		if cursor = page.Cursor; cursor == "" {
			break
		}
	}
	if len(read) != len(all.Items) {
		t.Errorf("one by one %d events, at once %d", len(read), len(all.Items))
	}
}

func TestFollowedLogEndsWithItsAttempt(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	job := s.claim()
	s.append(job, 0, "one\n")
	stream := s.open("/builds/" + job.BuildID + "/log?follow=true")
	r := bufio.NewReader(stream.Body)
	wantLine(t, r, "one\n")
	s.append(job, 4, "two\n")
	wantLine(t, r, "two\n")
	s.call("POST", lease(job, "finish"), api.FinishRequest{Outcome: buildbtw.OutcomeFailed, Reason: "on purpose"}, 200, nil)
	if rest, err := io.ReadAll(r); err != nil || len(rest) != 0 {
		t.Errorf("after the end: %q, %v", rest, err)
	}
	whole := s.open("/builds/"+job.BuildID+"/log?follow=true", "Range", "bytes=4-")
	if text, err := io.ReadAll(whole.Body); err != nil || string(text) != "two\n" {
		t.Errorf("following a finished log from byte 4: %q, %v", text, err)
	}
}

func (s *server) append(job api.Job, offset int64, text string) {
	s.t.Helper()
	_, err := s.logs.Append(s.attempt(job), offset, strings.NewReader(text))
	s.must(err)
}

// attempt gives the id of a job's attempt.
func (s *server) attempt(job api.Job) buildbtw.AttemptName {
	s.t.Helper()
	row, err := s.store.Lease(s.t.Context(), job.Lease)
	s.must(err)
	return row.Attempt.Name()
}

func wantLine(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()
	if got, err := r.ReadString('\n'); got != want {
		t.Fatalf("line %q, %v; want %q", got, err, want)
	}
}

// Whatever waits ends when the server stops, so that stopping does not wait.
func TestShutdownEndsEverythingThatWaits(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	job := s.claim()
	s.append(job, 0, "one\n")
	events := s.open("/events", "Accept", "text/event-stream")
	log := s.open("/builds/" + job.BuildID + "/log?follow=true")
	wantLine(t, bufio.NewReader(log.Body), "one\n")
	claimed := make(chan int, 1)
	go func() {
		r := claimRequest("w2")
		r.Wait = api.MaxWait
		answer, err := http.DefaultClient.Do(s.request("POST", "/worker/claim", jsonBody(t, r)))
		if err != nil {
			t.Error(err)
			claimed <- 0
			return
		}
		answer.Body.Close()
		claimed <- answer.StatusCode
	}()
	s.untilWorkerSeen("w2")

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- s.app.Shutdown(ctx) }()
	if status := <-claimed; status != http.StatusNoContent {
		t.Errorf("the waiting claim got %d, want 204", status)
	}
	if _, err := io.Copy(io.Discard, events.Body); err != nil && ctx.Err() != nil {
		t.Errorf("the event stream did not end: %v", err)
	}
	if _, err := io.Copy(io.Discard, log.Body); err == nil {
		t.Error("the log of a running attempt ended as if it were whole")
	}
	if err := <-stopped; err != nil {
		t.Errorf("shutdown: %v", err)
	}
}

// A machine that leaves while it waits for a build does not hold its place, and is
// given none.
func TestAClaimEndsWithItsClient(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan struct{})
	go func() {
		defer close(left)
		r := claimRequest("w2")
		r.Wait = api.MaxWait
		c, err := api.New(s.url, workerToken, api.Options{})
		if err != nil {
			t.Error(err)
			return
		}
		if _, _, err := c.Claim(ctx, r); err == nil {
			t.Error("the claim was answered")
		}
	}()
	s.untilWorkerSeen("w2")
	leave()
	<-left
	s.until("the server notices", func() bool {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/metrics", nil)
		s.must(err)
		return strings.Contains(string(s.do(r).body), `buildbtw_http_requests_total{method="POST",route="/api/v1/worker/claim",status="204"} 1`)
	})
	s.space("work", "libalpha")
	var build api.Page[api.Build]
	s.call("GET", "/builds?buildspace=work", nil, 200, &build)
	if got := build.Items[0].Status; got != buildbtw.StatusPending {
		t.Errorf("the build is %s, want pending", got)
	}
}

// untilWorkerSeen waits until a worker's claim has been looked at.
func (s *server) untilWorkerSeen(name string) {
	s.t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for deadline := time.After(patience); ; {
		workers, err := s.store.Workers(s.t.Context())
		s.must(err)
		for _, w := range workers {
			if w.Name == name {
				return
			}
		}
		select {
		case <-look.C:
		case <-deadline:
			s.t.Fatalf("worker %s never asked", name)
		}
	}
}
