package handlers

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw/api"
	"buildbtw/views"
)

// searchPage lists what a query finds, or leads straight to the only thing that
// is called so; with all=1 it lists even then.
func (a *App) searchPage(c *fiber.Ctx) error {
	found, err := a.api.Search(c.UserContext(), c.Query("q"))
	if err != nil {
		return err
	}
	if found.Exact != "" && c.Query("all") == "" {
		return seeOther(c, a.path(found.Exact))
	}
	v := a.searchView(found)
	s := a.shell(c, views.NavNone, v.Title())
	s.Query = v.Query
	return a.render(c, s, views.SearchContent(v))
}

// suggestions are the few names that somebody who is typing may mean.
func (a *App) suggestions(c *fiber.Ctx) error {
	found, err := a.api.Suggest(c.UserContext(), c.Query("q"))
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderCacheControl, "no-cache")
	return sendView(c.UserContext(), c, views.Suggestions(a.searchView(found)))
}

// path makes an address of this server, as the API gives it, relative: people
// may have come by another name.
func (a *App) path(url string) string { return strings.TrimPrefix(url, a.Settings.ServerURL) }

func (a *App) searchView(f api.Found) views.Search {
	v := views.Search{Query: f.Query, MoreNames: f.MoreNames}
	for _, n := range f.Names {
		v.Names = append(v.Names, a.searchName(n))
	}
	for _, b := range f.Buildspaces {
		v.Buildspaces = append(v.Buildspaces, views.SearchBuildspace{Name: b.Name, Status: b.Status, URL: a.path(b.URL)})
	}
	for _, b := range f.Builds {
		v.Builds = append(v.Builds, views.SearchBuild{
			ID: b.ID, Name: b.Pkgbase, Status: b.Status, Buildspace: b.Buildspace, Iteration: b.Iteration, URL: a.path(b.URL),
		})
	}
	for _, m := range f.Commits {
		v.Commits = append(v.Commits, views.SearchCommit{
			Commit: m.Commit, Source: m.Source, Buildspace: m.Buildspace, Iteration: m.Iteration, URL: a.path(m.URL),
		})
	}
	if f.Library != nil {
		v.Library = a.searchLibrary(*f.Library)
	}
	return v
}

func (a *App) searchName(n api.FoundName) views.SearchName {
	return views.SearchName{Name: n.Name, Kind: n.Kind, Pkgname: n.Pkgname, Pkgbase: n.Pkgbase, Source: n.Source, Version: n.Version, URL: a.path(n.URL)}
}

func (a *App) searchLibrary(l api.FoundLibrary) *views.SearchLibrary {
	v := &views.SearchLibrary{Soname: l.Soname, More: l.More}
	for _, p := range l.Providers {
		v.Providers = append(v.Providers, a.searchName(p))
	}
	for _, u := range l.Users {
		v.Users = append(v.Users, views.SearchUser{Package: u.Package, Dependency: u.Dependency, InBase: u.InBase, URL: a.path(u.URL)})
	}
	return v
}
