package handlers

import (
	"net/url"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/store"
	"buildbtw/views"
)

// pagePackageBuilds bounds the builds on the page of a package.
const pagePackageBuilds = 50

// packagePage shows the builds of a pkgbase in all buildspaces.
func (a *App) packagePage(c *fiber.Ctx) error {
	name, err := param(c, "pkgname")
	if err != nil {
		return err
	}
	if err := buildbtw.CheckPkgname(name); err != nil {
		return buildbtw.NotFound("there is no package %.80q", name)
	}
	all, err := a.Catalog.Sources(c.UserContext())
	if err != nil {
		return err
	}
	rows, _, err := a.Store.Builds(c.UserContext(), store.BuildFilter{Pkgbase: name, Limit: pagePackageBuilds})
	if err != nil {
		return err
	}
	v := views.PackageDetail{Name: name, Source: sourceOf(all, name), Builds: a.buildLines(rows)}
	if v.Source != nil && user(c).MayChange() == nil {
		v.PlanURL = "/buildspaces/new?changesets=" + url.QueryEscape(v.Source.Slug)
	}
	return a.render(c, a.shell(c, views.NavSources, name), views.PackageContent(v))
}

// sourceOf finds the source that makes a pkgbase, or that is called so.
func sourceOf(all []api.Source, name string) *views.SourceLine {
	for _, s := range all {
		if s.Pkgbase == name || s.Pkgbase == "" && s.Slug == name {
			line := sourceLine(s)
			return &line
		}
	}
	return nil
}
