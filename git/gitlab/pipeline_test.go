package gitlab_test

import (
	"fmt"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/git/gitlab"
	"buildbtw/git/gitlab/gitlabtest"
)

// running gives a GitLab in which every project has one running pipeline, and
// the rows of these.
func running(t testing.TB, projects int) (*gitlabtest.Server, *gitlab.Client, []buildbtw.Pipeline) {
	t.Helper()
	server := gitlabtest.Start(t, gitlabtest.Options{})
	client := newClient(t, server, gitlab.Config{Retries: -1})
	var rows []buildbtw.Pipeline
	for i := range projects {
		name := fmt.Sprintf("packages/p%04d", i)
		id := server.CreateProject(name)
		number := server.AddPipeline(id, buildbtw.PipelineRefs+"x")
		server.SetPipelineStatus(number, "running")
		rows = append(rows, buildbtw.Pipeline{ID: int64(i + 1), ProjectID: id, Project: name, Number: number, Ref: buildbtw.PipelineRefs + "x", URL: "known"})
	}
	server.Requests()
	return server, client, rows
}

func TestThousandPipelinesAreSeenInTwelveRequests(t *testing.T) {
	t.Parallel()
	server, client, rows := running(t, 1000)
	server.SetPipelineStatus(rows[7].Number, "failed")
	seen, err := client.SeePipelines(t.Context(), rows)
	if err != nil || len(seen) != len(rows) {
		t.Fatalf("saw %d of %d pipelines, error %v", len(seen), len(rows), err)
	}
	if n := len(server.Requests()); n > 12 {
		t.Errorf("%d requests, want 12 at most", n)
	}
	if st := seen[rows[7].ID]; st.Status != "failed" || !st.Over || st.Message == "" {
		t.Errorf("the failed one is seen as %+v", st)
	}
	if st := seen[rows[8].ID]; st.Status != "running" || st.Over {
		t.Errorf("a running one is seen as %+v", st)
	}
}

func TestPipelinesThatTheListDoesNotShowAreAskedForSingly(t *testing.T) {
	t.Parallel()
	server, client, rows := running(t, 2)
	for range 30 { // so many newer ones hide the first
		server.AddPipeline(rows[0].ProjectID, "main")
	}
	server.DeletePipeline(rows[1].Number)
	seen, err := client.SeePipelines(t.Context(), rows)
	if err != nil {
		t.Fatal(err)
	}
	if st := seen[rows[0].ID]; st.Status != "running" || !strings.Contains(st.URL, "/-/pipelines/") {
		t.Errorf("the hidden one is seen as %+v", st)
	}
	if st := seen[rows[1].ID]; st != buildbtw.NoPipeline(rows[1].Number) {
		t.Errorf("the deleted one is seen as %+v", st)
	}
}

func TestSeePipelinesTellsTroubleAndWhatItLearned(t *testing.T) {
	t.Parallel()
	server, client, rows := running(t, 150)
	server.Fail("POST /api/graphql", 1, gitlabtest.Status(500))
	server.Fail("GET .*/pipelines/", -1, gitlabtest.Status(500))
	seen, err := client.SeePipelines(t.Context(), rows)
	if err == nil || len(seen) != 0 {
		t.Errorf("saw %d, error %v; want none, and an error", len(seen), err)
	}
}

func TestAnAddressThatIsNotKnownIsAskedFor(t *testing.T) {
	t.Parallel()
	_, client, rows := running(t, 2)
	rows[1].URL = ""
	seen, err := client.SeePipelines(t.Context(), rows)
	if err != nil || seen[rows[0].ID].URL != "" || !strings.Contains(seen[rows[1].ID].URL, "/-/pipelines/") || seen[rows[1].ID].Status != "running" {
		t.Errorf("saw %+v, error %v", seen, err)
	}
}

func TestOneRefusedPipelineDoesNotHideTheOthers(t *testing.T) {
	t.Parallel()
	server, client, rows := running(t, 3)
	for _, p := range rows {
		for range 30 { // so many newer ones hide it
			server.AddPipeline(p.ProjectID, "main")
		}
	}
	server.Fail(fmt.Sprintf("GET .*/projects/%d/pipelines/", rows[0].ProjectID), -1, gitlabtest.Status(403))
	seen, err := client.SeePipelines(t.Context(), rows)
	if err != nil || len(seen) != 3 {
		t.Errorf("saw %+v, error %v; want all three", seen, err)
	}
	if st := seen[rows[0].ID]; !st.Over || !strings.Contains(st.Message, "switched off") {
		t.Errorf("the refused one is seen as %+v", st)
	}
}

func TestCancelAndRemovePinTakeGoneForDone(t *testing.T) {
	t.Parallel()
	server, client, rows := running(t, 1)
	p := rows[0]
	if err := client.CancelPipeline(t.Context(), p); err != nil {
		t.Error(err)
	}
	if got := server.Pipelines()[0].Status; got != "canceling" {
		t.Errorf("the pipeline is %s", got)
	}
	server.DeletePipeline(p.Number)
	if err := client.CancelPipeline(t.Context(), p); err != nil {
		t.Errorf("cancel what is gone: %v", err)
	}
	if err := client.RemovePin(t.Context(), p); err != nil {
		t.Errorf("remove a branch that is gone: %v", err)
	}
	p.Ref = "main"
	if err := client.RemovePin(t.Context(), p); err == nil {
		t.Error("it would remove the branch main")
	}
}

// BenchmarkSeePipelines is one look at a thousand running pipelines, each of
// another project.
func BenchmarkSeePipelines(b *testing.B) {
	server, client, rows := running(b, 1000)
	for b.Loop() {
		if _, err := client.SeePipelines(b.Context(), rows); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(server.Requests()))/float64(b.N), "requests/op")
}
