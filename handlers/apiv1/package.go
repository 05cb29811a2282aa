package apiv1

import (
	"github.com/gofiber/fiber/v2"

	"buildbtw/api"
	"buildbtw/buildgraph"
	"buildbtw/catalog"
)

// firstUsers is how many dependents come with a package.
const firstUsers = 50

// packageInfo answers what is known of a package.
func (a *API) packageInfo(c *fiber.Ctx) error {
	info, err := a.namedPackage(c)
	if err != nil {
		return err
	}
	return send(c, a.wirePackageInfo(info))
}

// packageUsers lists the dependents of a package, in parts.
func (a *API) packageUsers(c *fiber.Ctx) error {
	info, err := a.namedPackage(c)
	if err != nil {
		return err
	}
	users, err := info.Dependents(c.Query("kind"))
	if err != nil {
		return err
	}
	page, err := cut(c, list(users, wireUser), func(u api.PackageUser) string { return u.Pkgbase })
	if err != nil {
		return err
	}
	return send(c, page)
}

func (a *API) namedPackage(c *fiber.Ctx) (catalog.PackageInfo, error) {
	name, err := param(c, "pkgname")
	if err != nil {
		return catalog.PackageInfo{}, err
	}
	return a.Catalog.PackageInfo(c.UserContext(), name, c.Query("arch"))
}

func (a *API) wirePackageInfo(info catalog.PackageInfo) api.PackageInfo {
	w := api.PackageInfo{
		Name: info.Name, Pkgbase: info.Pkgbase, Architecture: info.Architecture, Pkgnames: []string{}, Optional: []string{},
		Provides: names(info.Provides), Sonames: names(info.Sonames), Links: names(info.Links),
		Needs: []api.PackageNeed{}, Dependents: api.PackageUsers{Counts: info.DependentCounts(), First: []api.PackageUser{}},
		URL: a.page("packages", info.Name), Feed: a.page("packages", info.Name, "feed.atom"),
	}
	if p := info.Source; p != nil {
		w.Source, w.Commit, w.Version, w.Description, w.Homepage = p.Source, p.Commit, p.Version, p.Desc, p.URL
		w.Pkgnames, w.Optional = names(p.Pkgnames), names(p.Optional)
		w.Needs = list(p.Needs, func(n buildgraph.Need) api.PackageNeed {
			return api.PackageNeed{Dependency: n.Dependency, Kinds: n.Kinds.Names(), By: names(n.By)}
		})
		w.Dependents.Total = len(p.Users)
		w.Dependents.First = list(p.Users[:min(len(p.Users), firstUsers)], wireUser)
	}
	if info.Base != nil {
		w.Base = &api.BasePackage{Repository: info.Base.Repo, Version: info.Base.Version}
	}
	w.Spaces = list(info.Spaces, func(s catalog.PackageSpace) api.PackageSpace {
		return api.PackageSpace{Buildspace: s.Buildspace, Builds: list(s.Builds, a.wireBuild)}
	})
	return w
}

func wireUser(u buildgraph.User) api.PackageUser {
	return api.PackageUser{Pkgbase: u.Pkgbase, Kinds: u.Kinds.Names(), Dependencies: u.Dependencies}
}
