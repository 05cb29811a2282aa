package catalog

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"buildbtw"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/baserepo"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/release"
	"buildbtw/store"
)

// Release is which packages of an iteration could go into the base repositories now, and
// why the others could not.
type Release struct {
	*release.Result
	Iteration     store.IterationRow
	Architectures []string
	Builds        int                 // that the iteration has, without those that were skipped as unchanged
	Versions      map[string]string   // by pkgbase: of the packages that were built
	Pkgnames      map[string][]string // by pkgbase: of the packages that were built, sorted
	IDs           map[string]int64    // by pkgbase: a build of it, of the first architecture that has one

	base    *release.Base // that Result was computed with
	problem release.Problem
}

// releaseBase is the index of the base repositories, as long as they are the same. To
// index 13,000 packages takes longer than all the rest.
type releaseBase struct {
	mu        sync.Mutex
	snapshots map[string]*baserepo.Snapshot
	base      *release.Base
}

// Release computes the largest set of an iteration's packages that could be released. It
// changes nothing.
func (c *Catalog) Release(ctx context.Context, buildspace string, number int) (Release, error) {
	var r Release
	row, err := c.Store.Iteration(ctx, buildspace, number)
	if err != nil {
		return r, err
	}
	architectures, err := c.Store.Architectures(ctx, row.ID)
	if err != nil {
		return r, err
	}
	if len(architectures) == 0 {
		return r, buildbtw.Conflict("%s #%d has no builds, so that nothing can be released", buildspace, row.Number)
	}
	base, err := c.releaseBase(architectures)
	if err != nil {
		return r, err
	}
	r = Release{Iteration: row, Architectures: architectures, Versions: map[string]string{}, Pkgnames: map[string][]string{}, IDs: map[string]int64{}}
	units, err := c.units(ctx, &r)
	if err != nil {
		return r, err
	}
	r.base, r.problem = base, release.Problem{Units: units}
	r.Result = base.Largest(r.problem)
	return r, nil
}

// releaseBase returns the index of the base repositories of architectures.
func (c *Catalog) releaseBase(architectures []string) (*release.Base, error) {
	now := map[string]*baserepo.Snapshot{}
	for _, arch := range architectures {
		base, ok := c.Bases[arch]
		if !ok {
			return nil, buildbtw.Conflict("this server has no base repositories for %s, so that it cannot know what a release would break; start it with --base-repo", arch)
		}
		now[arch] = base.Snapshot()
		if !now[arch].Known() {
			return nil, buildbtw.Unavailable("the base repositories of %s have not been read yet; try again in a minute", arch)
		}
	}
	c.released.mu.Lock()
	defer c.released.mu.Unlock()
	if !maps.Equal(now, c.released.snapshots) {
		views := make([]release.View, len(architectures))
		for i, arch := range architectures {
			views[i] = viewOf(arch, now[arch])
		}
		c.released.base, c.released.snapshots = release.NewBase(views), now
	}
	return c.released.base, nil
}

func viewOf(arch string, s *baserepo.Snapshot) release.View {
	v := release.View{Name: arch, Architecture: arch}
	for e, i := range s.Installed() {
		n := len(v.Repositories) - 1
		if n < 0 || v.Repositories[n].Name != e.Repo {
			v.Repositories = append(v.Repositories, release.Repository{Name: e.Repo})
			n++
		}
		v.Repositories[n].Packages = append(v.Repositories[n].Packages, release.Package{
			Name: e.Name, Base: e.Base, Version: e.Version, Architecture: e.Arch,
			Depends: e.Depends, Provides: e.Provides, Conflicts: e.Conflicts, Replaces: e.Replaces,
			Sonames: i.Sonames, Links: linksOf(i),
		})
	}
	return v
}

// linksOf returns the sonames that a package links with, without the versions of symbols
// that stand among them.
func linksOf(i alpm.Interface) []string {
	if i.Links == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(i.Links), func(link string) bool {
		_, ok := alpm.ParseSoname(link)
		return !ok
	})
}

// lastStages returns the builds of an iteration that are not left out, by pkgbase and
// architecture; of two stages the last.
func (c *Catalog) lastStages(ctx context.Context, it store.IterationRow) (map[string]map[string]store.BuildRow, error) {
	last := map[string]map[string]store.BuildRow{}
	filter := store.BuildFilter{Buildspace: it.Buildspace, Iteration: it.Number, Limit: 500}
	for {
		rows, next, err := c.Store.Builds(ctx, filter)
		if err != nil {
			return nil, err
		}
		for _, b := range rows {
			if b.SkipReason == buildbtw.CauseUnchanged || b.SkipReason == buildbtw.CauseExcluded {
				continue
			}
			if last[b.Pkgbase] == nil {
				last[b.Pkgbase] = map[string]store.BuildRow{}
			}
			if before, ok := last[b.Pkgbase][b.Architecture]; !ok || before.Stage < b.Stage {
				last[b.Pkgbase][b.Architecture] = b
			}
		}
		if next == "" {
			return last, nil
		}
		filter.Cursor = next
	}
}

