package store

import (
	"context"
	"fmt"
)

// ChangesetCommit is a commit at which an iteration has a changeset.
type ChangesetCommit struct {
	Buildspace string `bun:"name"`
	Iteration  int    `bun:"number"`
	Source     string `bun:"source"`
	Commit     string `bun:"commit_id"`
}

// ChangesetCommits lists the changesets of iterations whose commit begins with
// a prefix, newest iteration first.
func (s *Store) ChangesetCommits(ctx context.Context, prefix string, limit int) ([]ChangesetCommit, error) {
	limit, err := pageLimit(limit)
	if err != nil {
		return nil, err
	}
	rows := []ChangesetCommit{}
	err = s.lists.SelectContext(ctx, &rows, `SELECT s.name, i.number, c.source, c.commit_id FROM iteration_changesets AS c
JOIN iterations AS i ON i.id = c.iteration_id JOIN buildspaces AS s ON s.id = i.buildspace_id
WHERE substr(c.commit_id, 1, ?) = ? ORDER BY i.id DESC, c.source LIMIT ?`, len(prefix), prefix, limit)
	if err != nil {
		return nil, fmt.Errorf("look for commit %s: %w", prefix, err)
	}
	return rows, nil
}
