package scheduler

import "context"

// basePass asks all base repositories for what is newer than the copies. What
// could not be taken is kept as it was, with a warning in the log.
func (s *Scheduler) basePass(ctx context.Context) error {
	for arch, base := range s.Bases {
		for _, result := range base.Refresh(ctx) {
			switch {
			case result.Warning != "":
				s.Log.WarnContext(ctx, "base repository kept as it was", "repository", result.Repo, "architecture", arch, "packages", result.Packages, "reason", result.Warning)
			case result.Changed:
				s.Log.InfoContext(ctx, "base repository read", "repository", result.Repo, "architecture", arch, "packages", result.Packages)
			}
		}
	}
	return ctx.Err()
}
