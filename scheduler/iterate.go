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
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
)

// moves remembers since when the changesets of a buildspace have stood at the
// commits at which they were last seen, so that a burst of pushes makes one
// iteration. It is only ever a delay: after a restart it starts anew.
type moves map[int64]move

type move struct {
	text  string    // where the changesets stood when they were last seen
	first time.Time // when the first of the burst was noticed
	since time.Time // when they were first seen as they stand now
}

// maxDebounce bounds how often a steady stream of pushes can put off an
// iteration, in multiples of the debounce time.
const maxDebounce = 10

// iteratePass makes every iteration that is due. A buildspace that fails does
// not hold up the others.
func (s *Scheduler) iteratePass(ctx context.Context) error {
	if s.Catalog.Ready() != nil {
		return nil // the loop that reads the sources wakes this one
	}
	spaces, err := s.Store.ActiveBuildspaces(ctx)
	if err != nil {
		return fmt.Errorf("list the active buildspaces: %w", err)
	}
	s.keep(spaces)
	var failures []error
	if slices.ContainsFunc(spaces, wanted) {
		// Somebody who commits and then asks for an iteration means that commit.
		failures = append(failures, s.readSources(ctx), s.fetchWanted(ctx, spaces))
	}
	followed := s.planFollowed(ctx, spaces)
	for _, space := range spaces {
		if err := s.iterateOne(ctx, space, followed); err != nil {
			failures = append(failures, fmt.Errorf("iterate buildspace %s: %w", space.Name, err))
		}
	}
	return errors.Join(failures...)
}

func wanted(space store.ActiveBuildspace) bool { return space.Wanted != "" }

// keep forgets what was remembered of buildspaces that are no longer active, or do
// not follow their graph any more.
func (s *Scheduler) keep(spaces []store.ActiveBuildspace) {
	active, follow := make(map[int64]bool, len(spaces)), map[int64]bool{}
	for _, space := range spaces {
		active[space.ID] = true
		follow[space.ID] = space.FollowAll
	}
	maps.DeleteFunc(s.moved, func(id int64, _ move) bool { return !active[id] })
	maps.DeleteFunc(s.followed, func(id int64, _ uint64) bool { return !follow[id] })
}

// iterateOne makes the next iteration of a buildspace if somebody asked for
// one, a changeset moved, or something else in a graph that it follows.
func (s *Scheduler) iterateOne(ctx context.Context, space store.ActiveBuildspace, followed followedPlans) error {
	if space.Wanted != "" {
		delete(s.moved, space.ID)
		return s.createIteration(ctx, space, space.Wanted, space.WantedText)
	}
	reason := buildbtw.IterationPushed
	text, err := s.movedChangesets(ctx, space)
	if err == nil && text == "" {
		reason = buildbtw.IterationFollowed
		text, err = s.movedGraph(space, followed)
	}
	if err != nil || text == "" {
		delete(s.moved, space.ID)
		return err
	}
	if !s.settled(space.ID, text) {
		return nil
	}
	delete(s.moved, space.ID)
	return s.createIteration(ctx, space, reason, text)
}

// movedChangesets says in words which changesets stand at another commit than
// in the latest iteration; empty when none does. A changeset whose ref has
// vanished has not moved: the iteration goes on with the commit it has.
func (s *Scheduler) movedChangesets(ctx context.Context, space store.ActiveBuildspace) (string, error) {
	if space.Latest == nil {
		return "", nil // the first iteration is always wanted
	}
	before := commits(space.Planned)
	var words []string
	for _, change := range space.Changesets {
		commit, err := s.Catalog.Resolve(ctx, change)
		if buildbtw.KindOf(err) == buildbtw.KindNotFound {
			continue
		}
		if err != nil {
			return "", err
		}
		if before[change.Source] != commit {
			words = append(words, fmt.Sprintf("%s moved from %s to %s", change, short(before[change.Source]), short(commit)))
		}
	}
	return strings.Join(words, "; "), nil
}

func commits(planned []buildgraph.PlannedChangeset) map[string]string {
	bySource := make(map[string]string, len(planned))
	for _, c := range planned {
		bySource[c.Source] = c.Commit
	}
	return bySource
}

