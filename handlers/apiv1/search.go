package apiv1

import (
	"strconv"

	"github.com/gofiber/fiber/v2"

	"buildbtw/api"
	"buildbtw/catalog"
	"buildbtw/store"
)

// search answers what a person may mean by a few characters.
func (a *API) search(c *fiber.Ctx) error {
	f, err := a.Catalog.Search(c.UserContext(), c.Query("q"))
	if err != nil {
		return err
	}
	w := api.Found{
		Query: f.Query, Names: list(f.Names, a.wireName), MoreNames: f.MoreNames, Builds: list(f.Builds, a.wireBuild), Exact: a.subjectURL(f.Exact),
	}
	w.Buildspaces = list(f.Buildspaces, func(row store.BuildspaceRow) api.FoundBuildspace {
		b := api.FoundBuildspace{Name: row.Name, URL: a.page("buildspaces", row.Name)}
		if row.Latest != nil {
			b.Status = row.Latest.Status()
		}
		return b
	})
	w.Commits = list(f.Commits, func(m catalog.FoundCommit) api.FoundCommit {
		return api.FoundCommit{Commit: m.Commit, Source: m.Source, Buildspace: m.Buildspace, Iteration: m.Iteration, URL: a.subjectURL(m.Subject())}
	})
	if l := f.Library; l != nil {
		w.Library = &api.FoundLibrary{Soname: l.Soname, Providers: list(l.Providers, a.wireName), More: l.More}
		w.Library.Users = list(l.Users, func(u catalog.FoundUser) api.FoundUser {
			return api.FoundUser{Package: u.Package, Dependency: u.Dependency, InBase: u.InBase, URL: a.page("packages", u.Package)}
		})
	}
	return send(c, w)
}

func (a *API) wireName(n catalog.FoundName) api.FoundName {
	return api.FoundName{
		Name: n.Name, Kind: string(n.Kind), Pkgname: n.Pkgname, Pkgbase: n.Pkgbase, Source: n.Source, Version: n.Version, URL: a.subjectURL(n.Subject()),
	}
}

// subjectURL is the full URL of the page of what was found; empty for nothing.
func (a *API) subjectURL(s catalog.Subject) string {
	switch s.Kind {
	case catalog.SubjectPackage:
		return a.page("packages", s.Name)
	case catalog.SubjectSource:
		return a.page("sources", s.Name)
	case catalog.SubjectBuildspace:
		return a.page("buildspaces", s.Name)
	case catalog.SubjectIteration:
		return a.page("buildspaces", s.Name, strconv.Itoa(s.Number))
	case catalog.SubjectBuild:
		return a.page("builds", formatID(s.Build))
	case catalog.NoSubject:
	}
	return ""
}
