package scheduler

import (
	"context"

	"buildbtw"
	"buildbtw/store"
)

// movedGraph says in words that a buildspace which follows its whole graph would
// build something else by now; empty when it would not. The plan is computed
// only when the catalog has changed since the last look. One that cannot be
// made is no reason for an iteration: the next change of the catalog is looked
// at again.
func (s *Scheduler) movedGraph(ctx context.Context, space store.ActiveBuildspace) (string, error) {
	now := s.catalog.current.Load()
	if !space.FollowAll || space.Latest == nil || s.followed[space.ID] == now {
		return "", nil
	}
	plan, err := s.catalog.Plan(ctx, space.Changesets, space.Settings)
	if buildbtw.KindOf(err) == buildbtw.KindInternal && err != nil {
		return "", err
	}
	if err != nil || store.PlanDigest(plan) == space.Latest.PlanDigest {
		s.followed[space.ID] = now
		return "", nil
	}
	// The digest stands in the words, so that a burst of pushes is one.
	return "a commit or a dependency in its graph changed (plan " + short(store.PlanDigest(plan)) + ")", nil
}
