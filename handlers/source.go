package handlers

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw/api"
	"buildbtw/views"
)

// pageSources bounds the readable sources on one page; broken ones are all
// shown.
const pageSources = 300

// sourcesPage lists the sources, those that cannot be planned first.
func (a *App) sourcesPage(c *fiber.Ctx) error {
	all, err := a.Catalog.Sources(c.UserContext())
	if err != nil {
		return err
	}
	v := views.Sources{Query: c.Query("q"), Total: len(all)}
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

func sourceLine(s api.Source) views.SourceLine {
	return views.SourceLine{Slug: s.Slug, Ref: s.Ref, Commit: s.Commit, Pkgbase: s.Pkgbase, Version: s.Version, Error: s.Error}
}
