package store

import (
	"context"
	"fmt"
	"time"
)

const (
	pushedIterations = 5000 // the latest, among which commits are looked for
	maxPushed        = 500  // commits of iterations that are listed
	maxCaused        = 2000 // iterations and followers of a page of commits
)

// Pushed is a commit of a source with the ref at which a changeset had it; the ref is empty
// for the base ref.
type Pushed struct {
	Source string `bun:"source"`
	Ref    string `bun:"ref"`
	Commit string `bun:"commit_id"`
}

// RecentChangesets lists the commits at which the latest iterations have changesets, each
// once, the newest iteration first; at most 500.
func (q *Reader) RecentChangesets(ctx context.Context) ([]Pushed, error) {
	rows := []Pushed{}
	err := q.list(ctx, &rows, "recent_changesets", args{"iterations": pushedIterations, "limit": maxPushed})
	if err != nil {
		return nil, fmt.Errorf("list the commits of iterations: %w", err)
	}
	return rows, nil
}

// PushedIteration is an iteration that has a changeset at a commit.
type PushedIteration struct {
	IterationRow
	Source string `bun:"source"`
	Commit string `bun:"commit_id"`
}

// IterationsOfCommits lists the iterations that have a changeset at one of the commits, the
// oldest first.
func (q *Reader) IterationsOfCommits(ctx context.Context, commits []string) ([]PushedIteration, error) {
	rows := []PushedIteration{}
	err := q.Snapshot(ctx, func(q *Reader) error {
		err := q.list(ctx, &rows, "iterations_of_commits", args{"commits": textList(commits), "iterations": pushedIterations, "limit": maxCaused})
		if err != nil {
			return err
		}
		iterations := make([]IterationRow, 0, len(rows))
		place := map[int64]int{}
		for _, r := range rows {
			if _, listed := place[r.ID]; !listed {
				place[r.ID] = len(iterations)
				iterations = append(iterations, r.IterationRow)
			}
		}
		if err := addCounts(ctx, q, iterations); err != nil {
			return err
		}
		for i, r := range rows {
			rows[i].Counts = iterations[place[r.ID]].Counts
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the iterations of %d commits: %w", len(commits), err)
	}
	return rows, nil
}

// Follower is an active buildspace with a changeset of a source; the ref is empty for the
// base ref.
type Follower struct {
	Buildspace string `bun:"buildspace"`
	Source     string `bun:"source"`
	Ref        string `bun:"ref"`
}

// Followers lists the active buildspaces with a changeset of one of the sources, by name.
func (q *Reader) Followers(ctx context.Context, sources []string) ([]Follower, error) {
	rows := []Follower{}
	err := q.list(ctx, &rows, "followers", args{"sources": textList(sources), "limit": maxCaused})
	if err != nil {
		return nil, fmt.Errorf("list what follows %d sources: %w", len(sources), err)
	}
	return rows, nil
}

// NewChangeset is a changeset with the iteration that was made of it.
type NewChangeset struct {
	Pushed
	IterationID int64     `bun:"iteration_id"`
	CreatedAt   time.Time `bun:"created_at"` // of the iteration
}

// NewChangesets lists the changesets of iterations, by iteration and source; those of the
// last ones are missing where there are thousands.
func (q *Reader) NewChangesets(ctx context.Context, iterations []int64) ([]NewChangeset, error) {
	rows := []NewChangeset{}
	if err := q.list(ctx, &rows, "changesets_of_new_iterations", args{"iterations": idList(iterations), "limit": maxCaused}); err != nil {
		return nil, fmt.Errorf("list the changesets of %d iterations: %w", len(iterations), err)
	}
	return rows, nil
}

// ProjectPaths returns the paths on GitLab of those sources that come from there, by slug.
func (q *Reader) ProjectPaths(ctx context.Context, slugs []string) (map[string]string, error) {
	var rows []struct {
		Slug string `bun:"slug"`
		Path string `bun:"path"`
	}
	if err := q.list(ctx, &rows, "project_paths", args{"slugs": textList(slugs)}); err != nil {
		return nil, fmt.Errorf("list the projects of %d sources: %w", len(slugs), err)
	}
	paths := make(map[string]string, len(rows))
	for _, r := range rows {
		if _, known := paths[r.Slug]; !known { // the first is the source
			paths[r.Slug] = r.Path
		}
	}
	return paths, nil
}
