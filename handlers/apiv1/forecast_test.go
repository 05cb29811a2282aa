package apiv1_test

import (
	"net/http"
	"testing"

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
