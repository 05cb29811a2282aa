package forge_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/forge"
	"buildbtw/git/gitlab"
	"buildbtw/git/gitlab/gitlabtest"
	"buildbtw/scheduler/schedulertest"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// site is a server that hands builds to a GitLab with the projects a and b.
type site struct {
	*schedulertest.Server
	t        *testing.T
	gitlab   *gitlabtest.Server
	projects map[string]buildbtw.Project
	commits  map[string]string
}

func newSite(t *testing.T, most int) *site {
	t.Helper()
	s := &site{t: t, gitlab: gitlabtest.Start(t, gitlabtest.Options{}), projects: map[string]buildbtw.Project{}, commits: map[string]string{}}
	client, err := gitlab.New(gitlab.Config{URL: s.gitlab.URL(), Token: gitlabtest.Token, Pause: time.Millisecond, Retries: 1, RequestTime: time.Second})
	s.must(err)
	s.Server = schedulertest.New(t, func(o *schedulertest.Options, _ *storetest.DB) {
		o.Forge = forge.Config{Client: client, MaxPipelines: most}
	})
	for _, name := range []string{"a", "b"} {
		id := s.gitlab.CreateProject("packages/" + name)
		s.projects[name] = buildbtw.Project{ID: id, Path: "packages/" + name}
		s.commits[name], err = s.gitlab.Push(t.Context(), id, gitlabtest.Change{Files: map[string]string{".SRCINFO": schedulertest.Srcinfo(name, "1")}})
		s.must(err)
	}
	s.DB.Projects(t, "packages/a", "packages/b") // GitLab numbers them from 1, too
	plan := storetest.Plan("a", "b")
	for arch := range plan.Architectures {
		for i := range plan.Architectures[arch].Builds {
			b := &plan.Architectures[arch].Builds[i]
			b.Commit = s.commits[b.Source]
		}
	}
	s.DB.Iterate(t, s.DB.NewBuildspace(t, "space"), plan)
	return s
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// passes runs dispatch and observe once; trouble is what the test is about.
func (s *site) passes() (dispatched, observed error) {
	return s.Loop("dispatch").Pass(s.t.Context()), s.Loop("observe").Pass(s.t.Context())
}

func (s *site) statuses(want ...buildbtw.Status) {
	s.t.Helper()
	got := s.DB.Statuses(s.t, "space")
	for i, name := range []string{"a", "b"} {
		if got[name] != want[i] {
			s.t.Errorf("%s is %s, want %s", name, got[name], want[i])
		}
	}
	s.DB.Check(s.t)
}

// only gives the pipelines that GitLab has, and wants so many.
func (s *site) pipelines(want int) []gitlabtest.Pipeline {
	s.t.Helper()
	list := s.gitlab.Pipelines()
	if len(list) != want {
		s.t.Fatalf("GitLab has %d pipelines, want %d: %+v", len(list), want, list)
	}
	return list
}

// claim claims as the executor of a pipeline.
func (s *site) claim(p gitlabtest.Pipeline) (*store.Claimed, error) {
	ask := storetest.Ask("runner-" + p.Ref[len(p.Ref)-6:])
	for _, b := range s.builds() {
		if p.Variables["BUILDBTW_COMMIT"] == b.Commit {
			ask.Build = b.ID
		}
	}
	ask.Pipeline = p.ID
	return s.DB.ClaimBuild(s.t.Context(), ask)
}

func (s *site) builds() []store.BuildRow {
	s.t.Helper()
	rows, _, err := s.DB.Builds(s.t.Context(), store.BuildFilter{Buildspace: "space"})
	s.must(err)
	return rows
}

const (
	pending   = buildbtw.StatusPending
	scheduled = buildbtw.StatusScheduled
	building  = buildbtw.StatusBuilding
	built     = buildbtw.StatusBuilt
	skipped   = buildbtw.StatusSkipped
)

func TestDispatchMakesPipelinesForTheRecordedCommits(t *testing.T) {
	t.Parallel()
	s := newSite(t, 10)
	// The branch has moved on since the iteration was made.
	_, err := s.gitlab.Push(t.Context(), s.projects["a"].ID, gitlabtest.Change{Files: map[string]string{"PKGBUILD": "newer"}})
	s.must(err)
	dispatched, observed := s.passes()
	s.must(dispatched)
	s.must(observed)
	s.statuses(scheduled, scheduled)
	for _, p := range s.pipelines(2) {
		if p.SHA != p.Variables["BUILDBTW_COMMIT"] || p.SHA != s.commits["a"] && p.SHA != s.commits["b"] {
			t.Errorf("pipeline %d builds %s, its variables are %v", p.ID, p.SHA, p.Variables)
		}
		if !strings.HasPrefix(p.Ref, buildbtw.PipelineRefs) || p.Variables["BUILDBTW_BUILD_ID"] == "" || p.Variables["BUILDBTW_RUNNER_TAG"] != forge.DefaultRunnerTag {
			t.Errorf("pipeline on %s with %v", p.Ref, p.Variables)
		}
	}
}

func TestDispatchStopsAtTheLimit(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	for range 3 {
		dispatched, _ := s.passes()
		s.must(dispatched)
	}
	s.pipelines(1)
}

func TestBuildsOfPipelinesEndAsThoseOfWorkers(t *testing.T) {
	t.Parallel()
	s := newSite(t, 10)
	s.passes()
	for _, p := range s.pipelines(2) {
		c, err := s.claim(p)
		s.must(err)
		s.gitlab.SetPipelineStatus(p.ID, "running")
		s.DB.Finish(t, c)
		s.gitlab.SetPipelineStatus(p.ID, "success")
	}
	for range 2 { // the first sees that they are over, the second removes their branches
		_, observed := s.passes()
		s.must(observed)
	}
	s.statuses(built, built)
	if open, err := s.DB.OpenPipelines(t.Context()); err != nil || len(open) != 0 {
		t.Errorf("open pipelines: %+v, error %v", open, err)
	}
	if pinned, err := s.DB.PinnedPipelines(t.Context(), 10); err != nil || len(pinned) != 0 {
		t.Errorf("branches that stay: %+v, error %v", pinned, err)
	}
}

// Every fault of GitLab while pipelines are made or observed: what is true
// stays true, and the next pass heals it.
func TestPipelineFaults(t *testing.T) {
	t.Parallel()
	const create, branch, query = `POST .*/pipeline$`, `POST .*/branches$`, `POST /api/graphql`
	tests := []struct {
		name     string
		path     string
		fault    gitlabtest.Fault
		dispatch bool              // the pass of dispatch says so
		after    []buildbtw.Status // a and b, while it lasts
	}{
		{"401 to a pipeline", create, gitlabtest.Status(401), true, []buildbtw.Status{scheduled, scheduled}},
		{"403 to a pipeline", create, gitlabtest.Status(403), false, []buildbtw.Status{pending, pending}},
		{"404 to a pipeline", create, gitlabtest.Status(404), false, []buildbtw.Status{pending, pending}},
		{"too many pipelines", create, tooManyPipelines, true, []buildbtw.Status{scheduled, scheduled}},
		{"429 to a pipeline", create, gitlabtest.TooMany(300), true, []buildbtw.Status{scheduled, scheduled}},
		{"500 to a pipeline", create, gitlabtest.Status(500), true, []buildbtw.Status{scheduled, scheduled}},
		{"HTML to a pipeline", create, gitlabtest.HTML(200), true, []buildbtw.Status{scheduled, scheduled}},
		{"half a JSON to a pipeline", create, gitlabtest.HalfJSON(), true, []buildbtw.Status{scheduled, scheduled}},
		{"silence to a pipeline", create, gitlabtest.Silence(), true, []buildbtw.Status{scheduled, scheduled}},
		{"500 to a branch", branch, gitlabtest.Status(500), true, []buildbtw.Status{scheduled, scheduled}},
		{"404 to a branch", branch, gitlabtest.Status(404), false, []buildbtw.Status{pending, pending}},
		{"500 to what is asked", query, gitlabtest.Status(500), false, []buildbtw.Status{scheduled, scheduled}},
		{"HTML to what is asked", query, gitlabtest.HTML(200), false, []buildbtw.Status{scheduled, scheduled}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, 10)
			s.gitlab.Fail(test.path, -1, test.fault)
			dispatched, observed := s.passes()
			if (dispatched != nil) != test.dispatch {
				t.Errorf("dispatch says %v", dispatched)
			}
			if (observed != nil) != (test.path == query) {
				t.Errorf("observe says %v", observed)
			}
			s.statuses(test.after...)
			s.gitlab.Heal()
			for range 2 {
				s.DB.Clock.Advance(20 * time.Minute) // all pauses are over
				if dispatched, observed = s.passes(); test.name != "429 to a pipeline" {
					s.must(dispatched)
					s.must(observed)
				}
			}
			if test.name == "429 to a pipeline" {
				return // the client keeps to what GitLab asked, by the real clock
			}
			s.statuses(scheduled, scheduled)
			s.pipelines(2)
		})
	}
}

