package catalog

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"buildbtw"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/baserepo"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/release"
	"buildbtw/release/check"
	"buildbtw/store"
)

// Release is which packages of an iteration, or of another target, could go into a target now,
// and why the others could not.
type Release struct {
	*release.Result
	Iteration     store.IterationRow // that gives the packages; empty when From does
	From          store.TargetRow    // the target that gives them; empty when the iteration does
	Target        store.TargetRow
	Architectures []string
	Builds        int                        // that the iteration has, without those that were skipped as unchanged
	Versions      map[string]string          // by pkgbase: of the packages that were built
	Pkgnames      map[string][]string        // by pkgbase: of the packages that were built, sorted
	IDs           map[string]int64           // by pkgbase: a build of it, of the first architecture that has one
	Waivers       []buildbtw.Waiver          // of the buildspace, or of all whose packages From has; oldest first
	Checks        map[string][]check.Finding // by pkgbase: what checks found that are not off

	Present []string                                 // pkgbases whose packages the target has already
	Files   map[string]map[string][]buildbtw.Package // by pkgbase and architecture: of the packages that were built
	Digest  string                                   // of the set that can go: pkgbases, versions and files
	Base    string                                   // of the base repositories that it was computed against
	Names   map[string]int                           // by architecture: packages that users of the target have to choose from
	NoBase  bool                                     // this server has no base repositories, so that only what was built here is looked at

	Repositories map[string]string // by pkgbase: the one that receives it; of targets of kind pkgctl only

	builds  map[string]map[string]store.BuildRow // by pkgbase and architecture
	planned map[string]bool                      // pkgnames and pkgbases of all builds
	built   map[string][]int64                   // by pkgbase: builds that have packages

	base    *release.Base // that Result was computed with
	problem release.Problem
}

// Release computes the largest set of an iteration's packages that could be released to a
// target; an empty name means the first of the settings. It changes nothing.
func (c *Catalog) Release(ctx context.Context, buildspace string, number int, target string) (Release, error) {
	row, err := c.Store.Iteration(ctx, buildspace, number)
	if err != nil {
		return Release{}, err
	}
	architectures, err := c.Store.Architectures(ctx, row.ID)
	if err != nil {
		return Release{}, err
	}
	if len(architectures) == 0 {
		return Release{}, buildbtw.Conflict("%s #%d has no builds, so that nothing can be released", buildspace, row.Number)
	}
	r := newRelease(architectures)
	r.Iteration = row
	if r.Target, err = c.ReleaseTarget(ctx, target); err != nil {
		return r, err
	}
	if err := c.noBase(r.Target); err != nil {
		return r, err
	}
	units, err := c.units(ctx, &r)
	if err != nil {
		return r, err
	}
	if r.Waivers, err = c.Store.Waivers(ctx, buildspace); err != nil {
		return r, err
	}
	// A full disk must not keep people from the answer. The loop meets the same error, and tells it.
	_, _ = c.CheckBuilds(ctx, row.ID, checkedAtOnce)
	return r, c.compute(ctx, &r, units, func(arch string) ([]pacmanrepo.FileList, error) {
		return c.Repos.FileLists(ctx, pacmanrepo.ID{Repository: buildbtw.RepositoryName(row.Buildspace, row.Number), DB: row.Buildspace, Architecture: arch})
	})
}

func newRelease(architectures []string) Release {
	return Release{
		Architectures: architectures, Versions: map[string]string{}, Pkgnames: map[string][]string{}, IDs: map[string]int64{},
		Files: map[string]map[string][]buildbtw.Package{}, planned: map[string]bool{}, built: map[string][]int64{},
	}
}

// compute finds the largest set of units that can go. lists returns the files of their
// packages for an architecture.
func (c *Catalog) compute(ctx context.Context, r *Release, units []release.Unit, lists func(arch string) ([]pacmanrepo.FileList, error)) error {
	w := viewWish{target: r.Target, generation: r.Target.Generation, architectures: r.Architectures}
	if r.From.Name != "" {
		w.givers = []string{r.From.Name}
	}
	view, err := c.viewOfTarget(ctx, w)
	if err != nil {
		return err
	}
	r.Base, r.Names, r.NoBase = view.state, view.names, len(c.Bases) == 0
	units = r.withoutPresent(units, view)
	if r.NoBase {
		r.forgetUnknown(units, view)
	}
	for i := range units {
		units[i].Repository = r.Target.Name
	}
	if r.Target.Kind == buildbtw.TargetPkgctl {
		if err := c.addPkgctl(ctx, r, view, units); err != nil {
			return err
		}
	}
	if err := c.addChecks(ctx, r, view.chains, units); err != nil {
		return err
	}
	owned, err := c.compareFiles(ctx, view, units, lists)
	if err != nil {
		return err
	}
	r.base, r.problem = view.base, release.Problem{Units: units, Waivers: waiversOf(r.Waivers, view.own), Owned: owned}
	r.Result = view.base.Largest(r.problem)
	r.Digest = r.digest()
	return nil
}

