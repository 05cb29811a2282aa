package apiv1

import (
	"context"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/buildgraph"
	"buildbtw/pacman/alpm"
	"buildbtw/store"
)

const (
	firstUsers    = 50  // dependents that come with a package
	packageBuilds = 200 // newest builds of a package that are looked at
)

// packageInfo says what is known of a package.
func (a *API) packageInfo(c *fiber.Ctx) error {
	name, err := param(c, "pkgname")
	if err != nil {
		return err
	}
	info, err := a.PackageInfo(c.UserContext(), name, c.Query("arch"))
	if err != nil {
		return err
	}
	info.Dependents.First = info.Dependents.First[:min(len(info.Dependents.First), firstUsers)]
	return send(c, info)
}

// packageUsers lists the dependents of a package, in parts.
func (a *API) packageUsers(c *fiber.Ctx) error {
	name, err := param(c, "pkgname")
	if err != nil {
		return err
	}
	info, err := a.PackageInfo(c.UserContext(), name, c.Query("arch"))
	if err != nil {
		return err
	}
	users, err := OfKind(info.Dependents.First, c.Query("kind"))
	if err != nil {
		return err
	}
	page, err := cut(c, users, func(u api.PackageUser) string { return u.Pkgbase })
	if err != nil {
		return err
	}
	return send(c, page)
}

// OfKind keeps the dependents that depend in one way; an empty kind keeps all.
func OfKind(users []api.PackageUser, kind string) ([]api.PackageUser, error) {
	if kind == "" {
		return users, nil
	}
	if !slices.Contains([]string{"depends", "makedepends", "checkdepends"}, kind) {
		return nil, buildbtw.Invalid("%.40q is no kind of dependency; choose depends, makedepends or checkdepends", kind)
	}
	var list []api.PackageUser
	for _, u := range users {
		if slices.Contains(u.Kinds, kind) {
			list = append(list, u)
		}
	}
	return list, nil
}

// PackageInfo gathers what is known of a package, with all its dependents. An
// empty architecture is the first that has it. NotFound when neither sources nor
// base nor any build know the name.
func (a *API) PackageInfo(ctx context.Context, name, arch string) (api.PackageInfo, error) {
	info := api.PackageInfo{
		Name: name, Pkgbase: name, Architecture: arch, Pkgnames: []string{}, Provides: []string{}, Optional: []string{}, Sonames: []string{}, Links: []string{},
		Needs: []api.PackageNeed{}, Dependents: api.PackageUsers{Counts: map[string]int{}, First: []api.PackageUser{}},
		Spaces: []api.PackageSpace{}, URL: a.page("packages", name), Feed: a.page("packages", name, "feed.atom"),
	}
	if err := buildbtw.CheckPkgname(name); err != nil {
		return info, buildbtw.NotFound("there is no package %.80q", name)
	}
	inSources, starting := a.addSource(ctx, &info)
	if starting != nil && buildbtw.KindOf(starting) != buildbtw.KindUnavailable {
		return info, starting
	}
	inBase := a.addBase(&info)
	newest, err := a.addSpaces(ctx, &info)
	if err != nil {
		return info, err
	}
	if err := a.addLibraries(ctx, &info, newest); err != nil {
		return info, err
	}
	switch known := inSources || inBase || len(info.Spaces) > 0; {
	case !known && starting != nil:
		return info, starting // a source may make it
	case !known:
		return info, buildbtw.NotFound("there is no package %q: no source makes it, the base does not have it, and it was never built here", name)
	}
	return info, nil
}

// addSource adds what the sources say, on the first architecture that has it.
// The error is Unavailable while they are read for the first time; the rest may
// be worth showing then.
func (a *API) addSource(ctx context.Context, info *api.PackageInfo) (bool, error) {
	archs := a.Settings.Architectures
	if info.Architecture != "" {
		archs = []string{info.Architecture}
	}
	info.Architecture = archs[0]
	for _, arch := range archs {
		p, err := a.Catalog.Package(arch, info.Name)
		if buildbtw.KindOf(err) == buildbtw.KindNotFound {
			continue
		}
		if err != nil {
			return false, err
		}
		info.Architecture = arch
		fillPackage(info, p)
		return true, nil
	}
	return false, nil
}

