package apiv1_test

import (
	"net/http"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/store"
)

func TestExecutorClaimsTheBuildOfItsPipeline(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	s.must(s.store.RetainGroups(t.Context(), []string{"packages"}))
	_, err := s.store.NoteProjects(t.Context(), "packages", []buildbtw.Project{{ID: 1, Path: "packages/libalpha", ActiveAt: time.Now()}})
	s.must(err)
	d, err := s.store.DispatchBuild(t.Context(), store.Dispatch{Architectures: []string{"x86_64"}, Most: 1})
	s.must(err)
	s.must(s.store.PipelineCreated(t.Context(), d.Pipeline.ID, buildbtw.PipelineStatus{Number: 70, Status: "created", URL: "https://gitlab/70"}))
	ask := api.ClaimRequest{
		Worker: "runner", Architectures: []string{"x86_64"}, Runners: []string{"fake"}, Wait: 50,
		Build: "1", Pipeline: 71,
	}
	s.call("POST", "/worker/claim", ask, http.StatusConflict, nil)
	ask.Pipeline = 70
	var job api.Job
	s.call("POST", "/worker/claim", ask, http.StatusOK, &job)
	if job.Pkgbase != "libalpha" || job.BuildID != "1" {
		t.Fatalf("got %s, build %s", job.Pkgbase, job.BuildID)
	}
	s.finishBuilt(job)
	s.call("POST", "/worker/claim", ask, http.StatusConflict, nil)
	ask.Build = "none"
	s.call("POST", "/worker/claim", ask, http.StatusNotFound, nil)
}
