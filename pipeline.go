package buildbtw

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// PipelineState is where the server stands with a pipeline.
type PipelineState string

// The states of a pipeline, in their order.
const (
	// PipelineCreating is stored before the server asks GitLab for the
	// pipeline. After a crash it is unknown whether GitLab made it: the server
	// looks for it under its ref before it does anything else with the build.
	PipelineCreating PipelineState = "creating"
	PipelineCreated  PipelineState = "created" // GitLab has it
	PipelineEnded    PipelineState = "ended"   // it will not run any more
)

// PipelineRefs is the prefix of the branches that pin the commits of pipelines.
// They are never sources of changes.
const PipelineRefs = "buildbtw/"

// Pipeline is a build sent to GitLab. Only the latest pipeline of a build is
// wanted. The result of the build comes from the attempt that the pipeline's
// executor begins, never from the pipeline: its status only shows that no
// attempt will begin any more.
type Pipeline struct {
	ID        int64         `bun:"id,pk,autoincrement"`
	BuildID   int64         `bun:"build_id"`
	State     PipelineState `bun:"state"`
	ProjectID int64         `bun:"project_id"` // GitLab's ID of the source's project; stays when that is renamed
	Project   string        `bun:"project"`    // its path when the build was handed out, for people
	Ref       string        `bun:"ref"`        // branch made for this pipeline alone; begins with PipelineRefs
	Number    int64         `bun:"number"`     // GitLab's ID of the pipeline; 0 until it is created
	Status    string        `bun:"status"`     // GitLab's word for it when it was last seen
	URL       string        `bun:"url"`        // its page in GitLab; empty until it is created
	AttemptID int64         `bun:"attempt_id"` // begun last by its executor; 0 before
	Job       int64         `bun:"job"`        // GitLab's ID of the job that began it; 0 when not known
	Message   string        `bun:"message"`    // why it ended without an attempt, in words
	Pinned    bool          `bun:"pinned"`     // Ref may still be in GitLab
	Cancels   int           `bun:"cancels"`    // how often GitLab was asked to cancel it
	CreatedAt time.Time     `bun:"created_at"`
	SeenAt    *time.Time    `bun:"seen_at"` // when GitLab last reported on it
	EndedAt   *time.Time    `bun:"ended_at"`

	CancelledAt *time.Time `bun:"cancelled_at"` // when GitLab was last asked to cancel it
}

const (
	// CancelledPause is how long a build waits whose job somebody cancelled in GitLab:
	// long enough for them to cancel it here, too.
	CancelledPause = 10 * time.Minute

	firstCancelPause = 10 * time.Second
	lastCancelPause  = 10 * time.Minute
)

// CancelledInGitLab reports whether a person cancelled the pipeline, and not the server.
func (p Pipeline) CancelledInGitLab() bool {
	return p.CancelledAt == nil && (p.Status == "canceled" || p.Status == "canceling")
}

// NextCancel returns when to ask GitLab to cancel it: at once, then at growing pauses,
// since a job whose runner was killed stays "canceling" for an hour.
func (p Pipeline) NextCancel() time.Time {
	if p.CancelledAt == nil {
		return time.Time{}
	}
	pause := firstCancelPause
	for range p.Cancels - 1 {
		pause = min(3*pause, lastCancelPause)
	}
	return p.CancelledAt.Add(pause)
}

// JobURL returns the page of the job that began the latest attempt; empty when it is
// not known.
func (p Pipeline) JobURL() string {
	if p.Job == 0 {
		return ""
	}
	return p.page("jobs/" + strconv.FormatInt(p.Job, 10))
}

// CommitURL returns GitLab's page of a commit of the project; empty before GitLab
// has the pipeline.
func (p Pipeline) CommitURL(commit string) string { return p.page("commit/" + commit) }

// page returns a page beside the pipeline's own.
func (p Pipeline) page(rest string) string {
	project, _, ok := strings.Cut(p.URL, "/-/")
	if !ok {
		return ""
	}
	return project + "/-/" + rest
}

// PipelineStatus is the state of a pipeline as GitLab reports it.
type PipelineStatus struct {
	Number  int64
	Status  string // GitLab's word
	URL     string
	Over    bool   // no job of it will run any more unless a person retries one
	Message string // when Over: what a build that has no attempt yet fails with, in words
}

// PipelineRequest is a request to GitLab for a pipeline of exactly this commit.
type PipelineRequest struct {
	ProjectID int64
	Ref       string // branch to make for it
	Commit    string
	Variables map[string]string // for the pipeline's jobs; GitLab shows them to people
}

// NoPipeline is the status of a pipeline that GitLab does not have.
func NoPipeline(number int64) PipelineStatus {
	return PipelineStatus{Number: number, Status: "deleted", Over: true, Message: fmt.Sprintf("Pipeline %d is gone from GitLab.", number)}
}
