package apiv1

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw/api"
	"buildbtw/catalog"
)

// sources lists the sources at their base ref; those that cannot be planned say
// why.
func (a *API) sources(c *fiber.Ctx) error {
	broken, err := flag(c, "broken")
	if err != nil {
		return err
	}
	all, err := a.Catalog.Sources(c.UserContext())
	if err != nil {
		return err
	}
	part := strings.ToLower(c.Query("q"))
	chosen := make([]api.Source, 0, len(all))
	for _, s := range all {
		if (!broken || s.Error != "") && strings.Contains(strings.ToLower(s.Slug), part) {
			chosen = append(chosen, api.Source(s))
		}
	}
	page, err := cut(c, chosen, func(s api.Source) string { return s.Slug })
	if err != nil {
		return err
	}
	return send(c, page)
}

// mirror answers how mirroring the sources stands.
func (a *API) mirror(c *fiber.Ctx) error {
	all, err := a.Catalog.Sources(c.UserContext())
	if err != nil {
		return err
	}
	m := api.Mirror{Sources: len(all)}
	for _, s := range all {
		if s.Error != "" {
			m.Broken++
		}
	}
	m.Roots = list(a.Catalog.Roots(), func(r catalog.Root) api.Root {
		return api.Root{Name: r.Name, Synced: r.Synced.UTC(), Seconds: r.Took.Seconds(), Sources: r.Sources, Broken: r.Broken, Error: r.Error}
	})
	return send(c, m)
}
