package catalog

import (
	"context"
	"slices"
	"strings"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/baserepo"
	"buildbtw/store"
)

// PackageInfo describes a package, by pkgname or pkgbase, on one architecture,
// as found in the sources, the base and the builds.
type PackageInfo struct {
	Name         string
	Pkgbase      string
	Architecture string
	Source       *buildgraph.Package // as the sources make it, with all its dependents; nil when none does
	Base         *baserepo.Entry     // that pacman would install; nil when the base does not have it
	Provides     []string            // as the source writes it, else as the base has it
	Sonames      []string            // of its libraries, in the newest result, else in the base
	Links        []string            // sonames that it depends on, in the newest result, else in the base, else in its source
	Spaces       []PackageSpace      // newest result first
	Past         []store.PastBuild   // the newest that ended, the oldest of them first
}

// PackageSpace is a buildspace with its builds of a package, newest first.
type PackageSpace struct {
	Buildspace string
	Builds     []store.BuildRow
}

// DependencyKinds are the ways in which a package may depend on another, the
// strongest first.
func DependencyKinds() []string { return []string{"depends", "makedepends", "checkdepends"} }

// Dependents returns the dependents of one kind of dependency, by pkgbase; an
// empty kind returns all.
func (p PackageInfo) Dependents(kind string) ([]buildgraph.User, error) {
	if kind != "" && !slices.Contains(DependencyKinds(), kind) {
		return nil, buildbtw.Invalid("%.40q is no kind of dependency; choose depends, makedepends or checkdepends", kind)
	}
	if p.Source == nil || kind == "" {
		return p.dependents(), nil
	}
	var list []buildgraph.User
	for _, u := range p.Source.Users {
		if slices.Contains(u.Kinds.Names(), kind) {
			list = append(list, u)
		}
	}
	return list, nil
}

func (p PackageInfo) dependents() []buildgraph.User {
	if p.Source == nil {
		return nil
	}
	return p.Source.Users
}

// DependentCounts counts the dependents by kind; one that depends in several
// ways counts in each.
func (p PackageInfo) DependentCounts() map[string]int {
	counts := map[string]int{}
	for _, u := range p.dependents() {
		for _, kind := range u.Kinds.Names() {
			counts[kind]++
		}
	}
	return counts
}

// packageBuilds is how many of the newest builds of a package are looked at.
const packageBuilds = 200

// pastBuilds is of how many builds of a package it is told how long they took.
const pastBuilds = 30

// PackageInfo looks a package up in the sources, the base and the builds. An
// empty architecture is the first on which the sources make it. NotFound when
// none of the three has the name; Unavailable when a source that has not been
// read yet may make it.
func (c *Catalog) PackageInfo(ctx context.Context, name, arch string) (PackageInfo, error) {
	info := PackageInfo{Name: name, Pkgbase: name, Architecture: arch}
	if err := buildbtw.CheckPkgname(name); err != nil {
		return info, buildbtw.NotFound("there is no package %.80q", name)
	}
	starting := c.addSource(&info)
	if starting != nil && buildbtw.KindOf(starting) != buildbtw.KindUnavailable {
		return info, starting
	}
	if p, ok := c.Bases.Package(info.Architecture, name); ok {
		info.Base = &p
		if info.Source == nil {
			info.Pkgbase, info.Provides = p.Base, p.Provides
		}
	}
	rows, _, err := c.Store.Builds(ctx, store.BuildFilter{Pkgbase: info.Pkgbase, Limit: packageBuilds})
	if err != nil {
		return info, err
	}
	var newest *store.BuildRow // with a result
	place := map[string]int{}
	for i, row := range rows {
		at, known := place[row.Buildspace]
		if !known {
			at = len(info.Spaces)
			place[row.Buildspace] = at
			info.Spaces = append(info.Spaces, PackageSpace{Buildspace: row.Buildspace})
		}
		info.Spaces[at].Builds = append(info.Spaces[at].Builds, row)
		if newest == nil && row.Status == buildbtw.StatusBuilt && row.Architecture == info.Architecture {
			newest = &rows[i]
		}
	}
	if info.Source == nil && info.Base == nil && len(rows) == 0 {
		if starting != nil {
			return info, starting
		}
		return info, buildbtw.NotFound("there is no package %q: no source makes it, the base does not have it, and it was never built here", name)
	}
	if info.Past, err = c.Store.PastBuilds(ctx, info.Pkgbase, info.Architecture, pastBuilds); err != nil {
		return info, err
	}
	slices.Reverse(info.Past)
	if info.Sonames, err = c.sonames(ctx, info, newest); err != nil {
		return info, err
	}
	info.Links, err = c.links(ctx, info, newest)
	return info, err
}

