package gitlabtest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// pipelines has the pipelines and their jobs, one job each. The server's mutex guards it.
type pipelines struct {
	lastPipeline, lastJob int64
	all                   []*pipeline // oldest first
}

// firstPipeline keeps the numbers of pipelines apart from those of projects.
const firstPipeline = 1000

// pipeline is a pipeline with its latest job.
type pipeline struct {
	id        int64
	project   int64
	ref, sha  string
	status    string // GitLab's eleven, and canceling
	variables map[string]string
	created   time.Time
	job       job
}

// Pipeline has the properties of a pipeline that GitLab shows to people.
type Pipeline struct {
	ID        int64
	Project   int64
	Ref, SHA  string
	Status    string
	Variables map[string]string
	Trace     string // of its latest job
}

// Pipelines gives all pipelines, the oldest first.
func (s *Server) Pipelines() []Pipeline {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Pipeline
	for _, p := range s.pipelines.all {
		list = append(list, Pipeline{p.id, p.project, p.ref, p.sha, p.status, p.variables, string(p.job.trace)})
	}
	return list
}

// AddPipeline makes a pipeline without looking at the project's repository, and
// gives its number.
func (s *Server) AddPipeline(project int64, ref string) int64 {
	return s.addPipeline(pipeline{project: project, ref: ref, created: s.now()}).id
}

// SetPipelineStatus makes a pipeline stand as if its job had got there, and tells
// the webhooks.
func (s *Server) SetPipelineStatus(id int64, status string) {
	s.changePipeline(id, func(p *pipeline) { p.setStatus(status) })
}

// DeletePipeline deletes a pipeline, as an owner may by hand. No webhook tells.
func (s *Server) DeletePipeline(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pipelines.all = slices.DeleteFunc(s.pipelines.all, func(p *pipeline) bool { return p.id == id })
}

// RetryJob has the job of a pipeline run again, as a person may by hand.
func (s *Server) RetryJob(pipeline int64) {
	s.changePipeline(pipeline, s.newJob)
}

// changePipeline does something with a pipeline, if there is one, and tells the
// webhooks when its status is another then.
func (s *Server) changePipeline(id int64, do func(*pipeline)) (found pipeline, ok bool) {
	s.mu.Lock()
	i := slices.IndexFunc(s.pipelines.all, func(p *pipeline) bool { return p.id == id })
	if i < 0 {
		s.mu.Unlock()
		return pipeline{}, false
	}
	p := s.pipelines.all[i]
	before := p.status
	do(p)
	found = *p
	s.mu.Unlock()
	if found.status != before {
		s.tellPipeline(found)
	}
	return found, true
}

func (s *Server) tellPipeline(p pipeline) {
	s.Tell("Pipeline Hook", p.project, map[string]any{
		"object_kind":       "pipeline",
		"object_attributes": map[string]any{"id": p.id, "ref": p.ref, "sha": p.sha, "status": p.status, "source": "api"},
	})
}

func (s *Server) pipelineRoutes() {
	const project = "/api/v4/projects/{project}"
	s.api("POST "+project+"/repository/branches", Everything, s.createBranch)
	s.api("DELETE "+project+"/repository/branches/{branch...}", Everything, s.deleteBranch)
	s.api("POST "+project+"/pipeline", Everything, s.createPipeline)
	s.api("GET "+project+"/pipelines", ReadOnly, s.listPipelines)
	s.api("GET "+project+"/pipelines/{pipeline}", ReadOnly, s.getPipeline)
	s.api("GET "+project+"/pipelines/{pipeline}/jobs", ReadOnly, s.listJobs)
	s.api("POST "+project+"/pipelines/{pipeline}/cancel", Everything, s.cancelPipeline)
	s.AnswerQuery("pipelines", s.queryPipelines)
	s.jobRoutes()
}

// named gives the project of a request; without one it answers that.
func (s *Server) named(w http.ResponseWriter, r *http.Request) (project, bool) {
	p, _, ok := s.find(r.PathValue("project"))
	if !ok {
		refuse(w, http.StatusNotFound, "404 Project Not Found")
	}
	return p, ok
}

