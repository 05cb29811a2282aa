package catalog

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"buildbtw"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/release"
	"buildbtw/store"
)

// ReleaseFrom computes the largest set of what one target has and another has not that could
// go from the one to the other, all packages of a pkgbase together; an empty name means the
// one behind it, or the first of the settings. What people decided in the
// buildspaces from which these packages came counts here, too. It changes nothing.
//
// Those who have both targets see the same before and after, so only the views without the
// giving one are checked.
func (c *Catalog) ReleaseFrom(ctx context.Context, from, target string) (Release, error) {
	r := newRelease(c.Architectures)
	var err error
	if r.From, err = c.Store.Target(ctx, from); err != nil {
		return r, err
	}
	if r.Target, err = c.ReleaseTarget(ctx, cmp.Or(target, r.From.After)); err != nil {
		return r, err
	}
	switch {
	case r.Target.ID == r.From.ID:
		return r, buildbtw.Invalid("%s cannot give its packages to itself; name another target", from)
	case r.From.Kind == buildbtw.TargetPkgctl, r.Target.Kind == buildbtw.TargetPkgctl:
		return r, buildbtw.Invalid("packages move between repositories of buildbtw only; those of a distribution with dbscripts are moved with pkgctl db move")
	case c.Generations == nil || r.From.Generation == 0:
		return r, buildbtw.Conflict("%s has nothing yet", from)
	}
	units, err := c.releasedUnits(ctx, &r)
	if err != nil {
		return r, err
	}
	if r.Waivers, err = c.Store.WaiversOfTarget(ctx, r.From.ID); err != nil {
		return r, err
	}
	return r, c.compute(ctx, &r, units, func(arch string) ([]pacmanrepo.FileList, error) {
		return c.Generations.FileLists(r.From.Name, r.From.Generation, arch)
	})
}

// Source names what gives the packages: "space #3", or a target.
func (r *Release) Source() string {
	return store.ReleaseRow{FromTarget: r.From.Name, Buildspace: r.Iteration.Buildspace, Iteration: r.Iteration.Number}.Source()
}

// releasedUnits returns the packages that the giving target has as units, by pkgbase.
func (c *Catalog) releasedUnits(ctx context.Context, r *Release) ([]release.Unit, error) {
	known, err := c.Store.ReleasedUnits(ctx, r.From.ID)
	if err != nil {
		return nil, err
	}
	units := map[string]*release.Unit{}
	for _, arch := range r.Architectures {
		packages, err := c.Generations.Packages(r.From.Name, r.From.Generation, arch)
		if err != nil {
			return nil, err
		}
		digests := make([]string, len(packages))
		for i, p := range packages {
			digests[i] = p.SHA256
		}
		interfaces, err := c.Store.InterfacesOfFiles(ctx, digests)
		if err != nil {
			return nil, err
		}
		for _, p := range packages {
			u := units[p.Base]
			if u == nil {
				u = &release.Unit{Pkgbase: p.Base}
				units[p.Base] = u
				r.Versions[p.Base], r.planned[p.Base] = p.Version, true
				if last, ok := known[p.Base]; ok && last.Version == p.Version && last.BuildID != 0 {
					u.Changeset, r.IDs[p.Base], r.built[p.Base] = last.Changeset, last.BuildID, []int64{last.BuildID}
				}
			}
			r.planned[p.Name] = true
			r.addFile(arch, p)
			if slices.ContainsFunc(u.Packages, func(q release.Package) bool { return q.Name == p.Name && q.Architecture == p.Arch }) {
				continue // an `any` package, which is in the repositories of all architectures
			}
			u.Packages = append(u.Packages, releasedPackage(p, interfaces))
			if !slices.Contains(r.Pkgnames[p.Base], p.Name) {
				r.Pkgnames[p.Base] = append(r.Pkgnames[p.Base], p.Name)
			}
		}
	}
	r.Builds = len(units)
	list := make([]release.Unit, 0, len(units))
	for _, pkgbase := range slices.Sorted(maps.Keys(units)) {
		list = append(list, *units[pkgbase])
	}
	return list, nil
}
