package runners_test

import (
	"archive/tar"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/api"
)

// server plays the worker's part of the JSON API. What it knows outlives a
// restart.
type server struct {
	t       *testing.T
	address string
	http    *http.Server

	mu      sync.Mutex
	changed chan struct{} // closed and made anew at every change
	waiting []api.Job
	leases  map[string]*lease
	claims  []api.ClaimRequest
	failed  int // calls that a worker will repeat

	// fault may answer a request in the server's place, before or instead of
	// handle, which does what the request asks for.
	fault func(w http.ResponseWriter, r *http.Request, handle http.HandlerFunc)
}

// lease is what the server knows of one attempt.
type lease struct {
	job      api.Job
	slot     int
	worker   string
	source   []byte
	log      []byte
	packages map[string][]byte
	beats    int
	stop     string             // answer heartbeats with stop and this reason
	over     bool               // lost or superseded
	finished *api.FinishRequest // the first that came
	finishes int                // how many were taken
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, changed: make(chan struct{}), leases: map[string]*lease{}}
	s.start("127.0.0.1:0")
	t.Cleanup(func() { s.http.Close() })
	return s
}

// start listens; after kill it takes the same address again.
func (s *server) start(address string) {
	s.t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.address = listener.Addr().String()
	s.http = &http.Server{Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: time.Minute}
	go s.http.Serve(listener)
}

// kill ends the server as SIGKILL would: connections break.
func (s *server) kill() { s.http.Close() }

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	mux := http.NewServeMux()
	const leases = api.Prefix + "/worker/leases/{lease}/"
	mux.HandleFunc("POST "+api.Prefix+"/worker/claim", s.claim)
	mux.HandleFunc("POST "+leases+"heartbeat", s.heartbeat)
	mux.HandleFunc("PATCH "+leases+"log", s.appendLog)
	mux.HandleFunc("PUT "+leases+"packages/{file}", s.upload)
	mux.HandleFunc("GET "+leases+"source", s.source)
	mux.HandleFunc("POST "+leases+"finish", s.finish)
	s.mu.Lock()
	fault := s.fault
	s.mu.Unlock()
	if fault != nil {
		fault(w, r, mux.ServeHTTP)
		return
	}
	mux.ServeHTTP(w, r)
}

func (s *server) setFault(f func(http.ResponseWriter, *http.Request, http.HandlerFunc)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// change runs f with the state and wakes those who wait.
func (s *server) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	close(s.changed)
	s.changed = make(chan struct{})
}

// patience bounds a wait for what must come; machines may be busy.
const patience = 5 * time.Minute

// until waits for a condition on the state.
func (s *server) until(what string, ok func() bool) {
	s.t.Helper()
	deadline := time.After(patience)
	for {
		s.mu.Lock()
		done, changed := ok(), s.changed
		s.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			s.t.Fatalf("waited in vain for %s", what)
		}
	}
}

func problem(w http.ResponseWriter, err error, offset *int64) {
	kind := buildbtw.KindOf(err)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(kind.HTTPStatus())
	json.NewEncoder(w).Encode(api.Problem{Type: api.ProblemType + string(kind), Status: kind.HTTPStatus(), Detail: err.Error(), Offset: offset})
}

