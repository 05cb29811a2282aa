package apiv1

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw/api"
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
			chosen = append(chosen, s)
		}
	}
	page, err := cut(c, chosen, func(s api.Source) string { return s.Slug })
	if err != nil {
		return err
	}
	return send(c, page)
}
