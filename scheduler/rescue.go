package scheduler

import (
	"context"
	"errors"
	"fmt"
)

// rescuePass completes publications that were cut off and gives up attempts
// whose lease ran out. It runs before anything else at start-up. Its error is the
// database's: what goes wrong with one attempt is only logged.
func (s *Scheduler) rescuePass(ctx context.Context) error {
	completed := s.Publisher.CompleteAll(ctx)
	lost, err := s.Store.ExpireLeases(ctx)
	if err != nil {
		return errors.Join(completed, fmt.Errorf("give up lost attempts: %w", err))
	}
	for _, a := range lost {
		s.Log.WarnContext(ctx, "attempt lost: no heartbeat", "build", a.BuildID, "attempt", a.Number, "worker", a.Worker)
		if err := s.Repos.Discard(a.ID); err != nil {
			s.Log.ErrorContext(ctx, "staged packages of a lost attempt stay behind", "attempt", a.ID, "error", err)
		}
	}
	return completed
}
