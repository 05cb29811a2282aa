package publish

import (
	"context"
	"errors"
	"fmt"

	"buildbtw/pacman/pacmanrepo"
)

// repairing works with repositories. Those whose databases turn out to be damaged
// are made anew, each once, and the work is begun again.
func (p *Publisher) repairing(ctx context.Context, work func() error) error {
	repaired := map[pacmanrepo.ID]bool{}
	for {
		err := work()
		var damaged *pacmanrepo.DamagedError
		if !errors.As(err, &damaged) || repaired[damaged.ID] {
			return err
		}
		repaired[damaged.ID] = true
		p.Log.WarnContext(ctx, "the database of a repository is damaged; it is made anew from its packages",
			"repository", damaged.ID.Repository, "architecture", damaged.ID.Architecture, "error", err)
		if err := p.remake(ctx, damaged.ID); err != nil {
			return err
		}
	}
}

// remake has a repository list exactly the packages that belong there.
func (p *Publisher) remake(ctx context.Context, id pacmanrepo.ID) error {
	packages, err := p.Store.RepositoryPackages(ctx, id.Repository, id.Architecture)
	if err != nil {
		return err
	}
	lost, err := p.Repos.Remake(ctx, id, packages)
	if err != nil {
		return fmt.Errorf("make repository %s for %s anew: %w", id.Repository, id.Architecture, err)
	}
	if len(lost) > 0 {
		p.Log.ErrorContext(ctx, "packages are missing in a repository; rebuild them", "repository", id.Repository, "architecture", id.Architecture, "files", lost)
	}
	return nil
}
