package handlers

import (
	"strconv"

	"github.com/gofiber/fiber/v2"

	"buildbtw/catalog"
	"buildbtw/views"
)

// searchPage lists what a query finds, or leads straight to the only thing that
// is called so; with all=1 it lists even then.
func (a *App) searchPage(c *fiber.Ctx) error {
	found, err := a.Catalog.Search(c.UserContext(), c.Query("q"))
	if err != nil {
		return err
	}
	if found.Exact.Kind != catalog.NoSubject && c.Query("all") == "" {
		return seeOther(c, subjectURL(found.Exact))
	}
	v := searchView(found)
	if v.Query != "" {
		v.Actions = views.Actions(v.Query, user(c))
	}
	s := a.shell(c, views.NavNone, v.Title())
	s.Query = v.Query
	return a.render(c, s, views.SearchContent(v))
}

// suggestions are the few names that somebody who is typing may mean.
func (a *App) suggestions(c *fiber.Ctx) error {
	found, err := a.Catalog.Suggest(c.UserContext(), c.Query("q"))
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderCacheControl, "no-cache")
	return sendView(c.UserContext(), c, views.Suggestions(searchView(found)))
}

// goOptions lists the pages, buildspaces and packages that match the text in the dialog that
// Ctrl+K opens.
func (a *App) goOptions(c *fiber.Ctx) error {
	found, err := a.Catalog.Suggest(c.UserContext(), c.Query("q"))
	if err != nil {
		return err
	}
	v := searchView(found)
	v.Actions = views.Actions(c.Query("q"), user(c))
	c.Set(fiber.HeaderCacheControl, "no-cache")
	return sendView(c.UserContext(), c, views.PaletteOptions(v))
}

// subjectURL is the page of what was found.
func subjectURL(s catalog.Subject) string {
	switch s.Kind {
	case catalog.SubjectPackage:
		return views.PackageURL(s.Name)
	case catalog.SubjectSource:
		return views.SourceURL(s.Name)
	case catalog.SubjectBuildspace:
		return views.BuildspaceURL(s.Name)
	case catalog.SubjectIteration:
		return views.IterationURL(s.Name, s.Number)
	case catalog.SubjectBuild:
		return views.BuildURL(s.Build)
	case catalog.NoSubject:
	}
	return ""
}

func searchView(f catalog.Found) views.Search {
	v := views.Search{Query: f.Query, MoreNames: f.MoreNames, Names: searchNames(f.Names)}
	for _, row := range f.Buildspaces {
		b := views.SearchBuildspace{Name: row.Name, URL: views.BuildspaceURL(row.Name)}
		if row.Latest != nil {
			b.Status = row.Latest.Status()
		}
		v.Buildspaces = append(v.Buildspaces, b)
	}
	for _, b := range f.Builds {
		v.Builds = append(v.Builds, views.SearchBuild{
			ID: strconv.FormatInt(b.ID, 10), Name: b.Pkgbase, Status: b.Status, Buildspace: b.Buildspace, Iteration: b.Iteration, URL: views.BuildURL(b.ID),
		})
	}
	for _, m := range f.Commits {
		v.Commits = append(v.Commits, views.SearchCommit{
			Commit: m.Commit, Source: m.Source, Buildspace: m.Buildspace, Iteration: m.Iteration, URL: subjectURL(m.Subject()),
		})
	}
	if l := f.Library; l != nil {
		v.Library = &views.SearchLibrary{Soname: l.Soname, More: l.More, Providers: searchNames(l.Providers)}
		for _, u := range l.Users {
			v.Library.Users = append(v.Library.Users, views.SearchUser{Package: u.Package, Dependency: u.Dependency, InBase: u.InBase, URL: views.PackageURL(u.Package)})
		}
	}
	return v
}

func searchNames(names []catalog.FoundName) []views.SearchName {
	var list []views.SearchName
	for _, n := range names {
		list = append(list, views.SearchName{
			Name: n.Name, Kind: string(n.Kind), Pkgname: n.Pkgname, Pkgbase: n.Pkgbase, Source: n.Source, Version: n.Version, URL: subjectURL(n.Subject()),
		})
	}
	return list
}
