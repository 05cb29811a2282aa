package apiv1_test

import (
	"net/http"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/api"
)

func TestForecastOfAnIteration(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	job := s.claim()
	var f api.Forecast
	s.call("GET", "/buildspaces/work/iterations/latest/forecast", nil, http.StatusOK, &f)
	if f.Workers != 1 || f.Remaining != 2 || f.Seconds == nil || f.Seconds.Likely <= 0 || len(f.Chain) != 2 ||
		f.Chain[0].Build.Pkgbase != "libalpha" || f.Chain[1].Build.Pkgbase != "beta" {
		t.Errorf("got %+v", f)
	}
	if len(f.BurnDown) == 0 || f.BurnDown[0].Remaining != 2 {
		t.Errorf("burn-down %+v", f.BurnDown)
	}
	s.finishBuilt(job)
	s.wantProblem(s.do(s.request("GET", "/buildspaces/work/iterations/9/forecast", nil)), http.StatusNotFound, "iteration 9")
}

func TestWhatTheWorkersDidOverTime(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	job := s.claim()
	var got api.WorkerTime
	until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	s.call("GET", "/workers/time?until="+until, nil, http.StatusOK, &got)
	if len(got.Lanes) != 1 || len(got.Bars) != 1 || got.Bars[0].Pkgbase != "libalpha" || got.Bars[0].Outcome != "" || got.Bars[0].End != nil {
		t.Errorf("while it builds: %+v", got)
	}
	if len(got.Ahead) != 1 || got.Ahead[0].Pkgbase != "beta" || got.Ahead[0].Attempt != 0 || !got.Ahead[0].Start.After(got.Now) {
		t.Errorf("the forecast: %+v", got.Ahead)
	}
	s.finishBuilt(job)
	got = api.WorkerTime{}
	s.call("GET", "/workers/time?buildspace=work", nil, http.StatusOK, &got)
	if len(got.Bars) != 1 || got.Bars[0].Outcome != buildbtw.OutcomeBuilt || got.Bars[0].End == nil || len(got.Ahead) != 0 {
		t.Errorf("built: %+v", got)
	}
	s.wantProblem(s.do(s.request("GET", "/workers/time?from=yesterday", nil)), http.StatusUnprocessableEntity, "from is no time")
	s.wantProblem(s.do(s.request("GET", "/workers/time?from="+until, nil)), http.StatusUnprocessableEntity, "before until")
}

func TestWorkerSetAsideIsResumed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	s.call("POST", "/worker/claim", claimRequest("w2"), http.StatusOK, nil)
	s.call("POST", "/worker/claim", claimRequest("w1"), http.StatusNoContent, nil)
	s.must(s.store.QuarantineWorker(t.Context(), "alice", "w1", "bad disk"))
	for range 2 { // again changes nothing
		var w api.Worker
		s.call("POST", "/workers/w1/resume", nil, http.StatusOK, &w)
		if w.Name != "w1" || w.SetAside != "" {
			t.Errorf("got %+v", w)
		}
	}
	var events api.Page[api.Event]
	s.call("GET", "/events?limit=500", nil, http.StatusOK, &events)
	resumed := 0
	for _, e := range events.Items {
		if e.Kind == buildbtw.EventWorker && e.Message == "w1: Resumed." {
			resumed++
		}
	}
	if resumed != 1 {
		t.Errorf("%d events say that it was resumed", resumed)
	}
	s.wantProblem(s.do(s.request("POST", "/workers/nobody/resume", nil)), http.StatusNotFound, "nobody")
}

// TestAClaimOfADrainingWorkerSaysSo, in a header of the empty answer, and so do the
// list of workers and the forecast, which counts on others alone.
func TestAClaimOfADrainingWorkerSaysSo(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.call("POST", "/worker/claim", claimRequest("w1"), http.StatusNoContent, nil)
	s.space("work", "libalpha")
	var w api.Worker
	s.call("POST", "/workers/w1/drain", nil, http.StatusOK, &w)
	const why = "draining: gets no new builds until 'bbtw workers resume w1'"
	if w.DrainingSince == nil || w.NoBuilds != why || w.SetAside != "" {
		t.Errorf("got %+v", w)
	}
	got := s.call("POST", "/worker/claim", claimRequest("w1"), http.StatusNoContent, nil)
	if none := got.Header.Get(api.HeaderNoBuilds); none != why {
		t.Errorf("the claim's answer says %q", none)
	}
	var f api.Forecast
	s.call("GET", "/buildspaces/work/iterations/latest/forecast", nil, http.StatusOK, &f)
	if f.Workers != 0 {
		t.Errorf("the forecast counts on %d workers", f.Workers)
	}
	s.wantProblem(s.do(s.request("DELETE", "/workers/w1", nil)), http.StatusConflict, "worker w1 is connected", "Stop it")
	s.call("POST", "/workers/w1/resume", nil, http.StatusOK, nil)
	got = s.call("POST", "/worker/claim", claimRequest("w1"), http.StatusOK, nil)
	if none := got.Header.Get(api.HeaderNoBuilds); none != "" {
		t.Errorf("resumed: %q", none)
	}
	for method, path := range map[string]string{"POST": "/workers/nobody/drain", "DELETE": "/workers/nobody"} {
		s.wantProblem(s.do(s.request(method, path, nil)), http.StatusNotFound, "nobody")
	}
}
