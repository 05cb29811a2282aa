package apiv1

import (
	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/catalog"
)

func (a *API) nameRoutes() []route {
	return []route{{
		method: "POST", path: "/names", summary: "The pkgbase and source of each name of a list, and similar names of those that nothing has",
		may: buildbtw.User.MayRead, handler: a.resolveNames, body: api.NameList{}, answer: api.ResolvedNames{},
	}}
}

func (a *API) resolveNames(c *fiber.Ctx) error {
	wanted, err := decode[api.NameList](c)
	if err != nil {
		return err
	}
	all, err := a.Catalog.ResolveNames(wanted.Names)
	if err != nil {
		return err
	}
	return send(c, api.ResolvedNames{Names: list(all, func(r catalog.ResolvedName) api.ResolvedName { return api.ResolvedName(r) })})
}
