package apiv1_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/handlers"
	"buildbtw/runners"
	"buildbtw/runners/fake"
)

// build makes the packages of a job for real, by file name.
func (s *server) build(job api.Job) map[string][]byte {
	s.t.Helper()
	dir := s.t.TempDir()
	j := runners.Job{Job: job, Tree: filepath.Join(dir, "tree"), Output: filepath.Join(dir, "out"), Work: filepath.Join(dir, "work")}
	for _, d := range []string{j.Tree, j.Output, j.Work} {
		s.must(os.Mkdir(d, 0o755))
	}
	if wish, err := os.ReadFile(filepath.Join(s.sources, job.Pkgbase, ".fake")); err == nil {
		s.must(os.WriteFile(filepath.Join(j.Tree, ".fake"), wish, 0o644))
	}
	if r := (fake.Runner{}).Build(s.t.Context(), j, io.Discard); r.Outcome != buildbtw.OutcomeBuilt {
		s.t.Fatalf("build %s: %+v", job.Pkgbase, r)
	}
	entries, err := os.ReadDir(j.Output)
	s.must(err)
	files := map[string][]byte{}
	for _, e := range entries {
		files[e.Name()], err = os.ReadFile(filepath.Join(j.Output, e.Name()))
		s.must(err)
	}
	return files
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func lease(job api.Job, rest string) string { return "/worker/leases/" + job.Lease + "/" + rest }

// upload sends one package under a digest.
func (s *server) upload(job api.Job, name string, body []byte, sha string) answer {
	s.t.Helper()
	r := s.request("PUT", lease(job, "packages/"+name), bytes.NewReader(body))
	r.Header.Set(api.HeaderSHA256, sha)
	return s.do(r)
}

// finishBuilt builds, uploads and finishes a job.
func (s *server) finishBuilt(job api.Job) {
	s.t.Helper()
	s.finishAfterNamcap(job, nil)
}

// finishAfterNamcap also reports what namcap wrote; nil: it was not run.
func (s *server) finishAfterNamcap(job api.Job, namcap *api.Namcap) {
	s.t.Helper()
	var files []api.File
	for name, body := range s.build(job) {
		if got := s.upload(job, name, body, digest(body)); got.StatusCode != http.StatusCreated {
			s.t.Fatalf("upload %s: %s\n%s", name, got.Status, got.body)
		}
		files = append(files, api.File{Name: name, SHA256: digest(body)})
	}
	var done api.FinishAnswer
	s.call("POST", lease(job, "finish"), api.FinishRequest{Outcome: buildbtw.OutcomeBuilt, Files: files, Namcap: namcap}, http.StatusOK, &done)
	if done.Status != buildbtw.StatusBuilt {
		s.t.Fatalf("finished as %s", done.Status)
	}
}

func TestWorkerBuildsInOrderUntilEverythingIsBuilt(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	var order []string
	for range 2 {
		job := s.claim()
		order = append(order, job.Pkgbase)
		s.finishBuilt(job)
	}
	if want := []string{"libalpha", "beta"}; !slices.Equal(order, want) {
		t.Errorf("built %v, want %v", order, want)
	}
	var it api.Iteration
	s.call("GET", "/buildspaces/work/iterations/latest", nil, http.StatusOK, &it)
	if it.Status != buildbtw.IterationStatusBuilt || it.Total != 2 {
		t.Errorf("iteration: %+v", it)
	}
	if got := s.call("POST", "/worker/claim", claimRequest("w1"), http.StatusNoContent, nil); len(got.body) != 0 {
		t.Errorf("204 with a body: %q", got.body)
	}
}

func TestJobTellsAllThatAWorkerNeeds(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	job := s.claim()
	if job.Lease == "" || job.Pkgbase != "libalpha" || job.Architecture != "x86_64" || job.Version != "1.0-1" || job.Attempt != 1 ||
		job.LeaseSeconds != 60 || job.Heartbeat <= 0 || job.Heartbeat > 30 || job.SourceDate == 0 || len(job.Commit) != 40 ||
		!strings.HasPrefix(job.Srcinfo, "pkgbase = libalpha\n") || !slices.Equal(job.Pkgnames, []string{"libalpha"}) {
		t.Errorf("job: %+v", job)
	}
	if want := (api.Repository{Name: "work", URL: s.url + "/repo/work_1/os/x86_64"}); job.Repository != want {
		t.Errorf("repository %+v, want %+v", job.Repository, want)
	}
	again := s.claim() // the same worker and slot
	if again.Lease != job.Lease {
		t.Error("the same worker asking again got another lease")
	}
}

func TestRefusedClaims(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for name, change := range map[string]func(*api.ClaimRequest){
		"wrong architecture": func(r *api.ClaimRequest) { r.Architectures = []string{"riscv64"} },
		"no architecture":    func(r *api.ClaimRequest) { r.Architectures = nil },
		"any":                func(r *api.ClaimRequest) { r.Architectures = []string{"x86_64", "any"} },
		"no runner":          func(r *api.ClaimRequest) { r.Runners = nil },
		"no name":            func(r *api.ClaimRequest) { r.Worker = "" },
		"a path as name":     func(r *api.ClaimRequest) { r.Worker = "../w" },
		"waiting too long":   func(r *api.ClaimRequest) { r.Wait = 3600 },
		"negative slot":      func(r *api.ClaimRequest) { r.Slot = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			r := claimRequest("w1")
			change(&r)
			s.wantProblem(s.call("POST", "/worker/claim", r, http.StatusUnprocessableEntity, nil), http.StatusUnprocessableEntity)
		})
	}
}

