package scheduler

import (
	"context"

	"buildbtw/progress"
)

// learnPass gives the plans what has been learned of durations, and puts builds
// that are not handed out yet into the order that follows from it.
func (s *Scheduler) learnPass(ctx context.Context) error {
	seconds, err := progress.Reorder(ctx, s.Store)
	if seconds != nil {
		s.Catalog.SetDurations(seconds)
	}
	return err
}
