package handlers

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/catalog"
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
	return a.renderLive(c, w, func() (*livePage, error) {
		v := a.packageView(c.UserContext(), info)
		if p := info.Source; p != nil {
			v.Users = usersOf(p.Users[:min(len(p.Users), pageUsers)])
			if user(c).MayChange() == nil {
				v.PlanURL = "/buildspaces/new?changesets=" + url.QueryEscape(p.Source)
			}
		}
		s := a.shell(c, views.NavSources, v.Name)
		s.Crumbs = []views.Crumb{{Label: "Sources", URL: "/sources"}, {Label: v.Name}}
		s.Feed, s.Script = v.FeedURL, s.Assets.Pictures
		return onePart(s, views.PackageContent(v)), nil
	})
}

// namedPackage finds the package that the path names.
func (a *App) namedPackage(c *fiber.Ctx) (catalog.PackageInfo, error) {
	name, err := param(c, "pkgname")
	if err != nil {
		return catalog.PackageInfo{}, err
	}
	return a.Catalog.PackageInfo(c.UserContext(), name, c.Query("arch"))
}

// sourceInstead redirects to the source of that name, which may be unreadable and
// so make no package; if there is none it returns the error otherwise.
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

// packageView returns a package as its page shows it.
func (a *App) packageView(ctx context.Context, info catalog.PackageInfo) views.PackageDetail {
	v := views.PackageDetail{
		Name: info.Name, Pkgbase: info.Pkgbase, Architecture: info.Architecture, Architectures: a.Catalog.Architectures,
		Provides: info.Provides, Sonames: info.Sonames, Links: info.Links, FeedURL: views.PackageURL(info.Name) + "/feed.atom",
	}
	if p := info.Source; p != nil {
		v.Source, v.Version, v.Description, v.Homepage = p.Source, p.Version, p.Desc, p.URL
		v.Commit = a.commitLines(ctx, catalog.SourceCommit{Source: p.Source, Commit: p.Commit})(p.Source, p.Commit)
		v.Pkgnames, v.Optional, v.UserTotal = p.Pkgnames, p.Optional, len(p.Users)
		for _, n := range p.Needs {
			v.Needs = append(v.Needs, views.NeedLine{Dependency: n.Dependency, Kinds: n.Kinds.Names(), By: n.By})
		}
	}
	counts := info.DependentCounts()
	for _, kind := range catalog.DependencyKinds() {
		if counts[kind] > 0 {
			v.UserCounts = append(v.UserCounts, views.KindCount{Kind: kind, Count: counts[kind]})
		}
	}
	if info.Base != nil {
		v.BaseRepository, v.BaseVersion = info.Base.Repo, info.Base.Version
	}
	for _, space := range info.Spaces {
		s := views.PackageSpace{Name: space.Buildspace}
		for i, b := range space.Builds[:min(len(space.Builds), earlierBuilds+1)] {
			line := views.PackageBuild{
				URL: views.BuildURL(b.ID), Iteration: b.Iteration, Architecture: b.Architecture, Stage: b.Stage, Version: b.Version,
				Status: b.Status, SkipReason: b.SkipReason, Changed: a.moment(b.ChangedAt), Took: tookBetween(b.StartedAt, b.FinishedAt),
			}
			if i == 0 {
				s.Newest = line
			} else {
				s.Earlier = append(s.Earlier, line)
			}
		}
		v.Spaces = append(v.Spaces, s)
	}
	for _, b := range info.Past {
		v.Past = append(v.Past, views.PastBuild{
			Build:      views.BuildLink{ID: b.ID, Pkgbase: info.Pkgbase, Stage: b.Stage, Status: b.Status},
			Buildspace: b.Buildspace, Iteration: b.Iteration, Version: b.Version, Finished: a.moment(b.FinishedAt),
			Took: time.Duration(b.Seconds * float64(time.Second)), Memory: b.Memory, Size: b.Size,
		})
	}
	return v
}

// tookBetween returns how long something took, or nothing when it has not ended.
func tookBetween(started, finished *time.Time) string {
	if started == nil || finished == nil || finished.Before(*started) {
		return ""
	}
	return views.Took(finished.Sub(*started))
}

// usersOf returns dependents of a package as pages list them.
func usersOf(users []buildgraph.User) []views.UserLine {
	var lines []views.UserLine
	for _, u := range users {
		lines = append(lines, views.UserLine{Pkgbase: u.Pkgbase, Kinds: u.Kinds.Names(), Dependencies: u.Dependencies})
	}
	return lines
}

// packageUsersPage lists all that depends on a package, in parts.
func (a *App) packageUsersPage(c *fiber.Ctx) error {
	info, err := a.namedPackage(c)
	if err != nil {
		return err
	}
	kind, cursor := c.Query("kind"), c.Query("cursor")
	users, err := info.Dependents(kind)
	if err != nil {
		return err
	}
	first, _ := slices.BinarySearchFunc(users, cursor+"\x00", func(u buildgraph.User, name string) int { return strings.Compare(u.Pkgbase, name) })
	users = users[first:]
	next := ""
	if len(users) > usersPerPage {
		users = users[:usersPerPage]
		next = users[usersPerPage-1].Pkgbase
	}
	v := views.PackageUsers{
		Package: a.packageView(c.UserContext(), info), Users: usersOf(users), Kind: kind, First: firstPage(c, cursor), Next: nextPage(c, next),
	}
	s := a.shell(c, views.NavSources, v.Title())
	s.Crumbs = []views.Crumb{{Label: "Sources", URL: "/sources"}, {Label: info.Name, URL: views.PackageURL(info.Name)}, {Label: "Dependents"}}
	return a.render(c, s, views.PackageUsersContent(v))
}