// short gives a commit as people write it.
func short(commit string) string {
	if commit == "" {
		return "nothing"
	}
	return commit[:min(len(commit), 7)]
}

// settled reports whether nothing has moved again for the debounce time, or
// pushes have been coming for so long that the iteration is made anyway.
func (s *Scheduler) settled(id int64, text string) bool {
	now := s.Now()
	seen, ok := s.moved[id]
	if !ok {
		seen.first = now
	}
	if seen.text != text {
		seen.text, seen.since = text, now
	}
	s.moved[id] = seen
	return now.Sub(seen.since) >= s.Debounce || now.Sub(seen.first) >= maxDebounce*s.Debounce
}

// nextSettled gives the time at which the earliest pushed buildspace is due.
func (s *Scheduler) nextSettled(context.Context) (time.Time, bool, error) {
	var next time.Time
	for _, m := range s.moved {
		if due := m.since.Add(s.Debounce); next.IsZero() || due.Before(next) {
			next = due
		}
	}
	return next, !next.IsZero(), nil
}

// createIteration plans and stores an iteration. Its pacman repositories exist,
// empty, before anybody can learn of it. A plan that cannot be made is stored
// as an invalid iteration, with the reason.
func (s *Scheduler) createIteration(ctx context.Context, space store.ActiveBuildspace, reason buildbtw.IterationReason, text string) error {
	plan, err := s.Catalog.Plan(ctx, space.Changesets, space.Settings)
	if err != nil && buildbtw.KindOf(err) == buildbtw.KindInternal {
		return err // ours or git's fault: try again with the next pass
	}
	next := store.NewIteration{
		BuildspaceID: space.ID, Revision: space.Revision,
		Reason: reason, ReasonText: text,
		Plan: plan, Err: err, CutOff: true,
	}
	if plan == nil {
		next.Changesets = s.tried(ctx, space.Changesets)
	}
	return s.storeIteration(ctx, space, next)
}

// storeIteration makes the iteration's repositories, with what is in them from
// the first moment, and then the iteration.
func (s *Scheduler) storeIteration(ctx context.Context, space store.ActiveBuildspace, next store.NewIteration) error {
	if next.Plan != nil {
		if err := s.createRepositories(ctx, space, next.Plan); err != nil {
			return err
		}
		reuse, err := s.takeOver(ctx, space, next.Plan)
		if err != nil {
			return err
		}
		next.Reuse = reuse
	}
	row, err := s.Store.CreateIteration(ctx, next)
	if err != nil {
		return err
	}
	s.Log.InfoContext(ctx, "iteration made", "buildspace", space.Name, "iteration", row.Number, "reason", next.Reason,
		"builds", row.Counts.Total(), "reused", len(next.Reuse))
	return nil
}

// tried lists changesets that have no plan with the commits as far as they are
// known, so that the next push to one of them is noticed.
func (s *Scheduler) tried(ctx context.Context, changesets []buildbtw.Changeset) []buildgraph.PlannedChangeset {
	list := make([]buildgraph.PlannedChangeset, len(changesets))
	for i, change := range changesets {
		commit, err := s.Catalog.Resolve(ctx, change)
		if err != nil {
			commit = ""
		}
		list[i] = buildgraph.PlannedChangeset{Source: change.Source, Ref: change.Ref, Commit: commit}
	}
	return list
}

// nextRepository is the name of the repository of the iteration to come.
func nextRepository(space store.ActiveBuildspace) string {
	next := 1
	if space.Latest != nil {
		next = space.Latest.Number + 1
	}
	return buildbtw.RepositoryName(space.Name, next)
}

// createRepositories makes empty repositories. What is there under their name
// was left by an iteration that did not come to be.
func (s *Scheduler) createRepositories(ctx context.Context, space store.ActiveBuildspace, plan *buildgraph.Plan) error {
	if err := s.Repos.Remove(ctx, nextRepository(space)); err != nil {
		return err
	}
	for arch := range plan.Architectures {
		id := pacmanrepo.ID{Repository: nextRepository(space), DB: space.Name, Architecture: arch}
		if err := s.Repos.Create(ctx, id); err != nil {
			return fmt.Errorf("create the pacman repository of %s for %s: %w", id.Repository, arch, err)
		}
	}
	return nil
}
