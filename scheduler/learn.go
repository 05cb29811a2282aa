package scheduler

import (
	"context"

	"buildbtw/progress"
)

// learnPass passes on the durations learned so far to the plans, and puts builds
// that are not handed out yet into the order that follows from it.
func (s *Scheduler) learnPass(ctx context.Context) error {
	seconds, err := progress.Reorder(ctx, s.Store)
	if seconds != nil {
		s.Catalog.SetDurations(seconds)
	}
	return err
}
