package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"buildbtw"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
)

// comparePass has the commits of builds that have failed twice built on the base alone, as
// far as they have not been, and ends builds on the base that nobody needs any more. All
// that it does follows from the database; a crash costs nothing.
func (s *Scheduler) comparePass(ctx context.Context) error {
	_, unneeded := s.Store.EndUnneeded(ctx)
	failed, err := s.Store.BaselinesWanted(ctx)
	s.comparing.Keep(func(id int64) bool {
		return slices.ContainsFunc(failed, func(b store.BuildRow) bool { return b.ID == id })
	})
	failures := []error{unneeded, err}
	for _, b := range failed {
		_, err := s.comparing.Try(ctx, s.Log, s.Now(), b.ID, fmt.Sprintf("build %d cannot be compared with the base", b.ID), func() error {
			return s.startBaseline(ctx, b)
		})
		switch buildbtw.KindOf(err) {
		case buildbtw.KindNotFound, buildbtw.KindInvalid:
			failures = append(failures, s.Store.GiveUpBaselineCheck(ctx, b.ID, buildbtw.MessageOf(err)))
		}
	}
	return errors.Join(failures...)
}

// startBaseline compares a failed build with its commit on the base alone. Workers get a
// repository for that as for every build, in which there is nothing.
func (s *Scheduler) startBaseline(ctx context.Context, failed store.BuildRow) error {
	empty := pacmanrepo.ID{
		Repository: buildbtw.RepositoryName(store.HiddenBuildspace, 0), DB: store.HiddenBuildspace, Architecture: failed.Architecture,
	}
	if err := s.Repos.Create(ctx, empty); err != nil {
		return err
	}
	b, err := s.Catalog.Baseline(ctx, failed, s.Now())
	if err != nil {
		return err
	}
	return s.Store.StartBaseline(ctx, b)
}