func (s *server) claim(w http.ResponseWriter, r *http.Request) {
	var request api.ClaimRequest
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		problem(w, buildbtw.Invalid("%v", err), nil)
		return
	}
	s.change(func() { s.claims = append(s.claims, request) })
	deadline := time.After(time.Duration(request.Wait) * time.Second)
	for {
		s.mu.Lock()
		job, changed := s.take(request), s.changed
		s.mu.Unlock()
		if job != nil {
			json.NewEncoder(w).Encode(job)
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		case <-deadline:
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
}

// take gives the same worker and slot its unfinished build again.
func (s *server) take(request api.ClaimRequest) *api.Job {
	for _, name := range slices.Sorted(maps.Keys(s.leases)) {
		l := s.leases[name]
		if l.worker == request.Worker && l.slot == request.Slot && l.finished == nil && !l.over {
			return &l.job
		}
	}
	if len(s.waiting) == 0 {
		return nil
	}
	job := s.waiting[0]
	s.waiting = s.waiting[1:]
	l := s.leases[job.Lease]
	l.worker, l.slot = request.Worker, request.Slot
	return &job
}

// running gives the lease of a request, unless it is over. It needs mu.
func (s *server) running(r *http.Request) (*lease, error) {
	l := s.leases[r.PathValue("lease")]
	if l == nil || l.over || l.finished != nil {
		return nil, buildbtw.Conflict("the lease is over")
	}
	return l, nil
}

func (s *server) heartbeat(w http.ResponseWriter, r *http.Request) {
	s.change(func() {
		l, err := s.running(r)
		if err != nil {
			problem(w, err, nil)
			return
		}
		l.beats++
		answer := api.HeartbeatAnswer{Action: api.Continue}
		if l.stop != "" {
			answer = api.HeartbeatAnswer{Action: api.Stop, Reason: l.stop}
		}
		json.NewEncoder(w).Encode(answer)
	})
}

func (s *server) appendLog(w http.ResponseWriter, r *http.Request) {
	offset, err := strconv.ParseInt(r.Header.Get(api.HeaderOffset), 10, 64)
	body, readErr := io.ReadAll(r.Body)
	if err != nil || len(body) > api.MaxLogChunk {
		problem(w, buildbtw.Invalid("offset %v, %d bytes", err, len(body)), nil)
		return
	}
	s.change(func() {
		l, err := s.running(r)
		if err != nil {
			problem(w, err, nil)
			return
		}
		end := int64(len(l.log))
		repeated := offset <= end && offset+int64(len(body)) <= end && bytes.Equal(l.log[offset:offset+int64(len(body))], body)
		switch {
		case offset == end: // also what came of a torn chunk is kept
			l.log = append(l.log, body...)
		case !repeated || len(body) == 0:
			problem(w, buildbtw.Conflict("the log ends at %d", end), &end)
			return
		}
		if readErr == nil {
			json.NewEncoder(w).Encode(api.LogAnswer{Offset: int64(len(l.log))})
		}
	})
}

func (s *server) upload(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	digest := sha256.Sum256(body)
	s.change(func() {
		l, leaseErr := s.running(r)
		switch {
		case leaseErr != nil:
			problem(w, leaseErr, nil)
		case err != nil || r.ContentLength != int64(len(body)):
			problem(w, buildbtw.Invalid("cut off"), nil)
		case hex.EncodeToString(digest[:]) != r.Header.Get(api.HeaderSHA256):
			problem(w, buildbtw.Invalid("wrong digest"), nil)
		case l.packages[r.PathValue("file")] != nil:
			w.WriteHeader(http.StatusOK)
		default:
			l.packages[r.PathValue("file")] = body
			w.WriteHeader(http.StatusCreated)
		}
	})
}

func (s *server) source(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	l, err := s.running(r)
	s.mu.Unlock()
	if err != nil {
		problem(w, err, nil)
		return
	}
	w.Write(l.source)
}

func (s *server) finish(w http.ResponseWriter, r *http.Request) {
	var request api.FinishRequest
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		problem(w, buildbtw.Invalid("%v", err), nil)
		return
	}
	s.change(func() {
		l := s.leases[r.PathValue("lease")]
		if l == nil || l.over {
			problem(w, buildbtw.Conflict("the lease is over"), nil)
			return
		}
		l.finishes++
		if l.finished == nil {
			l.finished = &request
		}
		json.NewEncoder(w).Encode(api.FinishAnswer{Status: buildbtw.Status(l.finished.Outcome)})
	})
}

// task is a job to hand out: a source tree with what its .fake asks for.
type task struct {
	name    string
	fake    string
	tree    map[string]string // more files
	timeout float64           // seconds
}

const srcinfoFormat = "pkgbase = %[1]s\n\tpkgver = 1\n\tpkgrel = 1\n\tarch = x86_64\n\npkgname = %[1]s-a\n\npkgname = %[1]s-b\n"

// add hands a job out; it is known by its lease, which is "lease of NAME".
func (s *server) add(task task) *lease {
	s.t.Helper()
	files := map[string]string{"PKGBUILD": "# never run\n", ".fake": task.fake}
	maps.Copy(files, task.tree)
	l := &lease{packages: map[string][]byte{}, source: tarOf(s.t, files), job: api.Job{
		Lease: "lease of " + task.name, LeaseSeconds: 2, Heartbeat: 0.05, TimeoutSeconds: task.timeout,
		BuildID: task.name, Attempt: 1, Buildspace: "test", Iteration: 1,
		Pkgbase: task.name, Version: "1-1", Pkgnames: []string{task.name + "-a", task.name + "-b"}, Architecture: "x86_64",
		Stage: 1, SourceDate: 1_700_000_000, Srcinfo: fmt.Sprintf(srcinfoFormat, task.name),
	}}
	s.change(func() {
		s.leases[l.job.Lease] = l
		s.waiting = append(s.waiting, l.job)
	})
	return l
}

func tarOf(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// outcome waits for a lease's result.
func (s *server) outcome(l *lease) api.FinishRequest {
	s.t.Helper()
	s.until("the result of "+l.job.Pkgbase, func() bool { return l.finished != nil })
	s.mu.Lock()
	defer s.mu.Unlock()
	return *cmp.Or(l.finished, &api.FinishRequest{})
}