// createBranch makes a branch and, as for a push, tells the webhooks.
func (s *Server) createBranch(w http.ResponseWriter, r *http.Request) {
	p, ok := s.named(w, r)
	if !ok {
		return
	}
	var asked struct{ Branch, Ref string }
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.Branch == "" {
		refuse(w, http.StatusBadRequest, "branch is missing")
		return
	}
	refs, err := s.refs(r.Context(), p.id)
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	if _, taken := refs["refs/heads/"+asked.Branch]; taken {
		refuse(w, http.StatusBadRequest, "Branch already exists")
		return
	}
	commit, err := s.git(r.Context(), p.id, nil, "rev-parse", "--verify", "--quiet", asked.Ref+"^{commit}")
	if err == nil {
		err = s.SetRef(r.Context(), p.id, "refs/heads/"+asked.Branch, commit)
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "Invalid reference name: "+asked.Ref)
		return
	}
	answer(w, http.StatusCreated, map[string]any{"name": asked.Branch, "commit": map[string]string{"id": commit}})
}

func (s *Server) deleteBranch(w http.ResponseWriter, r *http.Request) {
	p, ok := s.named(w, r)
	if !ok {
		return
	}
	ref := "refs/heads/" + r.PathValue("branch")
	refs, err := s.refs(r.Context(), p.id)
	if _, there := refs[ref]; err != nil || !there {
		refuse(w, http.StatusNotFound, "404 Branch Not Found")
		return
	}
	if err := s.SetRef(r.Context(), p.id, ref, ""); err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) createPipeline(w http.ResponseWriter, r *http.Request) {
	project, ok := s.named(w, r)
	if !ok {
		return
	}
	var asked struct {
		Ref       string
		Variables []struct{ Key, Value string }
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		refuse(w, http.StatusBadRequest, "400 Bad request")
		return
	}
	refs, err := s.refs(r.Context(), project.id)
	sha := refs["refs/heads/"+asked.Ref]
	if err != nil || sha == "" {
		answer(w, http.StatusBadRequest, map[string]any{"message": map[string]any{"base": []string{"Reference not found"}}})
		return
	}
	if project.role == RoleNobody && len(asked.Variables) > 0 {
		answer(w, http.StatusBadRequest, map[string]any{"message": map[string]any{"base": []string{"Insufficient permissions to set pipeline variables"}}})
		return
	}
	if s.tooManyPipelines(project.id) {
		answer(w, http.StatusBadRequest, map[string]any{"message": map[string]any{"base": []string{"Too many pipelines created in the last minute. Try again later."}}})
		return
	}
	p := pipeline{project: project.id, ref: asked.Ref, sha: sha, variables: map[string]string{}, created: s.now()}
	for _, v := range asked.Variables {
		p.variables[v.Key] = v.Value
	}
	p = s.addPipeline(p)
	s.tellPipeline(p)
	answer(w, http.StatusCreated, s.describePipeline(p))
}

// tooManyPipelines reports whether a project may have no pipeline more in this minute.
func (s *Server) tooManyPipelines(project int64) bool {
	lately := 0
	for _, p := range s.pipelinesOf(project) {
		if s.now().Sub(p.created) < time.Minute {
			lately++
		}
	}
	return s.options.PipelinesPerMinute > 0 && lately >= s.options.PipelinesPerMinute
}

func (s *Server) addPipeline(p pipeline) pipeline {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pipelines.lastPipeline++
	p.id = firstPipeline + s.pipelines.lastPipeline
	s.newJob(&p)
	s.pipelines.all = append(s.pipelines.all, &p)
	return p
}

func (s *Server) describePipeline(p pipeline) any {
	project, _, _ := s.find(formatID(p.project))
	return map[string]any{
		"id": p.id, "iid": p.id - firstPipeline, "project_id": p.project, "ref": p.ref, "sha": p.sha, "status": p.status, "source": "api",
		"web_url":    s.url + "/" + project.path + "/-/pipelines/" + formatID(p.id),
		"created_at": p.created, "updated_at": p.created,
	}
}