// tooManyPipelines is how GitLab's own limit of new pipelines answers: not with 429.
func tooManyPipelines(_ *gitlabtest.Server, w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = w.Write([]byte(`{"message":{"base":["Too many pipelines created in the last minute. Try again later."]}}`))
}

func TestLostAnswerMakesNoSecondPipeline(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	s.gitlab.Fail(`POST .*/pipeline$`, 1, gitlabtest.AfterAnswering(gitlabtest.Status(http.StatusBadGateway)))
	if dispatched, _ := s.passes(); dispatched == nil {
		t.Error("dispatch did not say that GitLab failed")
	}
	s.pipelines(1)
	s.DB.Clock.Advance(time.Minute)
	dispatched, observed := s.passes()
	s.must(dispatched)
	s.must(observed)
	p := s.pipelines(1)[0]
	open, err := s.DB.OpenPipelines(t.Context())
	if err != nil || len(open) != 1 || open[0].Number != p.ID || open[0].URL == "" {
		t.Errorf("open %+v, error %v; want the pipeline %d", open, err, p.ID)
	}
}

// A pipeline of which GitLab says nothing that can be understood holds up no other
// build; after many tries its own is put back in words.
func TestAPipelineThatCannotBeFoundHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	s := newSite(t, 2)
	a := s.projects["a"].ID
	s.gitlab.Fail(fmt.Sprintf(`POST .*/projects/%d/pipeline$`, a), 1, gitlabtest.AfterAnswering(gitlabtest.Status(http.StatusBadGateway)))
	if dispatched, _ := s.passes(); dispatched == nil {
		t.Error("dispatch did not say that GitLab failed")
	}
	s.gitlab.Fail(fmt.Sprintf(`GET .*/projects/%d/pipelines$`, a), -1, gitlabtest.HTML(200))
	s.DB.Clock.Advance(time.Minute)
	if err := s.Loop("dispatch").Pass(t.Context()); err != nil {
		t.Errorf("one pipeline that cannot be found ended the pass: %v", err)
	}
	for range 30 {
		s.DB.Clock.Advance(10 * time.Minute)
		_ = s.Loop("dispatch").Pass(t.Context())
	}
	events, err := s.DB.Events(t.Context(), store.EventFilter{})
	s.must(err)
	var messages []string
	for _, e := range events {
		messages = append(messages, e.Message)
	}
	if said := strings.Join(messages, "\n"); !strings.Contains(said, "could not be found out in 20 tries whether GitLab made a pipeline") {
		t.Errorf("the events say:\n%s", said)
	}
	s.DB.Check(t)
}

