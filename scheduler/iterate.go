package scheduler

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/catalog"
	"buildbtw/store"
)

// candidate is an active buildspace at the commits at which its changesets stood
// when the pass began. The reason for an iteration, its plan and its row all name
// these commits, whatever is pushed meanwhile.
type candidate struct {
	store.ActiveBuildspace
	at         []buildgraph.PlannedChangeset
	unresolved error            // why one of them has no commit: its source or ref is gone
	plan       *buildgraph.Plan // of one that follows its graph, if the catalog is new to it
	revision   uint64           // of the catalog with which it was planned
}

// moves remembers since when the changesets of a buildspace have stood at the
// commits at which they were last seen, so that a burst of pushes makes one
// iteration. It is only ever a delay: after a restart it starts anew.
type moves map[int64]move

type move struct {
	at    []string  // the commits, and the plan's digest if the graph moved
	first time.Time // when the first of the burst was noticed
	since time.Time // when they were first seen as they stand now
}

// maxDebounce bounds how often a steady stream of pushes can put off an
// iteration, in multiples of the debounce time.
const maxDebounce = 10

// iteratePass makes every iteration that is due. A buildspace that fails does
// not hold up the others.
func (s *Scheduler) iteratePass(ctx context.Context) error {
	if buildbtw.KindOf(s.Catalog.Ready()) == buildbtw.KindUnavailable {
		return nil // the loop that reads the sources wakes this one
	}
	spaces, err := s.Store.ActiveBuildspaces(ctx)
	if err != nil {
		return fmt.Errorf("list the active buildspaces: %w", err)
	}
	active, follow := make(map[int64]bool, len(spaces)), map[int64]bool{}
	var wanted []buildbtw.Changeset
	for _, space := range spaces {
		active[space.ID], follow[space.ID] = true, space.FollowAll
		if space.Wanted != "" {
			wanted = append(wanted, space.Changesets...)
		}
	}
	maps.DeleteFunc(s.moved, func(id int64, _ move) bool { return !active[id] })
	maps.DeleteFunc(s.followed, func(id int64, _ uint64) bool { return !follow[id] })
	var failures []error
	if len(wanted) > 0 {
		// Somebody who commits and then asks for an iteration means that commit.
		failures = append(failures, s.readSources(ctx), s.Forge.FetchChangesets(ctx, wanted))
	}
	candidates := make([]candidate, 0, len(spaces))
	for _, space := range spaces {
		at, err := s.Catalog.ResolveAll(ctx, space.Changesets)
		kind := buildbtw.KindOf(err)
		ours := kind == buildbtw.KindInternal || kind == buildbtw.KindUnavailable
		if err != nil && (ours || space.Wanted == "" && kind != buildbtw.KindNotFound) {
			delete(s.moved, space.ID)
			failures = append(failures, fmt.Errorf("iterate buildspace %s: %w", space.Name, err))
			continue
		}
		candidates = append(candidates, candidate{ActiveBuildspace: space, at: at, unresolved: err})
	}
	failures = append(failures, s.planFollowing(ctx, candidates))
	for _, c := range candidates {
		if err := s.iterateOne(ctx, c); err != nil {
			failures = append(failures, fmt.Errorf("iterate buildspace %s: %w", c.Name, err))
		}
	}
	return errors.Join(failures...)
}

// planFollowing plans the buildspaces that follow their whole graph, all at once,
// as far as the catalog has changed since they were looked at last. A plan that
// cannot be made is no reason for an iteration: the next change of the catalog is
// looked at again.
func (s *Scheduler) planFollowing(ctx context.Context, candidates []candidate) error {
	revision := s.Catalog.Revision()
	var places []int
	var requests []catalog.PlanRequest
	for i, c := range candidates {
		if !c.FollowAll || c.Latest == nil || c.Wanted != "" || s.followed[c.ID] == revision {
			continue
		}
		if c.unresolved != nil {
			s.followed[c.ID] = revision
			continue
		}
		places, requests = append(places, i), append(requests, catalog.PlanRequest{Changesets: c.at, Settings: c.Settings})
	}
	var failures []error
	for i, planned := range s.Catalog.PlanAll(ctx, requests) {
		c := &candidates[places[i]]
		c.plan, c.revision = planned.Plan, revision
		switch {
		case planned.Err == nil:
		case buildbtw.KindOf(planned.Err) == buildbtw.KindInternal:
			failures = append(failures, fmt.Errorf("plan buildspace %s: %w", c.Name, planned.Err))
		default:
			s.followed[c.ID] = revision
		}
	}
	return errors.Join(failures...)
}

