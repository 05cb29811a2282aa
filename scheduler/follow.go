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
	switch {
	case err == nil && store.PlanDigest(plan) != space.Latest.PlanDigest:
		// The digest stands in the words, so that every push of a burst is seen.
		return "a commit or a dependency in its graph changed (plan " + short(store.PlanDigest(plan)) + ")", nil
	case err != nil && buildbtw.KindOf(err) == buildbtw.KindInternal:
		return "", err
	}
	s.followed[space.ID] = now
	return "", nil
}
