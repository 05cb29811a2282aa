package gitlabtest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
)

// job is the one job of a pipeline, which a runner executes.
type job struct {
	id     int64
	token  string // of this job alone
	status string // pending, running, canceling, success, failed, canceled
	trace  []byte
	reason string // why it failed: script_failure, runner_system_failure, …
	exit   int
}

// maxTrace is GitLab's default cap of a job's log.
const maxTrace = 4 << 20

// RunnerToken is the authentication token of a runner.
const RunnerToken = "glrt-test-0123456789abcdef" // it opens a stand-in

// newJob gives a pipeline a job that waits for a runner. The caller holds the
// mutex.
func (s *Server) newJob(p *pipeline) {
	s.pipelines.lastJob++
	p.job = job{id: s.pipelines.lastJob, token: rand.Text(), status: "pending"}
	p.status = "pending"
}

// setStatus gives a pipeline and its job a status.
func (p *pipeline) setStatus(status string) { p.status, p.job.status = status, status }

// jobRoutes adds the routes that a runner calls (recorded from gitlab-runner 13, 15 and
// 18).
func (s *Server) jobRoutes() {
	s.mux.HandleFunc("POST /api/v4/jobs/request", s.requestJob)
	s.mux.HandleFunc("PATCH /api/v4/jobs/{job}/trace", s.appendTrace)
	s.mux.HandleFunc("PUT /api/v4/jobs/{job}", s.updateJob)
}

// requestJob gives a runner the oldest job that waits.
func (s *Server) requestJob(w http.ResponseWriter, r *http.Request) {
	var asked struct{ Token string }
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.Token != RunnerToken {
		refuse(w, http.StatusForbidden, "403 Forbidden")
		return
	}
	p, ok := s.takeJob()
	if !ok {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	s.tellPipeline(p)
	answer(w, http.StatusCreated, s.describeJob(p))
}

func (s *Server) takeJob() (pipeline, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.pipelines.all, func(p *pipeline) bool {
		return p.job.status == "pending" && (s.options.Tags == nil || slices.Contains(s.options.Tags, p.tag()))
	})
	if i < 0 {
		return pipeline{}, false
	}
	p := s.pipelines.all[i]
	p.setStatus("running")
	return *p, true
}

// tag returns the tag of a pipeline's job; empty when it has none.
func (p *pipeline) tag() string { return p.variables["BUILDBTW_RUNNER_TAG"] }

// updateInterval is after how many seconds a runner reports again while nobody looks at the
// job's log: so long may it take to learn that the job was cancelled.
const updateInterval = "60"

// describeJob returns the job as a runner receives it. Its script is that of
// infrastructure/gitlab-ci.yml.
func (s *Server) describeJob(p pipeline) any {
	project, _, _ := s.find(formatID(p.project))
	variables := []map[string]any{}
	add := func(key, value string) {
		variables = append(variables, map[string]any{"key": key, "value": value, "public": true, "masked": false})
	}
	add("CI_JOB_ID", formatID(p.job.id))
	add("CI_PIPELINE_ID", formatID(p.id))
	add("CI_PROJECT_ID", formatID(p.project))
	add("CI_PROJECT_PATH", project.path)
	add("CI_COMMIT_SHA", p.sha)
	add("CI_COMMIT_REF_NAME", p.ref)
	add("CI_PIPELINE_SOURCE", "api")
	add("CI_SERVER_URL", s.url)
	for key, value := range p.variables {
		add(key, value)
	}
	return map[string]any{
		"id": p.job.id, "token": p.job.token, "allow_git_fetch": true,
		"job_info":    map[string]any{"id": p.job.id, "name": "build", "stage": "build", "project_id": p.project, "project_name": project.path},
		"git_info":    map[string]any{"repo_url": s.url + "/" + project.path + ".git", "ref": p.ref, "sha": p.sha, "ref_type": "branch", "depth": 20},
		"runner_info": map[string]any{"timeout": 3600},
		"variables":   variables,
		"steps": []any{map[string]any{
			"name": "script", "script": []string{"echo buildbtw-executor builds $BUILDBTW_BUILD_ID"}, "timeout": 3600, "when": "on_success",
		}},
		"image": map[string]any{"name": ""}, "services": nil, "artifacts": nil, "cache": nil, "credentials": nil, "dependencies": nil,
		"features": map[string]any{"trace_sections": true},
	}
}

// changeJob does something with the job that a runner names, if its token is
// right.
func (s *Server) changeJob(w http.ResponseWriter, r *http.Request, token string, do func(*pipeline)) (pipeline, bool) {
	id, err := strconv.ParseInt(r.PathValue("job"), 10, 64)
	s.mu.Lock()
	i := slices.IndexFunc(s.pipelines.all, func(p *pipeline) bool { return p.job.id == id && p.job.token == token })
	var pipelineID int64
	if i >= 0 {
		pipelineID = s.pipelines.all[i].id
	}
	s.mu.Unlock()
	if err != nil || i < 0 {
		refuse(w, http.StatusForbidden, "403 Forbidden")
		return pipeline{}, false
	}
	p, ok := s.changePipeline(pipelineID, do)
	w.Header().Set("Job-Status", p.job.status)
	w.Header().Set("X-GitLab-Trace-Update-Interval", updateInterval)
	return p, ok
}

// appendTrace takes a piece of a job's log; Content-Range says where it belongs.
func (s *Server) appendTrace(w http.ResponseWriter, r *http.Request) {
	piece, err := io.ReadAll(io.LimitReader(r.Body, maxTrace))
	var from int
	if _, scanErr := fmt.Sscanf(r.Header.Get("Content-Range"), "%d-", &from); err != nil || scanErr != nil {
		refuse(w, http.StatusBadRequest, "400 Bad request")
		return
	}
	fits := false
	p, ok := s.changeJob(w, r, r.Header.Get("Job-Token"), func(p *pipeline) {
		if fits = from == len(p.job.trace); fits {
			p.job.trace = append(p.job.trace, piece[:min(len(piece), maxTrace-len(p.job.trace))]...)
		}
	})
	if !ok {
		return
	}
	w.Header().Set("Range", fmt.Sprintf("0-%d", len(p.job.trace)))
	if !fits {
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// updateJob takes a runner's word for how its job stands.
func (s *Server) updateJob(w http.ResponseWriter, r *http.Request) {
	var said struct {
		Token         string
		State         string
		FailureReason string `json:"failure_reason"`
		ExitCode      int    `json:"exit_code"`
	}
	if err := json.NewDecoder(r.Body).Decode(&said); err != nil {
		refuse(w, http.StatusBadRequest, "400 Bad request")
		return
	}
	ended := false
	p, ok := s.changeJob(w, r, said.Token, func(p *pipeline) {
		before := p.status
		defer func() { ended = p.status != before }()
		switch {
		case said.State != "success" && said.State != "failed":
		case p.status == "canceling":
			p.setStatus("canceled")
		case p.status == "running":
			p.setStatus(said.State)
			p.job.reason, p.job.exit = said.FailureReason, said.ExitCode
		}
	})
	if ended && s.options.JobEnded != nil {
		project, _, _ := s.find(formatID(p.project))
		s.options.JobEnded(EndedJob{ID: p.job.id, Project: project.path, Status: p.status, Reason: p.job.reason})
	}
	if ok {
		w.WriteHeader(http.StatusOK)
	}
}
