package publish

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"buildbtw"
	"buildbtw/internal/guard"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
)

// Restore makes the repositories of iterations that are being built what the database says,
// before anybody is served: a database and files that are not of the same moment, such as
// after a restore, need it. Repositories that are lost are made again, packages that the
// database does not know leave them, and builds whose packages are lost are built again.
func (p *Publisher) Restore(ctx context.Context) error {
	return p.eachRepository(ctx, func(id pacmanrepo.ID) error {
		damaged := false
		if err := p.Repos.Create(ctx, id); err != nil {
			var d *pacmanrepo.DamagedError
			if damaged = errors.As(err, &d); !damaged {
				return err
			}
		}
		packages, err := p.Store.RepositoryPackages(ctx, id.Repository, id.Architecture)
		if err != nil {
			return err
		}
		if _, err := p.Repos.Remake(ctx, id, packages); err != nil {
			return err
		}
		if damaged { // its links may be missing
			if err := p.Repos.Create(ctx, id); err != nil {
				return err
			}
		}
		return p.rebuildLost(ctx, id)
	})
}

// sampled is how many packages of each repository Examine reads.
const sampled = 10

// examineTime bounds the reading of packages in one call of Examine.
const examineTime = 2 * time.Minute

// Examine looks for packages that are lost or damaged, in the repositories of iterations that
// are being built, and has their builds built again. The size of every file is compared, and
// the contents of some that are drawn by lot.
func (p *Publisher) Examine(ctx context.Context) error {
	reading, cancel := context.WithTimeout(ctx, examineTime)
	defer cancel()
	return p.eachRepository(ctx, func(id pacmanrepo.ID) error {
		packages, err := p.Store.RepositoryPackages(ctx, id.Repository, id.Architecture)
		if err != nil {
			return err
		}
		rand.Shuffle(len(packages), func(i, j int) { packages[i], packages[j] = packages[j], packages[i] }) //nolint:gosec // which are looked at is no secret
		removed, err := p.Repos.RemoveDamaged(reading, id, packages[:min(sampled, len(packages))])
		if len(removed) > 0 {
			p.Log.ErrorContext(ctx, "packages have another content than was published; they are removed and built again: look at the disk",
				"repository", id.Repository, "architecture", id.Architecture, "files", removed)
		}
		if err != nil && reading.Err() == nil && buildbtw.KindOf(err) != buildbtw.KindNotFound {
			return errors.Join(err, p.rebuildLost(ctx, id))
		}
		return p.rebuildLost(ctx, id)
	})
}

// eachRepository calls f for each repository of an iteration that is being built. A failure of
// one does not stop the others.
func (p *Publisher) eachRepository(ctx context.Context, f func(pacmanrepo.ID) error) error {
	list, err := p.Store.ArchRepositories(ctx)
	if err != nil {
		return err
	}
	var failures []error
	for _, r := range list {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		id := pacmanrepo.ID{Repository: buildbtw.RepositoryName(r.Buildspace, r.Iteration), DB: r.Buildspace, Architecture: r.Architecture}
		if err := guard.Run(func() error { return f(id) }); err != nil {
			failures = append(failures, fmt.Errorf("examine repository %s for %s: %w", id.Repository, id.Architecture, err))
		}
	}
	return errors.Join(failures...)
}

// rebuildLost has the builds built again whose packages are lost in a repository. Those lowest
// in the graph come first: what is above them is built again with them.
func (p *Publisher) rebuildLost(ctx context.Context, id pacmanrepo.ID) error {
	packages, err := p.Store.RepositoryPackages(ctx, id.Repository, id.Architecture)
	if err != nil {
		return err
	}
	lost, err := p.Repos.Lost(ctx, id, packages)
	if err != nil || len(lost) == 0 {
		return err
	}
	byBuild := map[int64][]buildbtw.Package{}
	for _, f := range lost {
		byBuild[f.BuildID] = append(byBuild[f.BuildID], f)
	}
	var builds []store.BuildRow
	for build := range byBuild {
		row, err := p.Store.Build(ctx, build)
		if err != nil {
			return err
		}
		builds = append(builds, row)
	}
	slices.SortFunc(builds, func(a, b store.BuildRow) int {
		if a.Level != b.Level {
			return a.Level - b.Level
		}
		return int(a.ID - b.ID)
	})
	var failures []error
	again := 0
	for _, b := range builds {
		rebuilt, err := p.Store.RebuildLost(ctx, b.ID, byBuild[b.ID])
		failures = append(failures, err)
		if rebuilt {
			again++
		}
	}
	if again > 0 {
		names := make(buildbtw.Names, len(lost))
		for i, f := range lost {
			names[i] = f.Filename
		}
		p.Log.WarnContext(ctx, "packages are lost; their builds and what is above them are built again",
			"repository", id.Repository, "architecture", id.Architecture, "lost", len(lost), "files", names.Summary())
	}
	return errors.Join(failures...)
}
