package apiv1_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"buildbtw/api"
	"buildbtw/handlers"
)

// serveMachines opens a second listener, for build machines, and returns its address.
func serveMachines(t *testing.T) (*server, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + ln.Addr().String()
	s := newServer(t, func(d *handlers.Deps) { d.Settings.WorkersURL = url })
	served := make(chan error, 1)
	go func() { served <- s.app.ServeMachines(ln, nil) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		s.must(s.app.Shutdown(ctx))
		s.must(<-served)
	})
	return s, url
}

// Every route of the table is answered over the listeners that it is for, and no
// other.
func TestEachListenerAnswersItsOwnRoutes(t *testing.T) {
	t.Parallel()
	s, machines := serveMachines(t)
	var d document
	s.call("GET", "/openapi.json", nil, 200, &d)
	ask := func(base, method, path string) answer {
		path = regexp.MustCompile(`\{\w+\}`).ReplaceAllString(path, "1")
		r, err := http.NewRequestWithContext(t.Context(), strings.ToUpper(method), base+api.Prefix+path, nil)
		s.must(err)
		return s.do(r)
	}
	var forMachines []string
	for path, operations := range d.Paths {
		for method, o := range operations {
			overMachines, overPeople := ask(machines, method, path), ask(s.url, method, path)
			refusedThere := strings.Contains(string(overMachines.body), "this address is for build machines")
			refusedHere := strings.Contains(string(overPeople.body), "build machines of this server use "+machines)
			if refusedThere != (o.Listener == "people") || refusedThere && overMachines.StatusCode != http.StatusNotFound {
				t.Errorf("%s %s is for %s; over the listener of machines: %s", method, path, o.Listener, overMachines.body)
			}
			if refusedHere != (o.Listener == "machines") || refusedHere && overPeople.StatusCode != http.StatusForbidden {
				t.Errorf("%s %s is for %s; over the listener of people: %s", method, path, o.Listener, overPeople.body)
			}
			if strings.HasPrefix(path, "/worker/") != (o.Listener == "machines") {
				t.Errorf("%s %s is for %s", method, path, o.Listener)
			}
			if o.Listener == "all" {
				forMachines = append(forMachines, path)
			}
		}
	}
	slices.Sort(forMachines)
	if want := []string{"/builds/{id}", "/builds/{id}/source", "/health", "/me", "/ready"}; !slices.Equal(forMachines, want) {
		t.Errorf("build machines may also call %v, want %v", forMachines, want)
	}
	for _, path := range []string{"/", "/buildspaces", "/hints?topic=all", "/metrics", "/static/app.css", "/favicon.ico", "/nosuch"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, machines+path, nil)
		s.must(err)
		if got := s.do(r); got.StatusCode != http.StatusNotFound || !strings.Contains(string(got.body), "this address is for build machines") {
			t.Errorf("%s over the listener of machines: %s", path, got.Status)
		}
	}
}

// A job names the repository by an address that its machine reaches.
func TestAJobOverTheMachinesListener(t *testing.T) {
	t.Parallel()
	s, machines := serveMachines(t)
	s.space("work", "libalpha")
	c, err := api.New(machines, workerToken, api.Options{})
	s.must(err)
	r := claimRequest("w1")
	job, _, err := c.Claim(t.Context(), r)
	s.must(err)
	if job == nil || !strings.HasPrefix(job.Repository.URL, machines+"/repo/work_1/") {
		t.Fatalf("%+v", job)
	}
	answer, err := http.Get(job.Repository.URL + "/work.db")
	s.must(err)
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("its database: %s", answer.Status)
	}
}

// What one attempt may upload is bounded: how many files, and at the same time.
func TestUploadsOfAnAttemptAreBounded(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	job := s.claim()
	var name string
	var body []byte
	for name, body = range s.build(job) {
	}
	// Of five that do not come on four are held, and one is refused: which is not known.
	ended := make(chan int, 5) // their statuses; 0: no answer
	var stuck []*io.PipeWriter
	for i := range 5 {
		r, w := io.Pipe()
		stuck = append(stuck, w)
		request := s.request("PUT", lease(job, fmt.Sprintf("packages/libalpha%d-1.0-1-x86_64.pkg.tar.zst", i)), r)
		request.Header.Set(api.HeaderSHA256, digest([]byte{byte(i)}))
		go func() {
			answer, err := http.DefaultClient.Do(request)
			if err != nil {
				ended <- 0
				return
			}
			answer.Body.Close()
			ended <- answer.StatusCode
		}()
		_, _ = w.Write(body[:1]) // fails where it is refused before
	}
	if status := <-ended; status != http.StatusTooManyRequests {
		t.Fatalf("the fifth upload ended with %d", status)
	}
	s.wantProblem(s.upload(job, name, body, digest(body)), http.StatusTooManyRequests, "wait for some of them")
	for _, w := range stuck {
		w.CloseWithError(io.ErrUnexpectedEOF)
	}
	for range 4 {
		<-ended
	}
	s.until("an upload is taken", func() bool {
		return s.upload(job, name, body, digest(body)).StatusCode < 300
	})

	row, err := s.store.Lease(t.Context(), job.Lease)
	s.must(err)
	for i := range 999 {
		s.must(os.Mkdir(filepath.Join(filepath.Dir(s.sources), "staging", row.Attempt.Name().String(), digest(fmt.Append(nil, i))), 0o755))
	}
	other := append(slices.Clone(body), 0)
	s.wantProblem(s.upload(job, name, other, digest(other)), http.StatusRequestEntityTooLarge, "at most 1000")
	if got := s.upload(job, name, body, digest(body)); got.StatusCode != http.StatusOK {
		t.Errorf("the same again: %s\n%s", got.Status, got.body)
	}
}

func (s *server) until(what string, done func() bool) {
	s.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for over := time.After(patience); !done(); {
		select {
		case <-tick.C:
		case <-over:
			s.t.Fatalf("%s: not within %s", what, patience)
		}
	}
}