// A claim that waits gets the build as soon as there is one.
func TestWaitingClaimIsWokenByWork(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	r := claimRequest("w1")
	r.Wait = api.MaxWait
	got := make(chan api.Job)
	go func() {
		client, err := api.New(s.url, workerToken, api.Options{})
		if err != nil {
			t.Error(err)
		}
		job, _, err := client.Claim(t.Context(), r)
		if err != nil || job == nil {
			t.Errorf("claim: %v, %v", job, err)
			job = &api.Job{}
		}
		got <- *job
	}()
	s.space("work", "libalpha")
	select {
	case job := <-got:
		if job.Pkgbase != "libalpha" {
			t.Errorf("job: %+v", job)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the waiting claim was not answered")
	}
}

func TestWorkersPresentTheirToken(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	body, err := json.Marshal(claimRequest("w1"))
	s.must(err)
	for token, want := range map[string]int{"": 401, "Bearer wrong": 401, "Basic " + workerToken: 401, "Bearer " + workerToken: 204} {
		r := s.request("POST", "/worker/claim", bytes.NewReader(body))
		r.Header.Set("Authorization", token)
		if got := s.do(r); got.StatusCode != want {
			t.Errorf("with %q: %s, want %d", token, got.Status, want)
		}
	}
	r := s.request("POST", "/buildspaces", strings.NewReader(`{"changesets":["beta"]}`))
	r.Header.Set("Authorization", "Bearer "+workerToken)
	s.wantProblem(s.do(r), http.StatusForbidden) // a worker is no packager
}

func TestLogChunksByOffset(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	job := s.claim()
	send := func(offset, chunk string) answer {
		r := s.request("PATCH", lease(job, "log"), strings.NewReader(chunk))
		if offset != "" {
			r.Header.Set(api.HeaderOffset, offset)
		}
		return s.do(r)
	}
	for _, step := range []struct {
		offset, chunk string
		status        int
		end           int64
	}{
		{"0", "first\n", 200, 6},
		{"6", "second\n", 200, 13},
		{"6", "second\n", 200, 13}, // its answer was lost
		{"100", "gap", 409, 13},
	} {
		got := send(step.offset, step.chunk)
		if got.StatusCode != step.status {
			t.Fatalf("chunk at %s: %s\n%s", step.offset, got.Status, got.body)
		}
		var end struct{ Offset *int64 }
		s.must(json.Unmarshal(got.body, &end))
		if end.Offset == nil || *end.Offset != step.end {
			t.Errorf("chunk at %s: %s, want offset %d", step.offset, got.body, step.end)
		}
	}
	s.wantProblem(send("", "x"), 422, api.HeaderOffset)
	s.wantProblem(send("-1", "x"), 422, api.HeaderOffset)
	s.wantProblem(send("13", strings.Repeat("x", api.MaxLogChunk+1)), 413)
	if got := s.call("GET", "/builds/"+job.BuildID+"/log", nil, 200, nil); string(got.body) != "first\nsecond\n" {
		t.Errorf("log: %q", got.body)
	}
	r := s.request("GET", "/builds/"+job.BuildID+"/log?attempt=1", nil)
	r.Header.Set("Range", "bytes=-7")
	if got := s.do(r); got.StatusCode != http.StatusPartialContent || string(got.body) != "second\n" {
		t.Errorf("range: %s %q", got.Status, got.body)
	}
	s.wantProblem(s.call("GET", "/builds/"+job.BuildID+"/log?attempt=2", nil, 404, nil), 404, "attempt 2")
}

func TestUploadsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	s.space("other", "gamma")
	job, foreign := s.claim(), api.Job{}
	s.call("POST", "/worker/claim", claimRequest("w2"), 200, &foreign)
	if job.Pkgbase != "libalpha" {
		job, foreign = foreign, job
	}
	var name string
	var body []byte
	for name, body = range s.build(job) {
	}
	for foreignName, foreignBody := range s.build(foreign) {
		s.wantProblem(s.upload(job, foreignName, foreignBody, digest(foreignBody)), 422, "gamma")
	}
	s.wantProblem(s.upload(job, name, body, digest([]byte("other"))), 422, "digest")
	s.wantProblem(s.upload(job, name, body, "short"), 422, "SHA-256")
	s.wantProblem(s.upload(job, "libalpha-9.9-1-x86_64.pkg.tar.zst", body, digest(body)), 422)
	s.wantProblem(s.upload(job, "libalpha-1.0-1-any.pkg.tar.zst", body, digest(body)), 422)
	s.wantProblem(s.upload(job, "..%2f..%2fescape.pkg.tar.zst", body, digest(body)), 422)
	s.wantProblem(s.upload(job, name, body[:len(body)/2], digest(body)), 422)
	half := body[:len(body)/2]
	s.wantProblem(s.upload(job, name, half, digest(half)), 422) // the digest is right, the package is not
	s.wantProblem(s.upload(api.Job{Lease: "nosuch"}, name, body, digest(body)), 409)

	if got := s.upload(job, name, body, digest(body)); got.StatusCode != http.StatusCreated {
		t.Errorf("first time: %s\n%s", got.Status, got.body)
	}
	if got := s.upload(job, name, body, digest(body)); got.StatusCode != http.StatusOK {
		t.Errorf("second time: %s\n%s", got.Status, got.body)
	}
}