// pipelinesOf copies the pipelines of a project, the newest first.
func (s *Server) pipelinesOf(project int64) []pipeline {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []pipeline
	for _, p := range slices.Backward(s.pipelines.all) {
		if p.project == project {
			list = append(list, *p)
		}
	}
	return list
}

func (s *Server) listPipelines(w http.ResponseWriter, r *http.Request) {
	project, ok := s.named(w, r)
	if !ok {
		return
	}
	ref := r.URL.Query().Get("ref")
	list := slices.DeleteFunc(s.pipelinesOf(project.id), func(p pipeline) bool { return ref != "" && p.ref != ref })
	sendPage(s, w, r, list, s.describePipeline)
}

// pipelineOf finds the pipeline of a request; without one it answers that.
func (s *Server) pipelineOf(w http.ResponseWriter, r *http.Request) (pipeline, bool) {
	project, ok := s.named(w, r)
	if !ok {
		return pipeline{}, false
	}
	list := s.pipelinesOf(project.id)
	i := slices.IndexFunc(list, func(p pipeline) bool { return formatID(p.id) == r.PathValue("pipeline") })
	if i < 0 {
		refuse(w, http.StatusNotFound, "404 Not found")
		return pipeline{}, false
	}
	return list[i], true
}

func (s *Server) getPipeline(w http.ResponseWriter, r *http.Request) {
	if p, ok := s.pipelineOf(w, r); ok {
		answer(w, http.StatusOK, s.describePipeline(p))
	}
}

// DropJob has the job of a pipeline fail because no runner took it, as GitLab does
// after an hour when none with its tags is online.
func (s *Server) DropJob(id int64) {
	s.changePipeline(id, func(p *pipeline) {
		p.setStatus("failed")
		p.job.reason = "stuck_or_timeout_failure"
	})
}

// listJobs lists the one job of a pipeline.
func (s *Server) listJobs(w http.ResponseWriter, r *http.Request) {
	p, ok := s.pipelineOf(w, r)
	if !ok {
		return
	}
	job := map[string]any{"id": p.job.id, "name": "build", "status": p.job.status, "failure_reason": nil, "tag_list": []string{}}
	if p.job.reason != "" {
		job["failure_reason"] = p.job.reason
	}
	if tag := p.tag(); tag != "" {
		job["tag_list"] = []string{tag}
	}
	answer(w, http.StatusOK, []any{job})
}

// cancelPipeline cancels a pipeline. A job that a runner executes is "canceling" until
// the runner has ended it.
func (s *Server) cancelPipeline(w http.ResponseWriter, r *http.Request) {
	p, ok := s.pipelineOf(w, r)
	if !ok {
		return
	}
	p, _ = s.changePipeline(p.id, func(p *pipeline) {
		switch p.status {
		case "running":
			p.setStatus("canceling")
		case "created", "pending", "waiting_for_resource", "preparing", "scheduled", "manual":
			p.setStatus("canceled")
		}
	})
	answer(w, http.StatusOK, s.describePipeline(p))
}

// queryPipelines answers "query pipelines": the latest pipelines of projects.
func (s *Server) queryPipelines(variables map[string]json.RawMessage) any {
	var ids []string
	var projects, latest int
	decode(variables["ids"], &ids)
	decode(variables["projects"], &projects)
	decode(variables["latest"], &latest)
	nodes := []any{}
	for _, id := range ids[:min(len(ids), projects, s.options.PerPage)] {
		number, err := strconv.ParseInt(strings.TrimPrefix(id, "gid://gitlab/Project/"), 10, 64)
		if _, _, ok := s.find(formatID(number)); err != nil || !ok {
			continue
		}
		list := []any{}
		for _, p := range s.pipelinesOf(number) {
			if len(list) < latest {
				list = append(list, map[string]string{"id": "gid://gitlab/Ci::Pipeline/" + formatID(p.id), "status": strings.ToUpper(p.status)})
			}
		}
		nodes = append(nodes, map[string]any{"pipelines": map[string]any{"nodes": list}})
	}
	return map[string]any{"projects": map[string]any{"nodes": nodes}}
}

// decode decodes JSON into a variable; missing fields stay as they are.
func decode(text json.RawMessage, v any) { _ = json.Unmarshal(text, v) }
