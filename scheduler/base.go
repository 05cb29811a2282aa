package scheduler

import (
	"context"
	"errors"

	"buildbtw/internal/guard"
	"buildbtw/pacman/baserepo"
)

// basePass asks all base repositories for what is newer than the copies. What
// could not be taken is kept as it was, with a warning in the log. What they and
// earlier builds say of libraries' word sizes and of modules counts for plans from then on.
func (s *Scheduler) basePass(ctx context.Context) error {
	var failures []error
	for arch, base := range s.Bases {
		var results []baserepo.Result
		failures = append(failures, guard.Run(func() error {
			results = base.Refresh(ctx)
			return nil
		}))
		for _, result := range results {
			switch {
			case result.Warning != "":
				s.Log.WarnContext(ctx, "base repository kept as it was", "repository", result.Repo, "architecture", arch, "packages", result.Packages, "reason", result.Warning)
			case result.Changed:
				s.Log.InfoContext(ctx, "base repository read", "repository", result.Repo, "architecture", arch, "packages", result.Packages)
			}
		}
	}
	failures = append(failures, s.Catalog.RefreshExisting(ctx), ctx.Err())
	return errors.Join(failures...)
}