// addSource adds the package of the sources, on the first architecture that has
// it. It is Unavailable while the sources are read for the first time; the base
// and the builds can be shown all the same.
func (c *Catalog) addSource(info *PackageInfo) error {
	archs := c.Architectures
	if info.Architecture != "" {
		archs = []string{info.Architecture}
	}
	info.Architecture = archs[0]
	for _, arch := range archs {
		p, err := c.Package(arch, info.Name)
		if buildbtw.KindOf(err) == buildbtw.KindNotFound {
			continue
		}
		if err != nil {
			return err
		}
		info.Architecture, info.Pkgbase, info.Provides, info.Source = arch, p.Pkgbase, p.Provides, &p
		break
	}
	return nil
}

// sonames lists the libraries that a package has: as it was built last, else as
// the base has it.
func (c *Catalog) sonames(ctx context.Context, info PackageInfo, newest *store.BuildRow) (list []string, err error) {
	var interfaces []alpm.Interface
	if newest != nil {
		if interfaces, err = c.Store.Interfaces(ctx, newest.ID); err != nil {
			return nil, err
		}
	}
	if len(interfaces) == 0 { // what is not known whole still tells
		interfaces, _ = c.Bases.Interfaces(info.Architecture, info.Pkgbase)
	}
	whole := info.Name == info.Pkgbase && (info.Source == nil || !slices.Contains(info.Source.Pkgnames, info.Name))
	for _, i := range interfaces {
		if i.Pkgname == info.Name || whole {
			list = append(list, i.Sonames...)
		}
	}
	return list, nil
}

// links lists the libraries that a package depends on: as makepkg wrote them
// into the newest result, else into the base's package, else as its source does.
func (c *Catalog) links(ctx context.Context, info PackageInfo, newest *store.BuildRow) ([]string, error) {
	var dependencies []string
	built, err := c.builtPackage(ctx, info.Name, newest)
	switch {
	case err != nil:
		return nil, err
	case built != nil:
		dependencies = built.Depends
	case info.Base != nil:
		dependencies = info.Base.Depends
	case info.Source != nil:
		for _, n := range info.Source.Needs {
			dependencies = append(dependencies, n.Dependency)
		}
	}
	var list []string
	for _, d := range dependencies {
		if !strings.Contains(d, ".so") {
			continue
		}
		if _, ok := alpm.ParseSoname(d); ok {
			list = append(list, d)
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// builtPackage reads the .PKGINFO of a package in the newest result; nil when
// there is no result, or its file is gone.
func (c *Catalog) builtPackage(ctx context.Context, pkgname string, newest *store.BuildRow) (*alpm.PkgInfo, error) {
	if newest == nil {
		return nil, nil
	}
	packages, err := c.Store.BuildPackages(ctx, newest.ID)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(packages, func(p buildbtw.Package) bool { return p.Pkgname == pkgname })
	if i < 0 {
		return nil, nil
	}
	file, err := c.Repos.PkgInfo(buildbtw.RepositoryName(newest.Buildspace, newest.Iteration), newest.Architecture, packages[i].Filename)
	switch buildbtw.KindOf(err) {
	case buildbtw.KindNotFound, buildbtw.KindInvalid:
		return nil, nil
	}
	return file, err
}
