package handlers

import (
	"fmt"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"buildbtw/catalog"
	"buildbtw/internal/directory"
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
	v := a.searchView(found)
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
	return sendView(c.UserContext(), c, views.Suggestions(a.searchView(found)))
}

// goOptions lists the pages, buildspaces and packages that match the text in the dialog that
// Ctrl+K opens.
func (a *App) goOptions(c *fiber.Ctx) error {
	found, err := a.Catalog.Suggest(c.UserContext(), c.Query("q"))
	if err != nil {
		return err
	}
	v := a.searchView(found)
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

func (a *App) searchView(f catalog.Found) views.Search {
	v := views.Search{Query: f.Query, MoreNames: f.MoreNames, Names: a.searchNames(f.Names)}
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
	if f.Library != nil {
		v.Library = searchLibrary(*f.Library)
	}
	return v
}

// shownUsers bounds the packages of each list of a library's page.
const shownUsers = 200

func searchLibrary(l catalog.FoundLibrary) *views.SearchLibrary {
	v := &views.SearchLibrary{Soname: l.Soname, Whole: l.Whole, RebuildMost: maxRebuild}
	for _, p := range l.Providers {
		v.Providers = append(v.Providers, views.SearchProvider{Pkgname: p.Pkgname, Version: p.Version, URL: views.PackageURL(p.Pkgname), Words: p.Words()})
	}
	users := onePerPackage(l.Users)
	v.Users = users[:min(len(users), shownUsers)]
	for _, u := range l.Unknown[:min(len(l.Unknown), shownUsers)] {
		v.Unknown = append(v.Unknown, views.SearchUser{Package: u.Pkgbase, Uses: u.Dependency, URL: views.PackageURL(u.Pkgbase)})
	}
	v.More, v.MoreUnknown = l.More+len(users)-len(v.Users), len(l.Unknown)-len(v.Unknown)
	sources, left := l.Sources(false)
	all, _ := l.Sources(true)
	v.Rebuild, v.RebuildAll, v.NoSource = len(sources), len(all), left
	if len(sources) <= maxRebuild {
		v.RebuildURL = views.RebuildURL(l.Soname, false)
	}
	if len(all) <= maxRebuild {
		v.RebuildAllURL = views.RebuildURL(l.Soname, true)
	}
	return v
}

// onePerPackage makes one line of each package that links with a library, by pkgname: it may
// do so in the base and in many buildspaces.
func onePerPackage(users []catalog.NameUser) []views.SearchUser {
	var list []views.SearchUser
	more := 0
	for i, u := range users {
		where := "in " + u.Repository
		if u.Repository == "" {
			where = fmt.Sprintf("in %s #%d", u.Buildspace, u.Iteration)
		}
		if i > 0 && users[i-1].Pkgname == u.Pkgname {
			more++
		} else {
			more = 0
			list = append(list, views.SearchUser{Package: u.Pkgname, Uses: u.Name, Where: where, URL: views.PackageURL(u.Pkgname)})
		}
		list[len(list)-1].Places = more
	}
	return list
}

func (a *App) searchNames(names []catalog.FoundName) []views.SearchName {
	var list []views.SearchName
	for _, n := range names {
		v := searchEntry(n.Entry)
		v.Pkgnames, v.Dependents = n.Pkgnames, n.Dependents
		for _, e := range n.Also {
			v.Also = append(v.Also, searchEntry(e))
		}
		v.NotInBase = n.InBase == nil && len(a.Catalog.Bases) > 0
		if n.InBase != nil {
			v.Base = n.InBase.Version + " in " + n.InBase.Repo
		}
		if b := n.Newest; b != nil {
			v.Newest = &views.SearchBuild{
				Status: b.Status, Version: b.Version, Buildspace: b.Buildspace, Iteration: b.Iteration, URL: views.BuildURL(b.BuildID),
			}
		}
		list = append(list, v)
	}
	return list
}

func searchEntry(e directory.Entry) views.SearchName {
	return views.SearchName{
		Name: e.Name, Kind: string(e.Kind), Pkgname: e.Pkgname, Pkgbase: e.Pkgbase, Source: e.Source, Version: e.Version, URL: subjectURL(catalog.FoundName{Entry: e}.Subject()),
	}
}