func TestEveryStatusOfGitLab(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]buildbtw.Status{
		"created": scheduled, "waiting_for_resource": scheduled, "preparing": scheduled, "pending": scheduled, "running": scheduled,
		"scheduled": scheduled, "canceling": scheduled, "a_new_one": scheduled,
		"success": pending, "failed": pending, "canceled": pending, "skipped": pending, "manual": pending,
	} {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, 1)
			s.passes()
			s.gitlab.SetPipelineStatus(s.pipelines(1)[0].ID, status)
			s.Pass(t, "observe")
			s.statuses(want, pending)
		})
	}
}

func TestBranchesOfEndedPipelinesAreRemoved(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		path     string
		status   int
		pinned   int // branches that are tried again
		requests int
	}{
		"one is refused":    {"DELETE .*/projects/1/.*branches/", http.StatusBadRequest, 0, 2},
		"GitLab has failed": {"DELETE .*/branches/", http.StatusBadGateway, 2, 2}, // the first, and its repetition
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, 10)
			s.passes()
			for _, p := range s.pipelines(2) {
				s.gitlab.SetPipelineStatus(p.ID, "failed")
			}
			s.gitlab.Fail(test.path, -1, gitlabtest.Status(test.status))
			s.gitlab.Requests()
			if err := s.Loop("observe").Pass(t.Context()); err == nil {
				t.Error("nobody hears of it")
			}
			removals := 0
			for _, r := range s.gitlab.Requests() {
				if strings.HasPrefix(r, "DELETE ") {
					removals++
				}
			}
			if removals != test.requests {
				t.Errorf("%d branches were to be removed, want %d", removals, test.requests)
			}
			if list, err := s.DB.PinnedPipelines(t.Context(), 10); err != nil || len(list) != test.pinned {
				t.Errorf("%d branches are tried again, want %d; %v", len(list), test.pinned, err)
			}
		})
	}
}

