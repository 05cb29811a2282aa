package scheduler

import (
	"context"
	"errors"
	"fmt"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
)

// reuseBatch is how many builds are decided on, or linked into repositories, at
// once: enough that a database is seldom written, few enough that the first
// ones do not wait long.
const reuseBatch = 500

// maxForget bounds how often a new iteration looks again after it found that
// results have lost their files. What is left then is found by loop reuse.
const maxForget = 10

// takeOver links into the repositories of an iteration to come what it need not
// build.
func (s *Scheduler) takeOver(ctx context.Context, space store.ActiveBuildspace, plan *buildgraph.Plan) (store.Reuse, error) {
	if !space.Reuse {
		return nil, nil
	}
	for range maxForget {
		reuse, links, err := s.Store.FindReuse(ctx, plan)
		if err != nil || len(links) == 0 {
			return reuse, err
		}
		missing, err := s.Repos.Adopt(ctx, adoption(nextRepository(space), space.Name, links))
		if err != nil {
			return nil, err
		}
		if len(missing) == 0 {
			return reuse, nil
		}
		gone := make([]int64, len(missing))
		for i, place := range missing {
			gone[i] = links[place].From.BuildID
		}
		if err := s.Store.ForgetResults(ctx, gone); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func adoption(repository, db string, links []store.Link) pacmanrepo.Adoption {
	a := pacmanrepo.Adoption{Repository: repository, DB: db, Builds: make([]pacmanrepo.Adopted, len(links))}
	for i, l := range links {
		a.Builds[i] = pacmanrepo.Adopted{
			From:  pacmanrepo.ID{Repository: buildbtw.RepositoryName(l.From.Buildspace, l.From.Iteration), DB: l.From.Buildspace, Architecture: l.From.Architecture},
			Files: l.From.Files, Architectures: l.Architectures,
		}
	}
	return a
}

// wakeOnChange starts a pass of the loops reuse and dispatch after every change
// in the store.
func (s *Scheduler) wakeOnChange(ctx context.Context) {
	changed, cancel := s.Store.Subscribe()
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			s.reuse.Wake()
			if s.Pipelines != nil {
				s.dispatch.Wake()
			}
		}
	}
}

// reusePass decides and links until nothing is left: what is settled lets
// further builds know their input.
func (s *Scheduler) reusePass(ctx context.Context) error {
	for ctx.Err() == nil {
		decided, err := s.decide(ctx)
		if err != nil {
			return err
		}
		linked, err := s.link(ctx)
		if err != nil || decided+linked == 0 {
			return err
		}
	}
	return nil
}

// link takes over the packages of builds whose input was built before. The
// intention is stored first: a pass that is cut off is done again by the next.
func (s *Scheduler) link(ctx context.Context) (int, error) {
	list, err := s.Store.BeginReuse(ctx, reuseBatch)
	if err != nil {
		return 0, err
	}
	type repository struct{ name, db string }
	groups := map[repository][]store.Linking{}
	for _, l := range list {
		r := repository{buildbtw.RepositoryName(l.Build.Buildspace, l.Build.Iteration), l.Build.Buildspace}
		groups[r] = append(groups[r], l)
	}
	var failures []error
	for r, group := range groups {
		if err := s.linkInto(ctx, r.name, r.db, group); err != nil {
			failures = append(failures, err)
		}
	}
	return len(list), errors.Join(failures...)
}

// linkInto links the packages of builds of one iteration. Builds whose packages
// are gone are put back; the others come with the next round.
func (s *Scheduler) linkInto(ctx context.Context, repository, db string, group []store.Linking) error {
	links, ids := make([]store.Link, len(group)), make([]int64, len(group))
	for i, l := range group {
		links[i], ids[i] = l.Link, l.Build.ID
	}
	missing, err := s.Repos.Adopt(ctx, adoption(repository, db, links))
	switch buildbtw.KindOf(err) {
	case buildbtw.KindNotFound, buildbtw.KindInvalid, buildbtw.KindConflict:
		s.Log.ErrorContext(ctx, "packages cannot be reused; the builds are put back", "repository", repository, "builds", len(ids), "error", err)
		return s.Store.AbandonReuse(ctx, ids)
	}
	if err != nil {
		return fmt.Errorf("reuse %d builds in %s: %w", len(ids), repository, err)
	}
	if len(missing) == 0 {
		return s.Store.CompleteReuse(ctx, ids)
	}
	gone := make([]int64, len(missing))
	for i, place := range missing {
		gone[i] = ids[place]
	}
	return s.Store.AbandonReuse(ctx, gone)
}
