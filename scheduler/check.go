package scheduler

import (
	"context"
	"time"
)

// checkLoop runs the checks of what was built.
func (s *Scheduler) checkLoop() Loop {
	return Loop{
		Name:        "check",
		Description: "compares built packages with those of users that they would replace",
		Limit:       longLimit,
		Period:      10 * time.Second, Pass: s.checkPass,
	}
}

// checkedInAPass bounds the builds of one pass, so that the loop ends soon when it has to.
const checkedInAPass = 200

// checkPass runs the checks of builds that have no results. Which ones these are follows from the
// database: a crash costs nothing.
func (s *Scheduler) checkPass(ctx context.Context) error {
	for {
		n, err := s.Catalog.CheckBuilds(ctx, 0, checkedInAPass)
		if err != nil || n < checkedInAPass {
			return err
		}
	}
}