func TestPipelineDeletedByHandIsHealed(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	s.passes()
	s.gitlab.DeletePipeline(s.pipelines(1)[0].ID)
	s.Pass(t, "observe")
	s.statuses(pending, pending)
	s.DB.Clock.Advance(20 * time.Minute)
	s.passes()
	s.pipelines(1)
}

func TestCancelledBuildsEndTheirPipelines(t *testing.T) {
	t.Parallel()
	s := newSite(t, 10)
	s.passes()
	for _, b := range s.builds() {
		_, err := s.DB.CancelBuild(t.Context(), "alice", b.ID)
		s.must(err)
	}
	s.Pass(t, "observe")
	for _, p := range s.pipelines(2) {
		if p.Status != "canceled" {
			t.Errorf("pipeline %d is %s, want canceled", p.ID, p.Status)
		}
	}
	s.Pass(t, "observe")
	s.statuses(skipped, skipped)
}

// A weekend without runners: GitLab drops jobs, and the builds wait.
func TestJobsThatNoRunnerTakesCostNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	for range 10 {
		s.passes()
		list := s.gitlab.Pipelines()
		s.gitlab.DropJob(list[len(list)-1].ID)
		s.Pass(t, "observe")
		s.DB.Clock.Advance(time.Hour)
	}
	s.statuses(pending, pending)
	if n := len(s.gitlab.Pipelines()); n != 10 {
		t.Errorf("%d pipelines in ten hours, want one each", n)
	}
	events, err := s.DB.Events(t.Context(), store.EventFilter{})
	s.must(err)
	want := "No runner took its job in time: is one with the tag " + forge.DefaultRunnerTag + " online and not protected?"
	if !slices.ContainsFunc(events, func(e store.EventRow) bool { return e.Message == want }) {
		t.Errorf("no event says %q", want)
	}
	for _, b := range s.builds() {
		if b.Retries != 0 {
			t.Errorf("%s has used %d of its retries", b.Pkgbase, b.Retries)
		}
	}
}

