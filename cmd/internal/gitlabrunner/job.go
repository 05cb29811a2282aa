// Package gitlabrunner plays a gitlab-runner with a custom executor, as real ones
// (13.12, 15.0, 18.0) were recorded to call it: stages, environment, working
// directory, process groups, exit codes, TERM and KILL, cancelling. The real one
// can be installed neither in tests nor for the demonstration; how to repeat the
// recording with one: docs/operations.md.
//
// Source of every rule here: docs/toolchain.md, section 6.
package gitlabrunner

import (
	"encoding/json"
	"fmt"
	"time"
)

// Job is a job of GitLab's answer to a runner.
type Job struct {
	Raw       []byte // the whole answer, for JOB_RESPONSE_FILE
	ID        int64
	Token     string
	Timeout   time.Duration
	Variables map[string]string
	Attempts  int // of get_sources
}

// ParseJob reads GitLab's answer.
func ParseJob(raw []byte) (Job, error) {
	var r struct {
		ID         int64
		Token      string
		RunnerInfo struct{ Timeout int } `json:"runner_info"`
		Variables  []struct{ Key, Value string }
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return Job{}, fmt.Errorf("read the job: %w", err)
	}
	j := Job{
		Raw: raw, ID: r.ID, Token: r.Token, Timeout: time.Duration(r.RunnerInfo.Timeout) * time.Second,
		Variables: map[string]string{}, Attempts: 1,
	}
	for _, v := range r.Variables {
		j.Variables[v.Key] = v.Value
	}
	if j.Variables["GET_SOURCES_ATTEMPTS"] == "2" {
		j.Attempts = 2
	}
	return j, nil
}

// Result is how a job ended, in the words of GitLab's API.
type Result struct {
	State    string // success or failed
	Reason   string // script_failure, runner_system_failure, job_execution_timeout, job_canceled; empty for success
	ExitCode int

	Calls []Call // of the executor, in order
}

// Call is one call of the executor.
type Call struct {
	Stage string // config, prepare, cleanup, or a sub-stage of run
	Code  int    // exit code; 128 plus the number of the signal that ended it
	Took  time.Duration
}

// Stages are the names of the calls.
func (r Result) Stages() []string {
	var list []string
	for _, c := range r.Calls {
		list = append(list, c.Stage)
	}
	return list
}

// GitLab's statuses of a running job that is being cancelled: Canceled ends it
// at once, Canceling still runs after_script and the stages behind it.
const (
	Canceled  = "canceled"
	Canceling = "canceling"
)
