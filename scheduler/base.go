package scheduler

import (
	"context"
	"errors"

	"buildbtw/internal/guard"
	"buildbtw/pacman/baserepo"
)

// basePass refreshes the copies of all base repositories. A copy that cannot be refreshed
// stays as it is, with a warning in the log. Plans then use the word sizes of libraries and
// the module directories of the new copies and of earlier builds.
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