// units returns the builds of an iteration as units, by pkgbase.
func (c *Catalog) units(ctx context.Context, r *Release) ([]release.Unit, error) {
	changesets, err := c.Store.IterationChangesets(ctx, r.Iteration.ID)
	if err != nil {
		return nil, err
	}
	changed := map[string]bool{}
	for _, cs := range changesets {
		changed[cs.Source] = true
	}
	last, err := c.lastStages(ctx, r.Iteration)
	if err != nil {
		return nil, err
	}
	units := map[string]*release.Unit{}
	var built []int64
	for pkgbase, builds := range last {
		u := &release.Unit{Pkgbase: pkgbase}
		units[pkgbase] = u
		r.Builds += len(builds)
		for _, arch := range slices.Sorted(maps.Keys(builds)) {
			b := builds[arch]
			u.Changeset = u.Changeset || changed[b.Source]
			r.Versions[pkgbase], r.IDs[pkgbase] = cmp.Or(b.BuiltVersion, b.Version), cmp.Or(r.IDs[pkgbase], b.ID)
			if b.Status == buildbtw.StatusBuilt {
				built = append(built, b.ID)
			} else if u.NotReady == "" {
				notReady(u, b, len(r.Architectures) > 1)
			}
		}
	}
	interfaces, err := c.Store.InterfacesOf(ctx, built)
	if err != nil {
		return nil, err
	}
	for _, arch := range r.Architectures {
		packages, err := c.Repos.Packages(ctx, pacmanrepo.ID{
			Repository: buildbtw.RepositoryName(r.Iteration.Buildspace, r.Iteration.Number), DB: r.Iteration.Buildspace, Architecture: arch,
		})
		if err != nil {
			return nil, err
		}
		for _, p := range packages {
			u := units[p.Base]
			if u == nil || last[p.Base][arch].Status != buildbtw.StatusBuilt || p.Name == alpm.DebugName(p.Base) {
				continue
			}
			if slices.ContainsFunc(u.Packages, func(q release.Package) bool { return q.Name == p.Name && q.Architecture == p.Arch }) {
				continue // an `any` package, which is in the repositories of all architectures
			}
			q := release.Package{
				Name: p.Name, Base: p.Base, Version: p.Version, Architecture: p.Arch,
				Depends: p.Depends, Provides: p.Provides, Conflicts: p.Conflicts, Replaces: p.Replaces,
			}
			for _, i := range interfaces[last[p.Base][arch].ID] {
				if i.Pkgname == p.Name && i.Unknown == "" {
					q.Sonames, q.Links = i.Sonames, linksOf(i)
				}
			}
			u.Packages = append(u.Packages, q)
			if !slices.Contains(r.Pkgnames[p.Base], p.Name) {
				r.Pkgnames[p.Base] = append(r.Pkgnames[p.Base], p.Name)
			}
		}
	}
	list := make([]release.Unit, 0, len(units))
	for _, pkgbase := range slices.Sorted(maps.Keys(units)) {
		list = append(list, *units[pkgbase])
	}
	return list, nil
}

// notReady records why a build is not there.
func notReady(u *release.Unit, b store.BuildRow, architectures bool) {
	where := ""
	if architectures {
		where = " for " + b.Architecture
	}
	switch {
	case b.Status == buildbtw.StatusFailed:
		u.NotReady, u.Detail = release.Failed, "its build"+where+" failed"
	case b.Status == buildbtw.StatusSkipped:
		u.NotReady, u.Detail = release.NotBuilt, "its build"+where+" was "+strings.TrimPrefix(string(b.SkipReason), "was ")
	case b.Status == buildbtw.StatusBlocked && len(b.RootCauses) > 0:
		root := b.RootCauses[0]
		u.NotReady, u.Root, u.Detail = release.Blocked, root.Pkgbase, "its build"+where+" waits for "+root.Pkgbase+", which failed or was cancelled"
	case b.Status.Running():
		u.NotReady, u.Detail = release.NotBuilt, "its build"+where+" is running"
	default:
		u.NotReady, u.Detail = release.NotBuilt, "its build"+where+" has not begun"
	}
}