func fillPackage(info *api.PackageInfo, p buildgraph.Package) {
	info.Pkgbase, info.Source, info.Commit, info.Version = p.Pkgbase, p.Source, p.Commit, p.Version
	info.Description, info.Homepage = p.Desc, p.URL
	info.Pkgnames, info.Provides, info.Optional = names(p.Pkgnames), names(p.Provides), names(p.Optional)
	for _, n := range p.Needs {
		info.Needs = append(info.Needs, api.PackageNeed{Dependency: n.Dependency, Kinds: n.Kinds.Names(), By: names(n.By)})
	}
	info.Dependents.Total = len(p.Users)
	for _, u := range p.Users {
		kinds := u.Kinds.Names()
		for _, kind := range kinds {
			info.Dependents.Counts[kind]++
		}
		info.Dependents.First = append(info.Dependents.First, api.PackageUser{Pkgbase: u.Pkgbase, Kinds: kinds, Dependencies: u.Dependencies})
	}
}

func (a *API) addBase(info *api.PackageInfo) bool {
	p, ok := a.Base.Package(info.Architecture, info.Name)
	if !ok {
		return false
	}
	info.Base = &api.BasePackage{Repository: p.Repo, Version: p.Version}
	if info.Source == "" {
		info.Pkgbase = p.Base
		info.Provides = names(p.Provides)
	}
	return true
}

// addSpaces adds the newest builds by buildspace, and gives the newest result.
func (a *API) addSpaces(ctx context.Context, info *api.PackageInfo) (newest *store.BuildRow, err error) {
	rows, _, err := a.Store.Builds(ctx, store.BuildFilter{Pkgbase: info.Pkgbase, Limit: packageBuilds})
	if err != nil {
		return nil, err
	}
	place := map[string]int{}
	for i, row := range rows {
		at, known := place[row.Buildspace]
		if !known {
			at = len(info.Spaces)
			place[row.Buildspace] = at
			info.Spaces = append(info.Spaces, api.PackageSpace{Buildspace: row.Buildspace})
		}
		info.Spaces[at].Builds = append(info.Spaces[at].Builds, a.wireBuild(row))
		if newest == nil && row.Status == buildbtw.StatusBuilt && row.Architecture == info.Architecture {
			newest = &rows[i]
		}
	}
	return newest, nil
}

// addLibraries says which libraries the package has and which it links with: as
// it was built last, else as the base has it, else as its source says.
func (a *API) addLibraries(ctx context.Context, info *api.PackageInfo, newest *store.BuildRow) error {
	var interfaces []alpm.Interface
	if newest != nil {
		var err error
		if interfaces, err = a.Store.Interfaces(ctx, newest.ID); err != nil {
			return err
		}
	}
	if len(interfaces) == 0 { // what is not known whole still tells
		interfaces, _ = a.Base.Interfaces(info.Architecture, info.Pkgbase)
	}
	for _, i := range interfaces {
		if i.Pkgname == info.Name || info.Name == info.Pkgbase && !slices.Contains(info.Pkgnames, info.Name) {
			info.Sonames = append(info.Sonames, i.Sonames...)
		}
	}
	dependencies, err := a.builtWith(ctx, info.Name, newest)
	if err != nil {
		return err
	}
	if dependencies == nil {
		dependencies = a.writtenDependencies(info)
	}
	info.Links = sonames(dependencies)
	return nil
}

// builtWith lists the dependencies of a package as makepkg wrote them into the
// newest result; nil when there is none, or its file is gone.
func (a *API) builtWith(ctx context.Context, pkgname string, newest *store.BuildRow) ([]string, error) {
	if newest == nil {
		return nil, nil
	}
	packages, err := a.Store.BuildPackages(ctx, newest.ID)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(packages, func(p buildbtw.Package) bool { return p.Pkgname == pkgname })
	if i < 0 {
		return nil, nil
	}
	file, err := a.Repos.PkgInfo(buildbtw.RepositoryName(newest.Buildspace, newest.Iteration), newest.Architecture, packages[i].Filename)
	switch buildbtw.KindOf(err) {
	case buildbtw.KindNotFound, buildbtw.KindInvalid:
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return names(file.Depends), nil
}

// writtenDependencies are those of the base's package, which makepkg wrote, else
// of the source.
func (a *API) writtenDependencies(info *api.PackageInfo) []string {
	if p, ok := a.Base.Package(info.Architecture, info.Name); ok {
		return p.Depends
	}
	var list []string
	for _, n := range info.Needs {
		list = append(list, n.Dependency)
	}
	return list
}

// sonames keeps the dependencies that are on libraries.
func sonames(dependencies []string) []string {
	list := []string{}
	for _, d := range dependencies {
		if !strings.Contains(d, ".so") {
			continue
		}
		if _, ok := alpm.ParseSoname(d); ok {
			list = append(list, d)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