// The executor hands its build back before GitLab shows that the job was cancelled.
func TestAJobCancelledInGitLabIsNotBegunAgainAtOnce(t *testing.T) {
	t.Parallel()
	for _, observed := range []bool{false, true} {
		s := newSite(t, 1)
		s.passes()
		p := s.pipelines(1)[0]
		c, err := s.claim(p)
		s.must(err)
		s.gitlab.SetPipelineStatus(p.ID, "canceling")
		s.DB.End(t, c, buildbtw.OutcomeReleased)
		s.gitlab.SetPipelineStatus(p.ID, "canceled")
		if observed {
			s.Pass(t, "observe")
		}
		for range 3 {
			s.DB.Clock.Advance(20 * time.Second)
			_ = s.Loop("dispatch").Pass(t.Context())
			_ = s.Loop("observe").Pass(t.Context())
		}
		for _, q := range s.gitlab.Pipelines()[1:] {
			if q.Variables["BUILDBTW_COMMIT"] == p.Variables["BUILDBTW_COMMIT"] {
				t.Errorf("observed first: %v; a minute later there is another pipeline", observed)
			}
		}
		s.DB.Clock.Advance(2 * buildbtw.CancelledPause)
		s.passes()
		if n := len(s.gitlab.Pipelines()); n != 2 {
			t.Errorf("observed first: %v; %d pipelines after the pause, want another one", observed, n)
		}
	}
}

// A job whose runner was killed stays "canceling" for an hour.
func TestCancellingIsRepeatedAtGrowingPauses(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	s.passes()
	p := s.pipelines(1)[0]
	s.gitlab.SetPipelineStatus(p.ID, "running")
	_, err := s.DB.CancelBuild(t.Context(), "alice", s.builds()[0].ID)
	s.must(err)
	if s.builds()[0].Status == scheduled {
		_, err = s.DB.CancelBuild(t.Context(), "alice", s.builds()[1].ID)
		s.must(err)
	}
	s.gitlab.Requests()
	cancels := 0
	for range 360 {
		s.DB.Clock.Advance(10 * time.Second)
		s.Pass(t, "observe")
	}
	for _, r := range s.gitlab.Requests() {
		if strings.HasSuffix(r, "/cancel") {
			cancels++
		}
	}
	if cancels < 5 || cancels > 12 {
		t.Errorf("GitLab was asked %d times in an hour to cancel it", cancels)
	}
}

func TestJobRetriedByHandIsASecondAttempt(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	s.passes()
	p := s.pipelines(1)[0]
	c, err := s.claim(p)
	s.must(err)
	s.DB.End(t, c, buildbtw.OutcomeFailed)
	s.gitlab.SetPipelineStatus(p.ID, "failed")
	s.Pass(t, "observe")
	s.gitlab.RetryJob(p.ID)
	again, err := s.claim(p)
	s.must(err)
	if again.Attempt.Number != 2 {
		t.Errorf("attempt %d, want 2", again.Attempt.Number)
	}
	s.statuses(building, pending)
}

func TestWebhookLooksAtOnePipelineAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, 10)
	s.passes()
	list := s.pipelines(2)
	s.gitlab.SetPipelineStatus(list[0].ID, "failed")
	s.gitlab.Requests()
	s.must(s.Forge.HandlePipelineEvent(t.Context(), list[0].ID))
	s.must(s.Forge.HandlePipelineEvent(t.Context(), list[0].ID)) // twice
	s.must(s.Forge.HandlePipelineEvent(t.Context(), 99999))      // not ours
	s.Pass(t, "observe")
	if asked := s.gitlab.Requests(); len(asked) != 2 || !strings.HasSuffix(asked[1], "/jobs") {
		t.Errorf("GitLab was asked %v, want one question, and why the job failed", asked)
	}
	got := s.DB.Statuses(t, "space")
	if got["a"] == got["b"] {
		t.Errorf("statuses %v; want that of one changed", got)
	}
}
