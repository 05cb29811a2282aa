package handlers

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/catalog"
	"buildbtw/handlers/apiv1"
	"buildbtw/views"
)

const (
	pageUsers     = 60  // dependents of a package on its page
	usersPerPage  = 300 // dependents on a page of their own
	earlierBuilds = 12  // builds before the newest that are shown for a buildspace
)

// packagePage shows a package in the sources, in the base, and in all
// buildspaces.
func (a *App) packagePage(c *fiber.Ctx) error {
	info, err := a.namedPackage(c)
	if buildbtw.KindOf(err) == buildbtw.KindNotFound {
		return a.sourceInstead(c, err)
	}
	if err != nil {
		return err
	}
	// A push passes the catalog, not the store.
	w := watched{topics: []string{topicAll}, query: []string{"arch"}, period: sourcesPeriod, seconds: 10}
	return a.renderLive(c, w, func() (*livePage, error) { return a.packageLive(c, info), nil })
}

func (a *App) packageLive(c *fiber.Ctx, info api.PackageInfo) *livePage {
	v := a.packageView(info)
	v.Users = usersOf(info.Dependents.First[:min(len(info.Dependents.First), pageUsers)])
	if info.Source != "" && user(c).MayChange() == nil {
		v.PlanURL = "/buildspaces/new?changesets=" + url.QueryEscape(info.Source)
	}
	s := a.shell(c, views.NavSources, v.Name)
	s.Crumbs = []views.Crumb{{Label: "Sources", URL: "/sources"}, {Label: v.Name}}
	s.Feed = v.FeedURL
	return onePart(s, views.PackageContent(v))
}

func (a *App) namedPackage(c *fiber.Ctx) (api.PackageInfo, error) {
	name, err := param(c, "pkgname")
	if err != nil {
		return api.PackageInfo{}, err
	}
	return a.api.PackageInfo(c.UserContext(), name, c.Query("arch"))
}

// sourceInstead leads to the source of that name, which may be unreadable and
// so make no package; else the error stays.
func (a *App) sourceInstead(c *fiber.Ctx, otherwise error) error {
	name, err := param(c, "pkgname")
	if err != nil {
		return err
	}
	all, err := a.Catalog.Sources(c.UserContext())
	if err == nil && slices.ContainsFunc(all, func(s catalog.Source) bool { return s.Slug == name }) {
		return seeOther(c, views.SourceURL(name))
	}
	return otherwise
}

func (a *App) packageView(info api.PackageInfo) views.PackageDetail {
	v := views.PackageDetail{
		Name: info.Name, Pkgbase: info.Pkgbase, Architecture: info.Architecture, Architectures: a.Settings.Architectures,
		Source: info.Source, Commit: info.Commit, Version: info.Version, Description: info.Description, Homepage: info.Homepage,
		Pkgnames: info.Pkgnames, Provides: info.Provides, Optional: info.Optional, Sonames: info.Sonames, Links: info.Links,
		UserTotal: info.Dependents.Total, UserCounts: kindCounts(info.Dependents.Counts), FeedURL: a.path(info.Feed),
	}
	if info.Base != nil {
		v.BaseRepository, v.BaseVersion = info.Base.Repository, info.Base.Version
	}
	for _, n := range info.Needs {
		v.Needs = append(v.Needs, views.NeedLine{Dependency: n.Dependency, Kinds: n.Kinds, By: n.By})
	}
	for _, space := range info.Spaces {
		v.Spaces = append(v.Spaces, a.packageSpace(space))
	}
	return v
}

func (a *App) packageSpace(space api.PackageSpace) views.PackageSpace {
	v := views.PackageSpace{Name: space.Buildspace}
	for i, b := range space.Builds[:min(len(space.Builds), earlierBuilds+1)] {
		line := views.PackageBuild{
			URL: a.path(b.URL), Iteration: b.Iteration, Architecture: b.Architecture, Stage: b.Stage, Version: b.Version,
			Status: b.Status, SkipReason: b.SkipReason, Changed: a.moment(b.ChangedAt), Took: tookBetween(b.StartedAt, b.FinishedAt),
		}
		if i == 0 {
			v.Newest = line
		} else {
			v.Earlier = append(v.Earlier, line)
		}
	}
	return v
}

// tookBetween is how long something took; empty when it has not ended.
func tookBetween(started, finished *time.Time) string {
	if started == nil || finished == nil || finished.Before(*started) {
		return ""
	}
	return views.Took(finished.Sub(*started))
}

func usersOf(users []api.PackageUser) []views.UserLine {
	var lines []views.UserLine
	for _, u := range users {
		lines = append(lines, views.UserLine{Pkgbase: u.Pkgbase, Kinds: u.Kinds, Dependencies: u.Dependencies})
	}
	return lines
}

// kindCounts orders the numbers of dependents by the strength of their kind.
func kindCounts(counts map[string]int) []views.KindCount {
	var list []views.KindCount
	for _, kind := range []string{"depends", "makedepends", "checkdepends"} {
		if counts[kind] > 0 {
			list = append(list, views.KindCount{Kind: kind, Count: counts[kind]})
		}
	}
	return list
}

// packageUsersPage lists all that depends on a package, in parts.
func (a *App) packageUsersPage(c *fiber.Ctx) error {
	info, err := a.namedPackage(c)
	if err != nil {
		return err
	}
	kind, cursor := c.Query("kind"), c.Query("cursor")
	users, err := apiv1.OfKind(info.Dependents.First, kind)
	if err != nil {
		return err
	}
	first, _ := slices.BinarySearchFunc(users, cursor+"\x00", func(u api.PackageUser, name string) int { return strings.Compare(u.Pkgbase, name) })
	users = users[first:]
	next := ""
	if len(users) > usersPerPage {
		users = users[:usersPerPage]
		next = users[usersPerPage-1].Pkgbase
	}
	v := views.PackageUsers{
		Package: a.packageView(info), Users: usersOf(users), Kind: kind, First: firstPage(c, cursor), Next: nextPage(c, next),
	}
	s := a.shell(c, views.NavSources, v.Title())
	s.Crumbs = []views.Crumb{{Label: "Sources", URL: "/sources"}, {Label: info.Name, URL: views.PackageURL(info.Name)}, {Label: "Dependents"}}
	return a.render(c, s, views.PackageUsersContent(v))
}
