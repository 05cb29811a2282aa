package scheduler

import (
	"cmp"
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
	"buildbtw/git/gitmirror"
	"buildbtw/internal/guard"
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
	if err != nil && len(spaces) == 0 {
		return err
	}
	failures := []error{err} // of those that cannot be read
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
	current := make(map[wish]bool, len(spaces))
	for _, space := range spaces {
		current[wishOf(space)] = true
	}
	s.wishes.Keep(func(w wish) bool { return current[w] })
	s.graphs.Keep(func(id int64) bool { return follow[id] })
	if len(wanted) > 0 {
		// Somebody who commits and then asks for an iteration means that commit.
		_, err := s.readSources(ctx)
		failures = append(failures, err, s.Forge.FetchChangesets(ctx, wanted))
	}
	candidates := make([]candidate, 0, len(spaces))
	for _, space := range spaces {
		at, err := s.Catalog.ResolveAll(ctx, space.Changesets)
		c := candidate{ActiveBuildspace: space, at: at, unresolved: err}
		kind := buildbtw.KindOf(err)
		ours := kind == buildbtw.KindInternal || kind == buildbtw.KindUnavailable
		if err != nil && (ours || space.Wanted == "" && kind != buildbtw.KindNotFound) {
			delete(s.moved, space.ID)
			s.try(ctx, c, func() error { return err })
			continue
		}
		candidates = append(candidates, c)
		failures = append(failures, s.noteLost(ctx, c))
	}
	s.planFollowing(ctx, candidates)
	for _, c := range candidates {
		s.try(ctx, c, func() error { return s.iterateOne(ctx, c) })
	}
	return errors.Join(failures...)
}

// noteLost has a buildspace tell when a changeset that its latest iteration has
// cannot be followed any more, and when it can be again.
func (s *Scheduler) noteLost(ctx context.Context, c candidate) error {
	var lost []buildbtw.Changeset
	var names []string
	if c.Latest != nil {
		for _, at := range c.at {
			if at.Commit == "" {
				gone := buildbtw.Changeset{Source: at.Source, Ref: at.Ref}
				lost, names = append(lost, gone), append(names, gone.String())
			}
		}
	}
	if strings.Join(names, ", ") == c.Lost {
		return nil
	}
	why := ""
	if c.unresolved != nil {
		why = buildbtw.MessageOf(c.unresolved)
	}
	return s.Store.NoteLost(ctx, c.ID, lost, why)
}

// wish is the key by which failures to make a buildspace's next iteration are counted. It
// changes when the buildspace is edited or a new iteration is requested, which is then
// tried at once.
type wish struct{ buildspace, revision int64 }

func wishOf(space store.ActiveBuildspace) wish { return wish{space.ID, space.Revision} }

// try works on a buildspace. A failure does not affect the others: it is retried with
// growing pauses. In the end, unless the disk is full, an invalid iteration with the
// error takes the place of a requested one.
func (s *Scheduler) try(ctx context.Context, c candidate, work func() error) {
	failure, err := s.wishes.Try(ctx, s.Log, s.Now(), wishOf(c.ActiveBuildspace), "the next iteration of buildspace "+c.Name+" cannot be made", work)
	if err == nil || c.Wanted == "" || failure.Tries < guard.GiveUpAfter || buildbtw.MayPass(err) {
		return
	}
	text := fmt.Sprintf("The server tried %d times to make this iteration and failed each time. %s Ask for a new iteration when that is mended.", failure.Tries, buildbtw.MessageOf(err))
	_, err = s.Store.CreateIteration(ctx, store.NewIteration{
		BuildspaceID: c.ID, Revision: c.Revision, Reason: c.Wanted, ReasonText: c.WantedText, CutOff: true,
		Err: buildbtw.Unavailable("%s", text), Changesets: c.at,
	})
	if err != nil && ctx.Err() == nil {
		s.Log.ErrorContext(ctx, "an iteration that cannot be made cannot be given up either", "buildspace", c.Name, "error", err)
	}
}