// An upload that breaks off leaves nothing behind and can be repeated.
func TestBrokenOffUploadIsRepeated(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	job := s.claim()
	for name, body := range s.build(job) {
		ctx, cancel := context.WithCancel(t.Context())
		r, w := io.Pipe()
		request := s.request("PUT", lease(job, "packages/"+name), r).WithContext(ctx)
		request.ContentLength = int64(len(body))
		request.Header.Set(api.HeaderSHA256, digest(body))
		go func() {
			_, _ = w.Write(body[:len(body)/2])
			cancel()
			w.CloseWithError(io.ErrUnexpectedEOF) // the client waits for whoever reads the body
		}()
		if response, err := http.DefaultClient.Do(request); err == nil {
			response.Body.Close()
			t.Fatalf("the cut off upload was answered with %s", response.Status)
		}
	}
	s.finishBuilt(job)
}

func TestFinishIsRefusedUntilItIsTrue(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	job := s.claim()
	var files []api.File
	for name, body := range s.build(job) {
		files = append(files, api.File{Name: name, SHA256: digest(body)})
	}
	finish := func(r api.FinishRequest, status int) answer {
		return s.call("POST", lease(job, "finish"), r, status, nil)
	}
	s.wantProblem(finish(api.FinishRequest{Outcome: "splendid"}, 422), 422, "splendid")
	s.wantProblem(finish(api.FinishRequest{Outcome: buildbtw.OutcomeLost}, 422), 422)
	s.wantProblem(finish(api.FinishRequest{Outcome: buildbtw.OutcomeBuilt}, 422), 422)
	got := s.do(s.request("POST", lease(job, "finish"), jsonBody(t, api.FinishRequest{Outcome: buildbtw.OutcomeBuilt, Files: files})))
	if got.StatusCode != http.StatusUnprocessableEntity && got.StatusCode != http.StatusConflict {
		t.Errorf("finish without the upload: %s\n%s", got.Status, got.body)
	}
	s.finishBuilt(job)
	s.call("POST", lease(job, "finish"), api.FinishRequest{Outcome: buildbtw.OutcomeBuilt, Files: files}, http.StatusOK, nil) // its answer was lost
	s.wantProblem(s.call("POST", lease(job, "heartbeat"), nil, 409, nil), 409)
}

