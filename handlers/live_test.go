package handlers_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"buildbtw/store/storetest"
)

// hintStream is a browser's stream of hints.
type hintStream struct {
	answer *http.Response
	lines  *bufio.Scanner
}

func (s *site) hints(t *testing.T, query string) *hintStream {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/hints?"+query, nil)
	must(t, err)
	answer, err := http.DefaultClient.Do(r)
	must(t, err)
	t.Cleanup(func() { _ = answer.Body.Close() })
	return &hintStream{answer, bufio.NewScanner(answer.Body)}
}

// next is the topics of the next hint, and its number; empty at the end.
func (h *hintStream) next() (topics, number string) {
	for h.lines.Scan() {
		if id, ok := strings.CutPrefix(h.lines.Text(), "id: "); ok {
			number = id
		}
		if data, ok := strings.CutPrefix(h.lines.Text(), "data: "); ok {
			return data, number
		}
	}
	return "", number
}

// since is the number from which on hints are news to a page.
func (s *site) since(t *testing.T, path string) string {
	t.Helper()
	return s.get(t, path).Find("#live").AttrOr("data-since", "")
}

func TestAHintNamesTheTopicThatChanged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	app, _ := s.failing(t)
	other := s.db.NewBuildspace(t, "other")
	build := "build/" + strconv.FormatInt(app.ID, 10)
	stream := s.hints(t, "topic=buildspace/other&topic="+build+"&topic=log/7&since="+s.since(t, "/"))
	for name, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"} {
		if got := stream.answer.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	s.db.Iterate(t, other, storetest.Plan("x"))
	if topics, _ := stream.next(); topics != "buildspace/other" {
		t.Errorf("a new iteration: hint about %q", topics)
	}
	_, err := s.db.RetryBuild(t.Context(), "anna", app.ID)
	must(t, err)
	topics, number := stream.next()
	if topics != build {
		t.Errorf("a retry: hint about %q", topics)
	}

	// Who connects again is told what happened in between, and only that.
	again := s.hints(t, "topic=buildspace/other&topic="+build+"&since="+number)
	s.db.Iterate(t, other, storetest.Plan("x", "y"))
	if topics, _ := again.next(); topics != "buildspace/other" {
		t.Errorf("after connecting again: hint about %q", topics)
	}
}

func TestALogThatGrowsIsAHint(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	path, c := s.running(t, "first\n")
	log := path + "/log?attempt=1"
	page := s.get(t, log).Find("#live")
	stream := s.hints(t, "topic=log/"+strconv.FormatInt(c.Build.ID, 10)+"&since="+page.AttrOr("data-since", ""))
	s.append(t, c, 6, "second\n")
	if topics, _ := stream.next(); topics != "log/"+strconv.FormatInt(c.Build.ID, 10) {
		t.Errorf("hint about %q", topics)
	}
	poll := s.poll(t, page.AttrOr("hx-get", ""), page.AttrOr("data-tag", ""))
	if got := strings.Join(partsOf(poll), " "); got != "#mood head length" { // the head has the size
		t.Errorf("parts: %s", got)
	}
	if lines := poll.Find("#log-length").AttrOr("data-lines", ""); lines != "2" {
		t.Errorf("%s lines", lines)
	}
}

func TestStreamsOfHintsEndWithTheServer(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	stream := s.hints(t, "topic=all&since="+s.since(t, "/"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	must(t, s.app.Shutdown(ctx))
	if _, err := io.ReadAll(stream.answer.Body); err != nil {
		t.Errorf("the stream broke off: %v", err)
	}
}

func TestWhatToWatchIsNamed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.get(t, "/hints").wantsStatus(t, http.StatusUnprocessableEntity)
	if policy := s.get(t, "/").header.Get("Content-Security-Policy"); !strings.Contains(policy, "worker-src 'self'") {
		t.Errorf("the policy forbids the shared worker: %s", policy)
	}
}
