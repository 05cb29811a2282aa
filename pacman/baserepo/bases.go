package baserepo

import (
	"maps"
	"slices"

	"buildbtw/pacman/alpm"
)

// Bases are the base repositories by architecture; none when the server has
// none configured.
type Bases map[string]*Base

// Interfaces returns the interfaces of the packages of a pkgbase; not ok when
// the base does not have it or lacks the data.
func (b Bases) Interfaces(architecture, pkgbase string) ([]alpm.Interface, bool) {
	base, ok := b[architecture]
	if !ok {
		return nil, false
	}
	return base.Snapshot().Interfaces(pkgbase)
}

// Architectures returns the architectures, sorted.
func (b Bases) Architectures() []string { return slices.Sorted(maps.Keys(b)) }

// Package returns the package that pacman would install by a name.
func (b Bases) Package(architecture, pkgname string) (Entry, bool) {
	base, ok := b[architecture]
	if !ok {
		return Entry{}, false
	}
	return base.Snapshot().Package(pkgname)
}

// Snapshot returns the base of an architecture as it is now; an empty one when it has none.
func (b Bases) Snapshot(architecture string) *Snapshot {
	base, ok := b[architecture]
	if !ok {
		return &Snapshot{}
	}
	return base.Snapshot()
}

// Repository reports whether a base repository has this name.
func (b Bases) Repository(name string) bool {
	for _, base := range b {
		if slices.ContainsFunc(base.repos, func(r *repository) bool { return r.Name == name }) {
			return true
		}
	}
	return false
}
