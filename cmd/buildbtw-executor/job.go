package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"time"

	"buildbtw"
)

// gitlabJob is the job that the runner executes.
type gitlabJob struct {
	ID       int64
	Pipeline int64
	Commit   string // that GitLab runs the job for
	Build    string // the server's build, from the pipeline's variables
	Recorded string // the commit that the server recorded for it
	Timeout  time.Duration
}

// Variables that the server sets for the pipeline.
const (
	variableBuild  = "BUILDBTW_BUILD_ID"
	variableCommit = "BUILDBTW_COMMIT"
)

// maxResponse bounds the file with the job in bytes.
const maxResponse = 16 << 20

// jobResponse is the job as GitLab gave it to the runner, as far as needed.
type jobResponse struct {
	ID      int64 `json:"id"`
	GitInfo struct {
		SHA string `json:"sha"`
	} `json:"git_info"`
	RunnerInfo struct {
		Timeout int `json:"timeout"` // seconds
	} `json:"runner_info"`
	Variables []struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	} `json:"variables"`
}

// readJob reads the job. The file that GitLab's answer is in counts more than
// the environment, in which whoever wrote the job can have set anything.
func readJob(getenv func(string) string) (gitlabJob, error) {
	variable := func(name string) string { return getenv("CUSTOM_ENV_" + name) }
	var response jobResponse
	if file := getenv("JOB_RESPONSE_FILE"); file != "" {
		var err error
		if response, err = readResponse(file); err != nil {
			return gitlabJob{}, err
		}
		values := map[string]string{}
		for _, v := range response.Variables {
			values[v.Key] = v.Value
		}
		variable = func(name string) string { return values[name] }
	}
	return makeJob(response, variable)
}

func readResponse(file string) (jobResponse, error) {
	var r jobResponse
	f, err := os.Open(file)
	if err != nil {
		return r, fmt.Errorf("read the job: %w", err)
	}
	defer f.Close()
	if err := json.NewDecoder(io.LimitReader(f, maxResponse)).Decode(&r); err != nil {
		return r, fmt.Errorf("read the job in %s: %w", file, err)
	}
	return r, nil
}

func makeJob(r jobResponse, variable func(string) string) (gitlabJob, error) {
	j := gitlabJob{
		ID: r.ID, Commit: r.GitInfo.SHA, Build: variable(variableBuild), Recorded: variable(variableCommit),
		Timeout: time.Duration(r.RunnerInfo.Timeout) * time.Second,
	}
	if j.ID == 0 {
		j.ID = number(variable("CI_JOB_ID"))
	}
	if j.Commit == "" {
		j.Commit = variable("CI_COMMIT_SHA")
	}
	if j.Timeout == 0 {
		j.Timeout = time.Duration(number(variable("CI_JOB_TIMEOUT"))) * time.Second
	}
	j.Pipeline = number(variable("CI_PIPELINE_ID"))
	if j.ID <= 0 {
		return j, fmt.Errorf("this is no job of a gitlab-runner: neither JOB_RESPONSE_FILE nor CUSTOM_ENV_CI_JOB_ID says which; to try things out use doctor")
	}
	return j, nil
}

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

var commitID = regexp.MustCompile(`^[0-9a-f]{40,64}$`)

// check refuses jobs that no build of the server's stands behind.
func (j gitlabJob) check() error {
	switch {
	case j.Build == "" || j.Recorded == "":
		return buildbtw.Conflict("this job was not made by a buildbtw server: its pipeline has no %s and %s. "+
			"The runner's tag should be one that only the server's pipelines ask for", variableBuild, variableCommit)
	case !commitID.MatchString(j.Commit) || j.Commit != j.Recorded:
		return buildbtw.Conflict("GitLab runs this job for commit %.64q, but build %.40s is of commit %.64q: nothing is built", j.Commit, j.Build, j.Recorded)
	}
	return nil
}
