package scheduler

import (
	"context"
	"errors"
	"time"
)

// integrityLoop looks for damage that nobody has met yet.
func (s *Scheduler) integrityLoop() Loop {
	return Loop{
		Name:        "integrity",
		Description: "looks for damage in the database and for lost or damaged packages, and has these built again",
		Period:      integrityPeriod, Pass: s.integrityPass,
	}
}

// integrityPeriod is the time between two looks. The database is read as a whole each time.
const integrityPeriod = time.Hour

func (s *Scheduler) integrityPass(ctx context.Context) error {
	failures := []error{s.Store.CheckIntegrity(ctx), s.Publisher.Examine(ctx)}
	if s.Handover != nil {
		failures = append(failures, s.Handover.Examine(ctx))
	}
	return errors.Join(failures...)
}
