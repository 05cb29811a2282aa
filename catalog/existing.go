package catalog

import (
	"context"
	"errors"
	"maps"
	"slices"

	"buildbtw/buildgraph"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/baserepo"
)

// existing is what packages that exist, in the base or from earlier builds, say of
// sources that their .SRCINFO does not.
type existing struct {
	sizes    baserepo.WordSizes    // of the libraries that sources name without one
	owned    map[string]alpm.Owned // by architecture: in whose directories they have files
	unlisted map[string][]string   // by architecture: base repositories of which no list of files is known
}

func (e existing) equal(o existing) bool {
	return maps.EqualFunc(e.sizes, o.sizes, func(a, b map[string][]string) bool { return maps.EqualFunc(a, b, slices.Equal[[]string]) }) &&
		maps.EqualFunc(e.owned, o.owned, alpm.Owned.Equal) && maps.EqualFunc(e.unlisted, o.unlisted, slices.Equal[[]string])
}

// options are those of the index.
func (c *Catalog) options(e existing) buildgraph.Options {
	return buildgraph.Options{Prefer: c.Prefer, IgnoreArch: c.IgnoreArch, Built: e.sizes.Of, Owned: e.owned, Unlisted: e.unlisted}
}

// RefreshExisting looks anew at what the packages of the base and of earlier builds say
// of the word sizes of libraries, and of interpreters whose modules they have. All
// sources are linked again if that has changed, which happens rarely: few packages
// have libraries of both sizes, and modules seldom move to another interpreter.
func (c *Catalog) RefreshExisting(ctx context.Context) error {
	now := existing{sizes: c.Bases.WordSizes(), owned: map[string]alpm.Owned{}, unlisted: c.Bases.Unlisted()}
	tenants := c.Bases.Tenants()
	var unreadable []error // of single packages
	if c.Store != nil {
		built, err := c.Store.BuiltLibraries(ctx)
		if err != nil && built == nil {
			return err
		}
		unreadable = append(unreadable, err)
		for _, b := range built {
			now.sizes.Add(b.Architecture, b.Pkgname, b.Libraries)
		}
		modules, err := c.Store.BuiltDirectories(ctx)
		if err != nil && modules == nil {
			return err
		}
		unreadable = append(unreadable, err)
		for architecture, list := range modules {
			tenants[architecture] = append(tenants[architecture], list...)
		}
	}
	for architecture, list := range tenants {
		now.owned[architecture] = alpm.OwnedOf(list)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.equal(c.existing) {
		return errors.Join(unreadable...)
	}
	c.existing = now
	before := c.current.Load()
	c.current.Store(&snapshot{
		revision: before.revision + 1, sources: before.sources, directory: before.directory,
		index: buildgraph.NewIndex(c.graphSources(before.sources), c.options(now)),
	})
	return errors.Join(unreadable...)
}
