package apiv1_test

import (
	"net/http"
	"reflect"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/api"
)

// Leases are kept by the server's clock alone: a worker that is a day off, and
// says so in the only place where HTTP has room for it, works like any other.
func TestWorkerWhoseClockIsADayOff(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		s := newServer(t)
		s.space("work", "libalpha")
		job := s.claim()
		before := time.Now()
		beat := s.request("POST", lease(job, "heartbeat"), nil)
		beat.Header.Set("Date", before.Add(off).UTC().Format(http.TimeFormat))
		if got := s.do(beat); got.StatusCode != http.StatusOK {
			t.Errorf("heartbeat of a clock %v off: %s", off, got.Status)
		}
		row, err := s.store.Lease(t.Context(), job.Lease)
		s.must(err)
		left := row.Attempt.Deadline.Sub(before)
		if left < 59*time.Second || left > 2*time.Minute || row.Attempt.HeartbeatAt.Sub(before).Abs() > time.Minute {
			t.Errorf("a clock %v off: the lease has %v left, heard of at %v", off, left, row.Attempt.HeartbeatAt)
		}
		s.finishBuilt(job)
	}
}

// Nor is there a time in anything else that a worker says, and what it is told
// are durations.
func TestWorkersAndServerExchangeNoTimes(t *testing.T) {
	t.Parallel()
	for _, message := range []any{api.ClaimRequest{}, api.Job{}, api.HeartbeatAnswer{}, api.LogAnswer{}, api.FinishRequest{}, api.FinishAnswer{}} {
		kind := reflect.TypeOf(message)
		for i := range kind.NumField() {
			if f := kind.Field(i); f.Type == reflect.TypeFor[time.Time]() || f.Type == reflect.TypeFor[*time.Time]() {
				t.Errorf("%s.%s is a time: whose clock is it of?", kind, f.Name)
			}
		}
	}
}

// A worker that has lost its build to another one can neither end nor change
// what the other one does.
func TestFinishByAnotherWorkerIsRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	first := s.claim()
	s.call("POST", lease(first, "finish"), api.FinishRequest{Outcome: buildbtw.OutcomeReleased, Reason: "shutting down"}, http.StatusOK, nil)
	var second api.Job
	s.call("POST", "/worker/claim", claimRequest("w2"), http.StatusOK, &second)
	if second.BuildID != first.BuildID || second.Lease == first.Lease {
		t.Fatalf("w2 got build %s instead of %s", second.BuildID, first.BuildID)
	}
	for name, body := range s.build(first) {
		s.wantProblem(s.upload(first, name, body, digest(body)), http.StatusConflict, "lease")
		built := api.FinishRequest{Outcome: buildbtw.OutcomeBuilt, Files: []api.File{{Name: name, SHA256: digest(body)}}}
		s.wantProblem(s.call("POST", lease(first, "finish"), built, http.StatusConflict, nil), http.StatusConflict)
	}
	failed := api.FinishRequest{Outcome: buildbtw.OutcomeFailed, Reason: "build() failed"}
	s.wantProblem(s.call("POST", lease(first, "finish"), failed, http.StatusConflict, nil), http.StatusConflict)
	s.wantProblem(s.call("POST", lease(first, "heartbeat"), nil, http.StatusConflict, nil), http.StatusConflict)
	s.finishBuilt(second)
}
