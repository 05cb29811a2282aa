package apiv1_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/api"
)

func TestALogIsReadByLines(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	job := s.claim()
	var text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&text, "\x1b[32mline\x1b[0m %d\n", i+1)
	}
	s.append(job, 0, text.String()+"==> ERROR: <no>")
	log := "/builds/" + job.BuildID + "/log"
	for query, want := range map[string]string{
		"": "802-1001", "?from=10&limit=5": "10-14", "?before=10&limit=5": "5-9", "?from=999": "999-1001", "?before=3": "1-2", "?from=5000": "",
	} {
		var w api.LogLines
		s.call("GET", log+"/lines"+query, nil, 200, &w)
		got := ""
		if n := len(w.Lines); n > 0 {
			got = fmt.Sprintf("%d-%d", w.Lines[0].Line, w.Lines[n-1].Line)
		}
		if got != want || w.Total != 1001 {
			t.Errorf("%s gives %s of %d, want %s", query, got, w.Total, want)
		}
		if query == "?from=999" && (w.Lines[0].Text != "line 999" || w.Lines[0].Size != int64(len("\x1b[32mline\x1b[0m 999"))) {
			t.Errorf("line 999 is %+v", w.Lines[0])
		}
	}
	var state api.LogState
	s.call("GET", log+"/state", nil, 200, &state)
	if !state.Running || state.Lines != 1001 || state.ErrorsFound != 1 || len(state.Errors) != 1 {
		t.Fatalf("state %+v", state)
	}
	if m := state.Errors[0]; m.Line != 1001 || m.Kind != "makepkg" || m.Text != "==> ERROR: <no>" {
		t.Errorf("error %+v", m)
	}
	for _, wrong := range []string{"/lines?from=x", "/lines?limit=501", "/lines?before=-1", "/search", "/search?q=(&regexp=true", "/search?q=x&case=perhaps"} {
		s.call("GET", log+wrong, nil, 422, nil)
	}
	s.call("GET", log+"/state?attempt=7", nil, 404, nil)
}

func TestALogIsSearchedToItsEnd(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	job := s.claim()
	s.append(job, 0, strings.Repeat("needle\nhay\n", 300))
	found := 0
	for from := int64(1); from != 0; {
		var hits api.LogHits
		s.call("GET", fmt.Sprintf("/builds/%s/log/search?q=NEEDLE&from=%d&limit=70", job.BuildID, from), nil, 200, &hits)
		for _, h := range hits.Hits {
			found++
			if h.Line != int64(2*found-1) || h.Text[h.From:h.To] != "needle" {
				t.Fatalf("hit %d is %+v", found, h)
			}
		}
		from = hits.Next
	}
	if found != 300 {
		t.Errorf("%d hits", found)
	}
}

// nextState reads the next state of a stream.
func nextState(t *testing.T, lines *bufio.Scanner) (s api.LogState) {
	t.Helper()
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			if err := json.Unmarshal([]byte(data), &s); err != nil {
				t.Fatal(err)
			}
			return s
		}
	}
	t.Fatalf("the stream ended: %v", lines.Err())
	return s
}

func TestTheStateOfALogComesAsItGrowsAndEndsWithTheAttempt(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	job := s.claim()
	s.append(job, 0, "one\n")
	stream := s.open("/builds/"+job.BuildID+"/log/state", "Accept", "text/event-stream")
	if got := stream.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("content type %q", got)
	}
	lines := bufio.NewScanner(stream.Body)
	if state := nextState(t, lines); state.Lines != 1 || !state.Running {
		t.Errorf("first %+v", state)
	}
	s.append(job, 4, "two error: three\n")
	state := nextState(t, lines)
	for state.ErrorsFound == 0 {
		state = nextState(t, lines)
	}
	if state.Lines != 2 || state.ErrorsFound != 1 || len(state.Errors) != 0 {
		t.Errorf("then %+v", state)
	}
	s.call("POST", lease(job, "finish"), api.FinishRequest{Outcome: buildbtw.OutcomeFailed, Reason: "on purpose"}, 200, nil)
	if state := nextState(t, lines); state.Running {
		t.Errorf("at the end %+v", state)
	}
	for lines.Scan() {
		if lines.Text() != "" {
			t.Errorf("after the end: %q", lines.Text())
		}
	}
	again := s.open("/builds/"+job.BuildID+"/log/state", "Accept", "text/event-stream")
	if text, err := io.ReadAll(again.Body); err != nil || strings.Count(string(text), "data: ") != 1 {
		t.Errorf("of an attempt that has ended: %q, %v", text, err)
	}
}

// It counts the goroutines of the process, so it does not run beside others.
// streams returns the number of goroutines that write streams, two each.
func streams() int {
	var stacks strings.Builder
	_ = pprof.Lookup("goroutine").WriteTo(&stacks, 2)
	return strings.Count(stacks.String(), "created by buildbtw/handlers/transfer.SendStream")
}

func TestStreamsOfStatesEndWithTheServerAndWithTheirReaders(t *testing.T) {
	s := newServer(t)
	s.space("work", "libalpha")
	job := s.claim()
	for range 20 { // they leave after a word
		r := s.request("GET", "/builds/"+job.BuildID+"/log/state", nil)
		ctx, cancel := context.WithCancel(t.Context())
		r.Header.Set("Accept", "text/event-stream")
		answer, err := http.DefaultClient.Do(r.WithContext(ctx))
		s.must(err)
		if _, err := answer.Body.Read(make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		cancel()
		answer.Body.Close()
	}
	// They are noticed although the log does not grow.
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for deadline := time.After(patience); streams() > 0; {
		select {
		case <-look.C:
		case <-deadline:
			t.Fatalf("%d goroutines of streams go on", streams())
		}
	}
	stay := s.open("/builds/"+job.BuildID+"/log/state", "Accept", "text/event-stream")
	nextState(t, bufio.NewScanner(stay.Body))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- s.app.Shutdown(ctx) }()
	if _, err := io.Copy(io.Discard, stay.Body); err != nil && ctx.Err() != nil {
		t.Errorf("the stream did not end: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("shutdown: %v", err)
	}
}
