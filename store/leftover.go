package store

import (
	"context"
	"fmt"
)

// UnfinishedAttempts gives the attempts that run or publish: their staged files
// are still needed.
func (s *Store) UnfinishedAttempts(ctx context.Context) ([]int64, error) {
	ids := []int64{}
	if err := s.lists.SelectContext(ctx, &ids, `SELECT id FROM attempts WHERE state <> 'finished' ORDER BY id`); err != nil {
		return nil, fmt.Errorf("list the unfinished attempts: %w", err)
	}
	return ids, nil
}

// ReadyRepositories gives the names of the repositories that builds still go
// into.
func (s *Store) ReadyRepositories(ctx context.Context) ([]string, error) {
	names := []string{}
	err := s.lists.SelectContext(ctx, &names, `
		SELECT b.name || '_' || i.number FROM iterations i JOIN buildspaces b ON b.id = i.buildspace_id
		WHERE i.state = 'ready' ORDER BY i.id`)
	if err != nil {
		return nil, fmt.Errorf("list the repositories in use: %w", err)
	}
	return names, nil
}
