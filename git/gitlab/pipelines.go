package gitlab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xanzy/go-gitlab"

	"buildbtw"
)

const (
	// perQuery is how many projects are asked about at once: GitLab's largest
	// page. The query's complexity is about 16 of the 250 that GitLab allows.
	perQuery = 100

	// latest is how many pipelines of each project are looked at. One that is
	// not among them is asked for by itself.
	latest = 20

	// maxSingles bounds the requests for single pipelines in one call. The rest
	// is queried next time: the longest unseen come first.
	maxSingles = 20
)

const statusQuery = `query pipelines($ids: [ID!]!, $projects: Int!, $latest: Int!) {
  projects(ids: $ids, first: $projects) {
    nodes { pipelines(first: $latest) { nodes { id status } } }
  }
}`

// SeePipelines returns the statuses of pipelines, by row, in one request for a
// hundred projects. A pipeline that GitLab does not have any more is
// buildbtw.NoPipeline. Those whose status could not be read are left out; the
// error has the reason.
func (c *Client) SeePipelines(ctx context.Context, list []buildbtw.Pipeline) (map[int64]buildbtw.PipelineStatus, error) {
	words, err := c.statuses(ctx, projectsOf(list))
	seen := make(map[int64]buildbtw.PipelineStatus, len(list))
	var unseen []buildbtw.Pipeline
	for _, p := range list {
		// The list has no addresses: a pipeline whose executor was quicker than
		// GitLab's answer has none yet.
		if word, ok := words[p.Number]; ok && p.URL != "" {
			seen[p.ID] = status(p.Number, word, "")
		} else {
			unseen = append(unseen, p)
		}
	}
	return seen, errors.Join(err, c.seeSingles(ctx, unseen, seen), c.explain(ctx, list, seen))
}

// explain adds GitLab's reason to the messages of pipelines that failed without an
// attempt. What cannot be learned leaves the message as it is.
func (c *Client) explain(ctx context.Context, list []buildbtw.Pipeline, seen map[int64]buildbtw.PipelineStatus) error {
	asked := 0
	for _, p := range list {
		st := seen[p.ID]
		if st.Status != "failed" || p.AttemptID != 0 || asked >= maxSingles {
			continue
		}
		asked++
		jobs, _, err := c.read.Jobs.ListPipelineJobs(int(p.ProjectID), int(p.Number), nil, gitlab.WithContext(ctx))
		if err != nil {
			return c.failed(ctx, err, "look at the jobs of pipeline %d of %s", p.Number, p.Project)
		}
		for _, job := range jobs {
			if text := reason(job); text != "" {
				st.Message = text
				seen[p.ID] = st
				break
			}
		}
	}
	return nil
}

// reason returns why GitLab ended a job before a runner's script began, in words; empty
// when it was nothing of the kind.
func reason(job *gitlab.Job) string {
	switch job.FailureReason {
	case "stuck_or_timeout_failure", "runner_provisioning_timeout":
		if len(job.TagList) == 0 {
			return "No runner took its job in time: is one online that takes jobs without tags and is not protected?"
		}
		return fmt.Sprintf("No runner took its job in time: is one with the tag %s online and not protected?", strings.Join(job.TagList, " and "))
	case "", "script_failure":
		return ""
	}
	return "Its job failed before anything was built; GitLab says: " + strings.ReplaceAll(job.FailureReason, "_", " ") + "."
}

func projectsOf(list []buildbtw.Pipeline) []int64 {
	ids := make([]int64, 0, len(list))
	for _, p := range list {
		ids = append(ids, p.ProjectID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// statuses returns GitLab's statuses of the latest pipelines of projects, by
// number. After an error it returns those read before it.
func (c *Client) statuses(ctx context.Context, projects []int64) (map[int64]string, error) {
	words := map[int64]string{}
	for chunk := range slices.Chunk(projects, perQuery) {
		answer, err := c.statusesOf(ctx, chunk)
		if err != nil {
			return words, err
		}
		for _, project := range answer.Projects.Nodes {
			for _, p := range project.Pipelines.Nodes {
				if number, ok := numberOf(p.ID); ok {
					words[number] = p.Status
				}
			}
		}
	}
	return words, nil
}

type statusAnswer struct {
	Projects struct {
		Nodes []struct {
			Pipelines struct {
				Nodes []struct{ ID, Status string }
			}
		}
	}
}

func (c *Client) statusesOf(ctx context.Context, projects []int64) (statusAnswer, error) {
	ids := make([]string, len(projects))
	for i, id := range projects {
		ids[i] = fmt.Sprintf("gid://gitlab/Project/%d", id)
	}
	var answer statusAnswer
	err := c.query(ctx, statusQuery, map[string]any{"ids": ids, "projects": perQuery, "latest": latest}, &answer)
	return answer, err
}

// numberOf reads the number of a pipeline from GraphQL's global ID.
func numberOf(id string) (int64, bool) {
	text, ok := strings.CutPrefix(id, "gid://gitlab/Ci::Pipeline/")
	n, err := strconv.ParseInt(text, 10, 64)
	return n, ok && err == nil
}

// seeSingles asks for pipelines one by one. Trouble with one project does not stop
// the others.
func (c *Client) seeSingles(ctx context.Context, list []buildbtw.Pipeline, seen map[int64]buildbtw.PipelineStatus) error {
	slices.SortStableFunc(list, func(a, b buildbtw.Pipeline) int { return seenAt(a).Compare(seenAt(b)) })
	var failures []error
	for _, p := range list[:min(len(list), maxSingles)] {
		found, _, err := c.read.Pipelines.GetPipeline(int(p.ProjectID), int(p.Number), gitlab.WithContext(ctx))
		err = c.failed(ctx, err, "look at pipeline %d of %s", p.Number, p.Project)
		switch {
		case TroubleOf(err) == NotFound:
			seen[p.ID] = buildbtw.NoPipeline(p.Number)
		case TroubleOf(err) == Forbidden:
			seen[p.ID] = hidden(p.Number)
		case buildbtw.KindOf(err) == buildbtw.KindInvalid:
			failures = append(failures, err)
		case err != nil:
			return errors.Join(append(failures, err)...)
		default:
			seen[p.ID] = status(p.Number, found.Status, found.WebURL)
		}
	}
	return errors.Join(failures...)
}

// hidden returns the status of a pipeline that GitLab does not show any more, as when
// CI/CD was switched off in its project. Nothing will be heard of it.
func hidden(number int64) buildbtw.PipelineStatus {
	return buildbtw.PipelineStatus{
		Number: number, Status: "hidden", Over: true,
		Message: fmt.Sprintf("GitLab does not show pipeline %d to this token: is CI/CD switched off in the project?", number),
	}
}

func seenAt(p buildbtw.Pipeline) time.Time {
	if p.SeenAt == nil {
		return p.CreatedAt
	}
	return *p.SeenAt
}
