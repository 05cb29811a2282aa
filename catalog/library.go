package catalog

import (
	"context"
	"slices"
	"strings"

	"buildbtw"
	"buildbtw/internal/directory"
	"buildbtw/pacman/alpm"
	"buildbtw/store"
)

// addLibrary adds who provides a library, and who may link with it besides those of whom
// it is known.
func (c *Catalog) addLibrary(ctx context.Context, u *UsersOf, built []store.BuiltPackage) error {
	soname, _ := alpm.ParseSoname(u.Name)
	names := c.current.Load().directory()
	u.Providers = c.providers(u.Architecture, soname, names, built)
	u.Providers = u.Providers[:min(len(u.Providers), maxProviders)]
	may := c.mayLink(u, soname, names)
	for _, user := range u.Users {
		delete(may, user.Pkgbase)
	}
	base := c.Bases.Snapshot(u.Architecture)
	var unseen []string // in the base
	for pkgbase := range may {
		if base.LinksKnown(pkgbase) {
			delete(may, pkgbase) // and it does not link with the library
		} else {
			unseen = append(unseen, pkgbase)
		}
	}
	known, err := c.Store.LinksKnown(ctx, u.Architecture, unseen)
	if err != nil {
		return err
	}
	for _, pkgbase := range known {
		delete(may, pkgbase)
	}
	for _, one := range may {
		u.Unknown = append(u.Unknown, one)
	}
	slices.SortFunc(u.Unknown, func(a, b UnknownUser) int { return strings.Compare(a.Pkgbase, b.Pkgbase) })
	u.Unknown = u.Unknown[:min(len(u.Unknown), maxUsers)]
	return nil
}

// providers returns the packages that have the library: by the files of the base and of
// builds. Only when neither has it, what sources say of themselves counts.
func (c *Catalog) providers(arch string, soname alpm.Soname, names *directory.Directory, built []store.BuiltPackage) []NameProvider {
	var list []NameProvider
	known := map[string]bool{}
	for _, p := range c.Bases.Snapshot(arch).Providers(soname) {
		known[p.Entry.Name] = true
		list = append(list, NameProvider{Pkgname: p.Entry.Name, Pkgbase: p.Base, Version: p.Version, File: p.File, Repository: p.Repo})
	}
	for _, b := range built { // by name, the newest first
		if !known[b.Pkgname] && slices.ContainsFunc(b.Interface.Provides, means(soname)) {
			known[b.Pkgname] = true
			list = append(list, builtProvider(b))
		}
	}
	if len(list) > 0 {
		return list
	}
	for _, b := range built { // a library that no provides names may be one that only the program itself uses
		if !known[b.Pkgname] && slices.ContainsFunc(b.Interface.Sonames, means(soname)) {
			known[b.Pkgname] = true
			list = append(list, builtProvider(b))
		}
	}
	if len(list) > 0 {
		return list
	}
	for _, e := range names.Providers(soname) {
		list = append(list, NameProvider{Pkgname: e.Pkgname, Pkgbase: e.Pkgbase, Version: e.Version, Declared: true})
	}
	return list
}

func builtProvider(b store.BuiltPackage) NameProvider {
	return NameProvider{Pkgname: b.Pkgname, Pkgbase: b.Pkgbase, Version: b.Version, Buildspace: b.Buildspace, Iteration: b.Iteration}
}

// means returns a function that reports whether a provide or soname states this library's
// version, if it has one.
func means(soname alpm.Soname) func(string) bool {
	return func(text string) bool {
		if !strings.Contains(text, soname.Library) {
			return false
		}
		n, ok := alpm.ParseSoname(text)
		return ok && n.Matches(soname) && (n.Version != "" || soname.Version == "")
	}
}

// mayLink returns, by pkgbase, who depends on the library or on a package that provides
// it: in the sources, and in the base.
func (c *Catalog) mayLink(u *UsersOf, soname alpm.Soname, names *directory.Directory) map[string]UnknownUser {
	may := map[string]UnknownUser{}
	index := c.current.Load().index
	add := func(pkgbase, dependency string) {
		brief, _ := index.Brief(u.Architecture, pkgbase)
		may[pkgbase] = UnknownUser{Pkgbase: pkgbase, Source: brief.Source, Dependency: dependency}
	}
	provider, own := map[string]bool{}, map[string]bool{}
	for _, p := range u.Providers {
		provider[p.Pkgname], own[p.Pkgbase] = true, true
	}
	for _, e := range c.Bases.Snapshot(u.Architecture).Dependents(provider) {
		if !own[e.Base] {
			add(e.Base, e.Name)
		}
	}
	for pkgname := range provider {
		p, _ := index.Package(u.Architecture, pkgname)
		for _, user := range p.Users {
			if user.Kinds&buildbtw.EdgeDepends != 0 && !own[user.Pkgbase] {
				add(user.Pkgbase, user.Dependencies[0])
			}
		}
	}
	for _, user := range names.Users(soname) {
		if !own[user.Pkgbase] {
			add(user.Pkgbase, user.Dependency)
		}
	}
	return may
}
