package gitlab

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/xanzy/go-gitlab"

	"buildbtw"
)

// CreatePipeline makes a branch at exactly the commit, because GitLab builds
// branches and tags only, and a pipeline on it. The call that makes the
// pipeline is sent once: when its answer is lost, FindPipeline finds out
// whether it was made.
func (c *Client) CreatePipeline(ctx context.Context, r buildbtw.PipelineRequest) (buildbtw.PipelineStatus, error) {
	if err := c.pin(ctx, r); err != nil {
		return buildbtw.PipelineStatus{}, err
	}
	options := &gitlab.CreatePipelineOptions{Ref: &r.Ref, Variables: variables(r.Variables)}
	p, _, err := c.create.Pipelines.CreatePipeline(int(r.ProjectID), options, gitlab.WithContext(ctx))
	if err != nil {
		return buildbtw.PipelineStatus{}, c.failed(ctx, err, "make a pipeline in project %d", r.ProjectID)
	}
	return status(int64(p.ID), p.Status, p.WebURL), nil
}

// pin makes the branch. That it is there already is the answer to a request that
// was repeated: nobody else knows its name.
func (c *Client) pin(ctx context.Context, r buildbtw.PipelineRequest) error {
	_, _, err := c.read.Branches.CreateBranch(int(r.ProjectID), &gitlab.CreateBranchOptions{Branch: &r.Ref, Ref: &r.Commit}, gitlab.WithContext(ctx))
	err = c.failed(ctx, err, "make a branch in project %d", r.ProjectID)
	var known *Error
	if errors.As(err, &known) && known.Trouble == Refused && strings.Contains(known.Said, "already exists") {
		return nil
	}
	return err
}

func variables(all map[string]string) *[]*gitlab.PipelineVariableOptions {
	var list []*gitlab.PipelineVariableOptions
	for key, value := range all {
		list = append(list, &gitlab.PipelineVariableOptions{Key: gitlab.Ptr(key), Value: gitlab.Ptr(value)})
	}
	return &list
}

// FindPipeline looks for the pipeline that was made on a pipeline's own branch;
// false when there is none.
func (c *Client) FindPipeline(ctx context.Context, p buildbtw.Pipeline) (buildbtw.PipelineStatus, bool, error) {
	options := &gitlab.ListProjectPipelinesOptions{Ref: &p.Ref}
	found, _, err := c.read.Pipelines.ListProjectPipelines(int(p.ProjectID), options, gitlab.WithContext(ctx))
	if err != nil {
		return buildbtw.PipelineStatus{}, false, c.failed(ctx, err, "look for the pipeline of branch %s in %s", p.Ref, p.Project)
	}
	for _, info := range found {
		if info.Source == "" || info.Source == "api" {
			return status(int64(info.ID), info.Status, info.WebURL), true, nil
		}
	}
	return buildbtw.PipelineStatus{}, false, nil
}

// CancelPipeline ends a pipeline; one that is over or gone already is no error.
func (c *Client) CancelPipeline(ctx context.Context, p buildbtw.Pipeline) error {
	_, _, err := c.read.Pipelines.CancelPipelineBuild(int(p.ProjectID), int(p.Number), gitlab.WithContext(ctx))
	return gone(c.failed(ctx, err, "cancel pipeline %d of %s", p.Number, p.Project))
}

// RemovePin removes the branch that was made for a pipeline; one that is gone
// is no error.
func (c *Client) RemovePin(ctx context.Context, p buildbtw.Pipeline) error {
	if !strings.HasPrefix(p.Ref, buildbtw.PipelineRefs) {
		return fmt.Errorf("branch %s of %s was not made for a pipeline", p.Ref, p.Project)
	}
	_, err := c.read.Branches.DeleteBranch(int(p.ProjectID), p.Ref, gitlab.WithContext(ctx))
	return gone(c.failed(ctx, err, "remove branch %s of %s", p.Ref, p.Project))
}

// gone returns nil for NotFound: nothing is left to remove.
func gone(err error) error {
	if TroubleOf(err) == NotFound {
		return nil
	}
	return err
}

// endings returns the statuses in which GitLab runs nothing any more, each with
// a message for a build that no executor has begun. In its other statuses
// (created, waiting_for_resource, preparing, pending, running, scheduled,
// canceling, waiting_for_callback, and any new one) a pipeline goes on by
// itself.
func endings() map[string]string {
	return map[string]string{
		"success":  "Its pipeline succeeded without building anything: does the CI configuration run buildbtw's executor?",
		"failed":   "Its pipeline failed before anything was built; the job in GitLab says why.",
		"canceled": "Its pipeline was cancelled in GitLab.",
		"skipped":  "GitLab skipped its pipeline: does the CI configuration have a job for it?",
		"manual":   "Its pipeline waits for a person in GitLab: the CI configuration must not have jobs that are started by hand.",
		"deleted":  "Its pipeline is gone from GitLab.",
	}
}

// status translates GitLab's status of a pipeline.
func status(number int64, word, url string) buildbtw.PipelineStatus {
	word = strings.ToLower(word)
	message, over := endings()[word]
	return buildbtw.PipelineStatus{Number: number, Status: word, URL: url, Over: over, Message: message}
}