// lookedInto returns the interfaces of the packages of the base that were built or read here, by
// the digests of their files.
func (c *Catalog) lookedInto(ctx context.Context, s *baserepo.Snapshot) (map[string]alpm.Interface, error) {
	var digests []string
	for e := range s.Entries() {
		if e.SHA256 != "" {
			digests = append(digests, e.SHA256)
		}
	}
	return c.Store.InterfacesOfFiles(ctx, digests)
}

// addBase puts the packages of the base repositories behind those of a view's targets,
// without those that these have taken the place of. known are interfaces by the digests of
// files.
func addBase(v *release.View, s *baserepo.Snapshot, known map[string]alpm.Interface, replaced map[string]bool) {
	for e, i := range s.Installed() {
		if replaced[nameKey+e.Name] || replaced[e.Base] {
			continue
		}
		if read, ok := known[e.SHA256]; ok && read.Unknown == "" {
			i = read
			i.Sonames, i.Links = append([]string{}, i.Sonames...), append([]string{}, i.Links...) // none is known, too
		}
		n := len(v.Repositories) - 1
		if n < 0 || v.Repositories[n].Name != e.Repo {
			v.Repositories = append(v.Repositories, release.Repository{Name: e.Repo})
			n++
		}
		var files []string // nil: not known
		if s.ListsFiles(e.Repo) {
			files = []string{} // those that matter are in Problem.Owned
		}
		v.Repositories[n].Packages = append(v.Repositories[n].Packages, release.Package{
			Files: files, Name: e.Name, Base: e.Base, Version: e.Version, Architecture: e.Arch,
			Depends: e.Depends, Provides: e.Provides, Conflicts: e.Conflicts, Replaces: e.Replaces,
			Sonames: i.Sonames, Links: linksOf(i), Exports: i.Exports,
		})
	}
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

// BuildOf returns the build of a pkgbase for the first architecture, or with a name for that one.
func (r Release) BuildOf(pkgbase, arch string) store.BuildRow {
	if arch == "" {
		arch = slices.Min(slices.AppendSeq([]string{"~"}, maps.Keys(r.builds[pkgbase])))
	}
	return r.builds[pkgbase][arch]
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
	r.builds = last
	units := map[string]*release.Unit{}
	var built []int64
	for pkgbase, builds := range last {
		u := &release.Unit{Pkgbase: pkgbase}
		units[pkgbase] = u
		r.Builds += len(builds)
		for _, arch := range slices.Sorted(maps.Keys(builds)) {
			b := builds[arch]
			r.plan(b)
			u.Changeset = u.Changeset || changed[b.Source]
			r.Versions[pkgbase], r.IDs[pkgbase] = cmp.Or(b.BuiltVersion, b.Version), cmp.Or(r.IDs[pkgbase], b.ID)
			if b.Status == buildbtw.StatusBuilt {
				built = append(built, b.ID)
				r.built[pkgbase] = append(r.built[pkgbase], b.ID)
			} else if u.NotReady == "" {
				notReady(u, b, len(r.Architectures) > 1)
			}
		}
	}
	if err := c.addPackages(ctx, r, units, built); err != nil {
		return nil, err
	}
	list := make([]release.Unit, 0, len(units))
	for _, pkgbase := range slices.Sorted(maps.Keys(units)) {
		list = append(list, *units[pkgbase])
	}
	return list, nil
}

// addPackages adds to units the packages of what is built, with what is known of their
// programs.
func (c *Catalog) addPackages(ctx context.Context, r *Release, units map[string]*release.Unit, built []int64) error {
	interfaces, err := c.Store.InterfacesOf(ctx, built)
	if err != nil {
		return err
	}
	for _, arch := range r.Architectures {
		packages, err := c.Repos.Packages(ctx, pacmanrepo.ID{
			Repository: buildbtw.RepositoryName(r.Iteration.Buildspace, r.Iteration.Number), DB: r.Iteration.Buildspace, Architecture: arch,
		})
		if err != nil {
			return err
		}
		for _, p := range packages {
			u := units[p.Base]
			debug := p.Name == alpm.DebugName(p.Base)
			if u == nil || r.builds[p.Base][arch].Status != buildbtw.StatusBuilt || debug && r.Target.Kind != buildbtw.TargetPkgctl {
				continue
			}
			r.addFile(arch, p)
			if debug {
				continue // db-update puts it into a repository of its own
			}
			if slices.ContainsFunc(u.Packages, func(q release.Package) bool { return q.Name == p.Name && q.Architecture == p.Arch }) {
				continue // an `any` package, which is in the repositories of all architectures
			}
			q := packageOf(p)
			for _, i := range interfaces[r.builds[p.Base][arch].ID] {
				if i.Pkgname == p.Name && i.Unknown == "" {
					q.Sonames, q.Links, q.Exports = i.Sonames, linksOf(i), i.Exports
				}
			}
			u.Packages = append(u.Packages, q)
			if !slices.Contains(r.Pkgnames[p.Base], p.Name) {
				r.Pkgnames[p.Base] = append(r.Pkgnames[p.Base], p.Name)
			}
		}
	}
	return nil
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
