package handlers

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/views"
)

// pageSources bounds the readable sources on one page; broken ones are all
// shown.
const pageSources = 300

// sourcesPage lists the sources, those that cannot be planned first.
func (a *App) sourcesPage(c *fiber.Ctx) error {
	all, err := a.Catalog.Sources(c.UserContext())
	v := views.Sources{Query: c.Query("q"), Total: len(all)}
	if buildbtw.KindOf(err) == buildbtw.KindUnavailable {
		v.Wait, err = buildbtw.MessageOf(err), nil
	}
	if err != nil {
		return err
	}
	if v.Groups, err = a.sourceGroups(c); err != nil {
		return err
	}
	part := strings.ToLower(v.Query)
	for _, s := range all {
		if s.Read.After(v.Read.At) {
			v.Read = a.moment(s.Read)
		}
		if !strings.Contains(strings.ToLower(s.Slug), part) {
			continue
		}
		switch {
		case s.Error != "":
			v.Broken = append(v.Broken, sourceLine(s))
		case len(v.Lines) < pageSources:
			v.Lines = append(v.Lines, sourceLine(s))
		default:
			v.Left++
		}
	}
	return a.render(c, a.shell(c, views.NavSources, v.Title()), views.SourcesContent(v))
}

// sourceGroups says how the groups of --sources stand.
func (a *App) sourceGroups(c *fiber.Ctx) ([]views.SourceGroup, error) {
	rows, err := a.Store.SourceGroups(c.UserContext())
	groups := make([]views.SourceGroup, 0, len(rows))
	for _, r := range rows {
		g := views.SourceGroup{URL: r.Name, Projects: r.Projects, Untried: r.Untried, Broken: r.Broken, Filled: r.FilledAt != nil, Error: r.Message}
		if r.AskedAt != nil {
			g.Asked = a.moment(*r.AskedAt)
		}
		groups = append(groups, g)
	}
	return groups, err
}

func sourceLine(s api.Source) views.SourceLine {
	return views.SourceLine{Slug: s.Slug, Ref: s.Ref, Commit: s.Commit, Pkgbase: s.Pkgbase, Version: s.Version, Error: s.Error}
}
