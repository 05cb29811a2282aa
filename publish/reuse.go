package publish

import (
	"context"
	"errors"
	"fmt"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/internal/guard"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
)

// reuseBatch is how many builds are decided on, or linked into repositories, at
// once: enough that a database is seldom written, few enough that the first
// ones do not wait long.
const reuseBatch = 500

// maxForget bounds how often a new iteration searches again after results
// turned out to have lost their files. Reuse finds the rest later.
const maxForget = 10

// CreateRepositories creates the repositories of the next iteration, one for
// each architecture of its plan, and links the packages of earlier builds with
// the same inputs into them. It returns the rows of the plan, in which those
// builds are built; nil when nothing is reused. Existing repositories of these
// names are left over from an iteration that was not stored, and are removed.
// base has the packages of the base repositories that the builds depend on.
func (p *Publisher) CreateRepositories(ctx context.Context, space store.ActiveBuildspace, plan *buildgraph.Plan, base store.PlanBase) (*store.PlanRows, error) {
	repository := buildbtw.RepositoryName(space.Name, space.NextNumber())
	if err := p.Repos.Remove(ctx, repository); err != nil {
		return nil, err
	}
	for arch := range plan.Architectures {
		if err := p.Repos.Create(ctx, pacmanrepo.ID{Repository: repository, DB: space.Name, Architecture: arch}); err != nil {
			return nil, fmt.Errorf("create the pacman repository of %s for %s: %w", repository, arch, err)
		}
	}
	if !space.Reuse {
		return nil, nil
	}
	for range maxForget {
		rows, links, err := p.Store.FindReuse(ctx, plan, base)
		if err != nil || len(links) == 0 {
			return rows, err
		}
		missing, err := p.adopt(ctx, repository, space.Name, links)
		if err != nil {
			return nil, err
		}
		if len(missing) == 0 {
			return rows, nil
		}
		gone := make([]int64, len(missing))
		for i, place := range missing {
			gone[i] = links[place].From.BuildID
		}
		if err := p.Store.ForgetResults(ctx, gone); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// adopt links the packages of earlier builds into a repository. It returns the
// places of those in the list whose files are gone; then none is linked.
func (p *Publisher) adopt(ctx context.Context, repository, db string, links []store.Link) (missing []int, err error) {
	a := pacmanrepo.Adoption{Repository: repository, DB: db, Builds: make([]pacmanrepo.Adopted, len(links))}
	for i, l := range links {
		from := buildbtw.RepositoryName(l.From.Buildspace, l.From.Iteration)
		a.Builds[i] = pacmanrepo.Adopted{
			From:  pacmanrepo.ID{Repository: from, DB: l.From.Buildspace, Architecture: l.From.Architecture},
			Files: l.From.Files, Architectures: l.Architectures,
		}
	}
	err = p.repairing(ctx, func() (err error) {
		missing, err = p.Repos.Adopt(ctx, a)
		return err
	})
	return missing, err
}

// Reuse decides on builds to which the cut-off may apply, and links the packages
// of builds whose input was built before, until nothing is left: a build that is
// done lets further ones know their input. The intention to link is stored first,
// so that a pass that is cut off is done again by the next.
func (p *Publisher) Reuse(ctx context.Context) error {
	type iteration struct {
		buildspace string
		number     int
	}
	for ctx.Err() == nil {
		var decided int
		undecided := guard.Run(func() (err error) { // concerns no build that is to be linked
			decided, err = p.decide(ctx)
			return err
		})
		list, err := p.Store.BeginReuse(ctx, reuseBatch)
		failures := []error{undecided, err}
		if decided+len(list) == 0 {
			return errors.Join(failures...)
		}
		groups := map[iteration][]store.Linking{}
		for _, l := range list {
			it := iteration{l.Build.Buildspace, l.Build.Iteration}
			groups[it] = append(groups[it], l)
		}
		for it, group := range groups {
			if err := guard.Run(func() error {
				return p.linkInto(ctx, buildbtw.RepositoryName(it.buildspace, it.number), it.buildspace, group)
			}); err != nil {
				failures = append(failures, err)
			}
		}
		if err := errors.Join(failures...); err != nil {
			return err
		}
	}
	return nil
}

// linkInto links the packages of builds of one iteration. Builds whose packages
// are gone are put back; the others come with the next round.
func (p *Publisher) linkInto(ctx context.Context, repository, db string, group []store.Linking) error {
	links, ids := make([]store.Link, len(group)), make([]int64, len(group))
	for i, l := range group {
		links[i], ids[i] = l.Link, l.Build.ID
	}
	missing, err := p.adopt(ctx, repository, db, links)
	switch buildbtw.KindOf(err) {
	case buildbtw.KindNotFound, buildbtw.KindInvalid, buildbtw.KindConflict:
		p.Log.ErrorContext(ctx, "packages cannot be reused; the builds are put back", "repository", repository, "builds", len(ids), "error", err)
		return p.Store.AbandonReuse(ctx, ids)
	}
	if err != nil {
		return fmt.Errorf("reuse %d builds in %s: %w", len(ids), repository, err)
	}
	if len(missing) == 0 {
		_, err := guard.Apart(ids, func(some []int64) error { return p.Store.CompleteReuse(ctx, some) })
		return err
	}
	gone := make([]int64, len(missing))
	for i, place := range missing {
		gone[i] = ids[place]
	}
	return p.Store.AbandonReuse(ctx, gone)
}