// planFollowing plans the buildspaces that follow their whole graph, all at once,
// as far as the catalog has changed since they were looked at last. A plan that
// cannot be made is no reason for an iteration: the next change of the catalog is
// looked at again.
func (s *Scheduler) planFollowing(ctx context.Context, candidates []candidate) {
	revision := s.Catalog.Revision()
	var places []int
	var requests []catalog.PlanRequest
	for i, c := range candidates {
		if !c.FollowAll || c.Latest == nil || c.Wanted != "" || s.followed[c.ID] == revision || !s.graphs.Due(c.ID, s.Now()) {
			continue
		}
		if c.unresolved != nil {
			s.followed[c.ID] = revision
			continue
		}
		places, requests = append(places, i), append(requests, catalog.PlanRequest{Changesets: c.at, Settings: c.Settings})
	}
	var all []buildgraph.Planned
	err := guard.Run(func() error {
		all = s.Catalog.PlanAll(ctx, requests)
		return nil
	})
	for i, place := range places {
		c, planned := &candidates[place], buildgraph.Planned{Err: err}
		if err == nil {
			planned = all[i]
		}
		c.plan, c.revision = planned.Plan, revision
		kind := buildbtw.KindOf(planned.Err)
		if planned.Err != nil && kind != buildbtw.KindInternal {
			s.followed[c.ID], planned.Err = revision, nil
		}
		_, _ = s.graphs.Try(ctx, s.Log, s.Now(), c.ID, "the graph of buildspace "+c.Name+" cannot be planned", func() error { return planned.Err }) // is noted
	}
}

// iterateOne makes the next iteration of a buildspace if one was requested, a changeset
// moved, or another source did and the buildspace follows the whole graph. If it follows
// fixes, a push to the source of a failed build makes that source a changeset. After the
// last push the debounce time must have passed, unless pushes have been coming for so long
// that the iteration is made anyway.
func (s *Scheduler) iterateOne(ctx context.Context, c candidate) error {
	if c.Wanted != "" {
		delete(s.moved, c.ID)
		return s.createIteration(ctx, c, c.Wanted, c.WantedText)
	}
	reason, text, at := s.movement(c)
	create := func() error { return s.createIteration(ctx, c, reason, text) }
	if reason == "" {
		var fix store.Fix
		var err error
		if fix, at, err = s.pushedFixes(ctx, c); err != nil {
			return err
		}
		create = func() error { return s.followFixes(ctx, c, fix) }
	}
	if len(at) == 0 {
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
	if err := create(); err != nil {
		s.moved[c.ID] = seen
		return err
	}
	delete(s.moved, c.ID)
	return nil
}

// pushedFixes returns a fix of the failed builds of the latest iteration whose sources have
// newer commits, and these commits; an empty one for a buildspace that does not follow
// fixes.
func (s *Scheduler) pushedFixes(ctx context.Context, c candidate) (fix store.Fix, at []string, err error) {
	if !c.FollowFixes || c.Latest == nil {
		return fix, nil, nil
	}
	failed, err := s.Store.FixableBuilds(ctx, c.Latest.ID)
	if err != nil || len(failed) == 0 {
		return fix, nil, err
	}
	return s.Catalog.PushedFixes(ctx, failed)
}

// followFixes makes sources changesets to which a fix was pushed. The next pass makes the
// iteration.
func (s *Scheduler) followFixes(ctx context.Context, c candidate, fix store.Fix) error {
	if _, err := s.Store.FixBuilds(ctx, buildbtw.System, c.Name, fix); err != nil {
		return err
	}
	s.Loop("iterate").Wake()
	return nil
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
			moved = append(moved, fmt.Sprintf("%s moved from %s to %s", change, cmp.Or(buildbtw.ShortCommit(before[p.Source]), "nothing"), buildbtw.ShortCommit(p.Commit)))
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
	return buildbtw.IterationFollowed, "a commit or a dependency in its graph changed (plan " + buildbtw.ShortCommit(digest) + ")", append(at, digest)
}

// nextIteration returns the time at which the earliest pushed buildspace is due.
// Those that were due and failed wait for the loop's period.
func (s *Scheduler) nextIteration(context.Context) (time.Time, bool, error) {
	var next time.Time
	for _, m := range s.moved {
		if due := m.since.Add(s.Debounce); due.After(s.Now()) && (next.IsZero() || due.Before(next)) {
			next = due
		}
	}
	return next, !next.IsZero(), nil
}

// layOut adds the versions of its builds, and the reused builds, to a planned iteration.
func (s *Scheduler) layOut(ctx context.Context, c candidate, next *store.NewIteration) (err error) {
	if next.Base, err = s.Catalog.BaseDigests(ctx, next.Plan); err != nil {
		return err
	}
	v, err := s.Catalog.Versions(ctx, catalog.VersionRequest{
		Plan: next.Plan, Base: next.Base, Settings: c.Settings, Buildspace: c.ID,
		Bumps: &gitmirror.BumpsOf{Buildspace: c.Name, Iteration: c.NextNumber()},
	})
	if err != nil {
		return err
	}
	next.Plan, next.Versions, next.Bumps = v.Plan, v.Taken, v.Made
	next.Rows, err = s.Publisher.CreateRepositories(ctx, c.ActiveBuildspace, next.Plan, next.Base)
	return err
}

// createIteration plans and stores an iteration. Its pacman repositories, with
// the packages of reused builds, exist before it can be seen. A plan
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
		err = s.layOut(ctx, c, &next)
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
