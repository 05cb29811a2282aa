package scheduler

import (
	"context"
	"errors"
	"slices"
	"time"

	"buildbtw/git/gitmirror"
)

// prunePass removes data that nothing refers to any more.
func (s *Scheduler) prunePass(ctx context.Context) error {
	failures := []error{s.Publisher.Prune(ctx), s.retainBumps(ctx)}
	if s.Handover != nil {
		failures = append(failures, s.Handover.Prune(ctx))
	}
	return errors.Join(failures...)
}

// retainBumps lets go of the bumps of iterations that are not there any more, and makes
// those anew that a mirror lost in which it began from nothing: the same commits come of
// the same sources, as soon as these have been mirrored.
func (s *Scheduler) retainBumps(ctx context.Context) error {
	iterations, err := s.Store.BumpedIterations(ctx)
	if err != nil {
		return err
	}
	wanted := make([]gitmirror.BumpsOf, len(iterations))
	for i, it := range iterations {
		wanted[i] = gitmirror.BumpsOf{Buildspace: it.Buildspace, Iteration: it.Iteration}
	}
	missing, err := s.Mirror.RetainBumps(ctx, wanted)
	if err != nil {
		return err
	}
	var failures []error
	all := true
	for i, it := range iterations {
		if it.Needed {
			made, err := s.remakeBumps(ctx, wanted[i], it.ID, slices.Contains(missing, wanted[i]))
			failures, all = append(failures, err), all && made
		}
	}
	switch {
	case all:
		s.unmade = 0
	case s.Catalog.Complete():
		s.unmade = min(s.unmade+1, maxUnmade)
	default: // the sources are being mirrored
		s.unmade = 1
	}
	return errors.Join(failures...)
}

// maxUnmade bounds how often the pause doubles after which lost bumps are tried again:
// builds wait for them.
const maxUnmade = 10

// nextPrune returns when the next pass is due because bumps are lost.
func (s *Scheduler) nextPrune(context.Context) (time.Time, bool, error) {
	return s.Now().Add(time.Second << s.unmade), s.unmade > 0, nil
}

// remakeBumps makes the bumps of an iteration that the mirror does not have, and reports
// whether it has them all.
func (s *Scheduler) remakeBumps(ctx context.Context, of gitmirror.BumpsOf, iteration int64, lost bool) (all bool, err error) {
	bumps, err := s.Store.BumpsOfIteration(ctx, iteration)
	if err != nil {
		return false, err
	}
	list, commits := make([]gitmirror.Bump, len(bumps)), make([]string, len(bumps))
	for i, b := range bumps {
		list[i], commits[i] = gitmirror.Bump{Commit: b.SourceCommit, Version: b.Version, Made: b.Commit}, b.Commit
	}
	if !lost {
		present, err := s.Mirror.Present(ctx, commits)
		if err != nil || len(present) == len(commits) {
			return err == nil, err
		}
	}
	made, err := s.Mirror.Bump(ctx, of, list)
	if err != nil {
		return false, err
	}
	all = true
	for i, b := range made {
		if b.Err == nil && b.Commit == bumps[i].Commit {
			continue
		}
		if all = false; s.Catalog.Complete() {
			s.Log.ErrorContext(ctx, "a commit of a rebuild is not in the mirror and cannot be made anew; make a new iteration",
				"buildspace", of.Buildspace, "iteration", of.Iteration, "source", bumps[i].SourceCommit, "error", b.Err)
		}
	}
	return all, nil
}
