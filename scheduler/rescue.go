package scheduler

import (
	"context"
	"errors"
	"fmt"
)

// rescuePass completes publications that were cut off and gives up attempts
// whose lease ran out. It runs before anything else at start-up.
func (s *Scheduler) rescuePass(ctx context.Context) error {
	return errors.Join(s.completePublishing(ctx), s.expireLeases(ctx))
}

// completePublishing rolls forward every attempt whose packages were being
// published when the server stopped, or whose publication failed.
func (s *Scheduler) completePublishing(ctx context.Context) error {
	list, err := s.Store.Publishing(ctx)
	if err != nil {
		return fmt.Errorf("list unfinished publications: %w", err)
	}
	var failures []error
	for _, p := range list {
		if _, err := s.publish(ctx, p); err != nil {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// expireLeases gives up attempts that were not heard of in time.
func (s *Scheduler) expireLeases(ctx context.Context) error {
	lost, err := s.Store.ExpireLeases(ctx)
	if err != nil {
		return fmt.Errorf("give up lost attempts: %w", err)
	}
	for _, a := range lost {
		s.Log.WarnContext(ctx, "attempt lost: no heartbeat", "build", a.BuildID, "attempt", a.Number, "worker", a.Worker)
		if err := s.Repos.Discard(a.ID); err != nil {
			s.Log.ErrorContext(ctx, "staged packages of a lost attempt stay behind", "attempt", a.ID, "error", err)
		}
	}
	return nil
}