func jsonBody(t *testing.T, v any) io.Reader {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(text)
}

// What a machine reports with claims and heartbeats is shown; what no machine has is refused.
func TestWorkersReportTheirMachine(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	claim := claimRequest("w9")
	claim.Machine = &api.Machine{Load: -1, Cores: 8}
	s.wantProblem(s.call("POST", "/worker/claim", claim, http.StatusUnprocessableEntity, nil), http.StatusUnprocessableEntity)
	claim.Machine = nil
	var job api.Job
	s.call("POST", "/worker/claim", claim, http.StatusOK, &job)
	reported := func(name string) *api.Machine {
		t.Helper()
		var workers api.Page[api.Worker]
		s.call("GET", "/workers", nil, http.StatusOK, &workers)
		for _, w := range workers.Items {
			if w.Name == name {
				if (w.Machine == nil) != (w.MeasuredAt == nil) {
					t.Error("nobody knows when it was measured")
				}
				return w.Machine
			}
		}
		t.Fatalf("no worker %s", name)
		return nil
	}
	if got := reported("w9"); got != nil {
		t.Errorf("it has reported nothing, and is shown with %+v", got)
	}
	beat := api.HeartbeatRequest{Machine: &api.Machine{Load: 7.5, Cores: 8, MemoryTotal: 16 << 30, DiskTotal: 1 << 40}}
	s.call("POST", lease(job, "heartbeat"), beat, http.StatusOK, nil)
	if got := reported("w9"); got == nil || *got != *beat.Machine {
		t.Errorf("after the heartbeat: %+v", got)
	}
	other := claimRequest("w8")
	other.Machine = &api.Machine{Load: 0.5, Cores: 8, MemoryTotal: 16 << 30, MemoryFree: 9 << 30, DiskTotal: 1 << 40, DiskFree: 1 << 39}
	s.call("POST", "/worker/claim", other, http.StatusNoContent, nil) // a worker is known by then
	s.call("POST", "/worker/claim", other, http.StatusNoContent, nil)
	if got := reported("w8"); got == nil || *got != *other.Machine {
		t.Errorf("after a claim: %+v", got)
	}
	beat.Machine.DiskFree = 1 << 41
	s.wantProblem(s.call("POST", lease(job, "heartbeat"), beat, http.StatusUnprocessableEntity, nil), http.StatusUnprocessableEntity)
}

func TestCancelledBuildTellsTheWorkerToStop(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	job := s.claim()
	var beat api.HeartbeatAnswer
	s.call("POST", lease(job, "heartbeat"), nil, 200, &beat)
	if beat.Action != api.Continue {
		t.Errorf("heartbeat: %+v", beat)
	}
	s.call("POST", "/builds/"+job.BuildID+"/cancel", nil, 200, nil)
	got := s.do(s.request("POST", lease(job, "heartbeat"), nil))
	s.must(json.Unmarshal(got.body, &beat))
	if got.StatusCode != http.StatusConflict && (got.StatusCode != http.StatusOK || beat.Action != api.Stop) {
		t.Errorf("after the cancel: %s\n%s", got.Status, got.body)
	}
}

func TestSourceIsTheCommitsTree(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "gamma")
	job := s.claim()
	got := s.call("GET", lease(job, "source"), nil, 200, nil)
	if got.Header.Get("Content-Type") != "application/x-tar" || !bytes.Contains(got.body, []byte("pkgver() {")) {
		t.Errorf("%v, %d bytes", got.Header, len(got.body))
	}
}

