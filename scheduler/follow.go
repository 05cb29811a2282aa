package scheduler

import (
	"context"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/catalog"
	"buildbtw/store"
)

// followedPlans are the plans, by one state of the catalog, of buildspaces that
// follow their whole graph.
type followedPlans struct {
	of    uint64                       // revision
	plans map[int64]buildgraph.Planned // by buildspace
}

// planFollowed plans the buildspaces that follow their whole graph, all at
// once, as far as the catalog has changed since they were looked at last.
func (s *Scheduler) planFollowed(ctx context.Context, spaces []store.ActiveBuildspace) followedPlans {
	f := followedPlans{of: s.Catalog.Revision(), plans: map[int64]buildgraph.Planned{}}
	var ids []int64
	var requests []catalog.PlanRequest
	for _, space := range spaces {
		if !space.FollowAll || space.Latest == nil || wanted(space) || s.followed[space.ID] == f.of {
			continue
		}
		ids, requests = append(ids, space.ID), append(requests, catalog.PlanRequest{Changesets: space.Changesets, Settings: space.Settings})
	}
	for i, planned := range s.Catalog.PlanAll(ctx, requests) {
		f.plans[ids[i]] = planned
	}
	return f
}

// movedGraph says in words that a buildspace which follows its whole graph would
// build something else by now; empty when it would not. A plan that cannot be
// made is no reason for an iteration: the next change of the catalog is looked
// at again.
func (s *Scheduler) movedGraph(space store.ActiveBuildspace, f followedPlans) (string, error) {
	planned, ok := f.plans[space.ID]
	if !ok {
		return "", nil
	}
	if planned.Err == nil {
		if digest := store.PlanDigest(planned.Plan); digest != space.Latest.PlanDigest {
			// The digest stands in the words, so that every push of a burst is seen.
			return "a commit or a dependency in its graph changed (plan " + short(digest) + ")", nil
		}
	} else if buildbtw.KindOf(planned.Err) == buildbtw.KindInternal {
		return "", planned.Err
	}
	s.followed[space.ID] = f.of
	return "", nil
}
