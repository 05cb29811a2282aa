package apiv1_test

import (
	"net/http"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/api"
)

// How much memory a build took is kept with its attempt, and with the past builds of its
// package once it has ended for good.
func TestAnAttemptTellsItsMemory(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	job := s.claim()
	request := api.FinishRequest{Outcome: buildbtw.OutcomeFailed, Reason: "build() failed", Memory: -1}
	s.wantProblem(s.call("POST", lease(job, "finish"), request, http.StatusUnprocessableEntity, nil), http.StatusUnprocessableEntity, "memory")
	request.Memory = 3 << 30
	s.call("POST", lease(job, "finish"), request, http.StatusOK, nil)
	var attempts api.Page[api.Attempt]
	s.call("GET", "/builds/"+job.BuildID+"/attempts", nil, http.StatusOK, &attempts)
	if len(attempts.Items) != 1 || attempts.Items[0].Memory != 3<<30 {
		t.Errorf("%+v", attempts)
	}
	var p api.PackageInfo
	s.call("GET", "/packages/libalpha", nil, http.StatusOK, &p)
	if len(p.Past) != 1 || p.Past[0].ID != job.BuildID || p.Past[0].Memory != 3<<30 || p.Past[0].Status != buildbtw.StatusFailed {
		t.Errorf("%+v", p.Past)
	}
}

// What a worker took for granted is kept with the attempt, as far as it can be a name,
// and a mirror that does not answer has the build tried again.
func TestAnAttemptTellsWhatWasNotChecked(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	job := s.claim()
	names := []string{"no-such-thing", "", strings.Repeat("x", 300), "\xff", "b>=2"}
	request := api.FinishRequest{Outcome: buildbtw.OutcomeInfrastructure, Reason: "the server answered 503", Blameless: true, NotChecked: names}
	var answer api.FinishAnswer
	s.call("POST", lease(job, "finish"), request, http.StatusOK, &answer)
	var attempts api.Page[api.Attempt]
	s.call("GET", "/builds/"+job.BuildID+"/attempts", nil, http.StatusOK, &attempts)
	if answer.Status != buildbtw.StatusPending || len(attempts.Items) != 1 || strings.Join(attempts.Items[0].NotChecked, " ") != "no-such-thing b>=2" {
		t.Errorf("%+v, %+v", answer, attempts)
	}
}