// iterateOne makes the next iteration of a buildspace if somebody asked for
// one, a changeset moved, or something else in a graph that it follows. What moved
// must have rested for the debounce time, unless pushes have been coming for so
// long that the iteration is made anyway.
func (s *Scheduler) iterateOne(ctx context.Context, c candidate) error {
	if c.Wanted != "" {
		delete(s.moved, c.ID)
		return s.createIteration(ctx, c, c.Wanted, c.WantedText)
	}
	reason, text, at := s.movement(c)
	if reason == "" {
		delete(s.moved, c.ID)
		return nil
	}
	now := s.Now()
	seen, ok := s.moved[c.ID]
	if !ok {
		seen.first = now
	}
	if !slices.Equal(seen.at, at) {
		seen.at, seen.since = at, now
	}
	if now.Sub(seen.since) < s.Debounce && now.Sub(seen.first) < maxDebounce*s.Debounce {
		s.moved[c.ID] = seen
		return nil
	}
	delete(s.moved, c.ID)
	return s.createIteration(ctx, c, reason, text)
}

// movement returns why a buildspace needs a new iteration, in words too, and where
// it has moved to; an empty reason when it stands where its latest iteration does.
// A changeset whose ref is gone has not moved: the iteration goes on with the
// commit it has.
func (s *Scheduler) movement(c candidate) (reason buildbtw.IterationReason, text string, at []string) {
	if c.Latest == nil {
		return "", "", nil // the first iteration is always wanted
	}
	before := map[string]string{}
	for _, p := range c.Planned {
		before[p.Source] = p.Commit
	}
	var moved []string
	for _, p := range c.at {
		at = append(at, p.Commit)
		if p.Commit != "" && p.Commit != before[p.Source] {
			change := buildbtw.Changeset{Source: p.Source, Ref: p.Ref}
			moved = append(moved, fmt.Sprintf("%s moved from %s to %s", change, short(before[p.Source]), short(p.Commit)))
		}
	}
	if len(moved) > 0 {
		return buildbtw.IterationPushed, strings.Join(moved, "; "), at
	}
	if c.plan == nil {
		return "", "", nil
	}
	digest := store.PlanDigest(c.plan)
	if digest == c.Latest.PlanDigest {
		s.followed[c.ID] = c.revision
		return "", "", nil
	}
	return buildbtw.IterationFollowed, "a commit or a dependency in its graph changed (plan " + short(digest) + ")", append(at, digest)
}

// short abbreviates a commit or a digest as people write it.
func short(commit string) string {
	if commit == "" {
		return "nothing"
	}
	return commit[:min(len(commit), 7)]
}

// nextIteration returns the time at which the earliest pushed buildspace is due.
func (s *Scheduler) nextIteration(context.Context) (time.Time, bool, error) {
	var next time.Time
	for _, m := range s.moved {
		if due := m.since.Add(s.Debounce); next.IsZero() || due.Before(next) {
			next = due
		}
	}
	return next, !next.IsZero(), nil
}

// createIteration plans and stores an iteration. Its pacman repositories, with
// what need not be built in them, exist before anybody can learn of it. A plan
// that cannot be made is stored as an invalid iteration, with the reason and the
// commits as far as they are known, so that the next push is noticed.
func (s *Scheduler) createIteration(ctx context.Context, c candidate, reason buildbtw.IterationReason, text string) error {
	next := store.NewIteration{
		BuildspaceID: c.ID, Revision: c.Revision,
		Reason: reason, ReasonText: text, CutOff: true,
		Plan: c.plan, Err: c.unresolved,
	}
	if next.Plan == nil && next.Err == nil {
		next.Plan, next.Err = s.Catalog.PlanAt(ctx, catalog.PlanRequest{Changesets: c.at, Settings: c.Settings})
	}
	var err error
	switch {
	case next.Plan != nil:
		next.Rows, err = s.Publisher.CreateRepositories(ctx, c.ActiveBuildspace, next.Plan)
	case buildbtw.KindOf(next.Err) == buildbtw.KindInternal:
		err = next.Err // ours or git's fault: try again with the next pass
	default:
		next.Changesets = c.at
	}
	if err != nil {
		return err
	}
	row, err := s.Store.CreateIteration(ctx, next)
	if err != nil {
		return err
	}
	s.Log.InfoContext(ctx, "iteration made", "buildspace", c.Name, "iteration", row.Number, "reason", reason,
		"builds", row.Counts.Total(), "reused", next.Rows.Reused())
	return nil
}
