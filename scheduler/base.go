package scheduler

import (
	"context"

	"buildbtw/pacman/alpm"
	"buildbtw/pacman/baserepo"
)

// Bases are the base repositories by architecture: the Baseline of a server
// that was told of them.
type Bases map[string]*baserepo.Base

// Interfaces implements Baseline.
func (b Bases) Interfaces(architecture, pkgbase string) ([]alpm.Interface, bool) {
	base, ok := b[architecture]
	if !ok {
		return nil, false
	}
	return base.Snapshot().Interfaces(pkgbase)
}

// Package gives the package that pacman would install by a name.
func (b Bases) Package(architecture, pkgname string) (baserepo.Entry, bool) {
	base, ok := b[architecture]
	if !ok {
		return baserepo.Entry{}, false
	}
	return base.Snapshot().Package(pkgname)
}

// Linkers lists the packages that depend on a library, by name.
func (b Bases) Linkers(architecture string, soname alpm.Soname) []baserepo.Entry {
	base, ok := b[architecture]
	if !ok {
		return nil
	}
	return base.Snapshot().Linkers(soname)
}

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
