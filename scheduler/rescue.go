package scheduler

import (
	"context"
	"errors"
)

// rescuePass completes publications that were cut off and gives up attempts
// whose lease ran out. It runs first at start-up. The error joins those of single
// attempts, which do not stop the others.
func (s *Scheduler) rescuePass(ctx context.Context) error {
	completed := s.Publisher.CompleteAll(ctx)
	extended := s.extendLeases(ctx)
	if s.restarted {
		return errors.Join(completed, extended)
	}
	lost, err := s.Store.ExpireLeases(ctx, s.unextended...)
	for _, a := range lost {
		s.Log.WarnContext(ctx, "attempt lost: no heartbeat", "build", a.BuildID, "attempt", a.Number, "worker", a.Worker)
		if err := s.Repos.Discard(a.Name()); err != nil {
			s.Log.ErrorContext(ctx, "staged packages of a lost attempt stay behind", "attempt", a.ID, "error", err)
		}
	}
	return errors.Join(completed, extended, err)
}

// extendLeases gives those who built while the server was down the time to send a
// heartbeat. An attempt for which that fails is not given up meanwhile.
func (s *Scheduler) extendLeases(ctx context.Context) (err error) {
	if s.restarted {
		if s.unextended, err = s.Store.RunningAttempts(ctx); err != nil {
			return err
		}
		s.restarted = false
	}
	s.unextended, err = s.Store.ExtendLeases(ctx, s.unextended, s.Lease)
	return err
}
