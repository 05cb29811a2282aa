package scheduler

import (
	"context"
	"errors"
	"time"
)

// repeatLoop has what was built built a second time while workers are idle, and compares what the
// end of the server cut off. All that it does follows from the database.
func (s *Scheduler) repeatLoop() Loop {
	return Loop{
		Name:        "repeat",
		Description: "has what was built lately built a second time while workers are idle, and ends that when builds wait",
		Period:      10 * time.Second, Pass: s.repeatPass,
	}
}

func (s *Scheduler) repeatPass(ctx context.Context) error {
	_, ended := s.Store.EndRepeats(ctx)
	_, begun := s.Store.BeginRepeats(ctx)
	return errors.Join(ended, begun, s.Store.RemoveRepeats(ctx), s.Publisher.CompleteRepeats(ctx))
}