// A PKGBUILD with pkgver() may give another version; others may not.
func TestVersionMayChangeOnlyByPkgver(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for source, status := range map[string]int{"gamma": http.StatusCreated, "beta": http.StatusUnprocessableEntity} {
		s.space(source, source)
		job := s.claim()
		for ; job.Pkgbase != source; job = s.claim() {
			s.finishBuilt(job)
		}
		other := job
		other.Version = "9.r2-1"
		for name, body := range s.build(other) {
			if got := s.upload(job, name, body, digest(body)); got.StatusCode != status {
				t.Errorf("%s: %s, want %d\n%s", name, got.Status, status, got.body)
			}
		}
		s.call("POST", lease(job, "finish"), api.FinishRequest{Outcome: buildbtw.OutcomeFailed, Reason: "done here"}, 200, nil)
	}
}

// TestALogSaysWhereAResumedAttemptBeginsAnew has a worker restarted in the middle
// of a build, and its claim repeated.
func TestALogSaysWhereAResumedAttemptBeginsAnew(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(d *handlers.Deps) {
		d.Now = func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }
	})
	s.space("work", "libalpha")
	job := s.claim()
	log := func() string {
		return string(s.call("GET", "/builds/"+job.BuildID+"/log", nil, 200, nil).body)
	}
	if s.claim(); log() != "" {
		t.Errorf("nothing was printed, but the log is %q", log())
	}
	s.append(job, 0, "first run\nhalf a li")
	const mark = "==> buildbtw: --- begun anew by w1 after its restart, 2026-03-01 12:00:00 UTC; what is above is of the run before ---\n"
	for range 2 { // the second time because an answer was lost
		if again := s.claim(); again.Lease != job.Lease {
			t.Fatalf("got %+v", again)
		}
		if want := "first run\nhalf a li\n" + mark; log() != want {
			t.Errorf("log %q, want %q", log(), want)
		}
	}
	s.append(job, int64(len(log())), "second run\n")
	s.claim()
	if want := "first run\nhalf a li\n" + mark + "second run\n" + mark; log() != want {
		t.Errorf("log %q, want %q", log(), want)
	}
}

// TestAnOlderServerTakesWhatANewerWorkerReports: what it does not know it leaves out, in each
// call of a worker that has a body. A person's call is refused for the same.
func TestAnOlderServerTakesWhatANewerWorkerReports(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	with := func(v any) map[string]any {
		t.Helper()
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		body := map[string]any{}
		if err := json.Unmarshal(text, &body); err != nil {
			t.Fatal(err)
		}
		body["of_the_future"] = map[string]int{"x": 1}
		return body
	}
	var job api.Job
	s.call("POST", "/worker/claim", with(claimRequest("w9")), http.StatusOK, &job)
	beat := api.HeartbeatRequest{Machine: &api.Machine{Load: 1, Cores: 8}}
	s.call("POST", lease(job, "heartbeat"), with(beat), http.StatusOK, nil)
	var answer api.FinishAnswer
	s.call("POST", lease(job, "finish"), with(api.FinishRequest{Outcome: buildbtw.OutcomeFailed, Reason: "no"}), http.StatusOK, &answer)
	if answer.Status != buildbtw.StatusFailed {
		t.Errorf("%+v", answer)
	}
	s.wantProblem(s.call("POST", "/plans", with(api.PlanRequest{}), http.StatusUnprocessableEntity, nil), http.StatusUnprocessableEntity)
}

// TestAnAttemptTellsHowLongItIsKept on its worker's machine, by the server's clock.
func TestAnAttemptTellsHowLongItIsKept(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	job := s.claim()
	request := api.FinishRequest{Outcome: buildbtw.OutcomeFailed, Reason: "no", KeptSeconds: -1}
	s.wantProblem(s.call("POST", lease(job, "finish"), request, http.StatusUnprocessableEntity, nil), http.StatusUnprocessableEntity)
	request.KeptSeconds = 3600
	s.call("POST", lease(job, "finish"), request, http.StatusOK, nil)
	var attempts api.Page[api.Attempt]
	s.call("GET", "/builds/"+job.BuildID+"/attempts", nil, http.StatusOK, &attempts)
	a := attempts.Items[0]
	if a.KeptUntil == nil || a.FinishedAt == nil || a.KeptUntil.Sub(*a.FinishedAt).Round(time.Minute) != time.Hour {
		t.Errorf("kept until %v, ended at %v", a.KeptUntil, a.FinishedAt)
	}
}
