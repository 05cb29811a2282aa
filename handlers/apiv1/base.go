package apiv1

import (
	"fmt"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/pacman/baserepo"
)

func (a *API) baseRoutes() []route {
	return []route{
		{
			method: "GET", path: "/base/refused", summary: "Base repositories of which a newer version was not taken, because it lost too many packages",
			may: buildbtw.User.MayRead, handler: a.refusedBases, answer: api.Page[api.RefusedBase]{},
		},
		{
			method: "POST", path: "/base/{name}/{architecture}/accept", summary: "Take a newer version of a base repository although it lost packages; 409 when these are not those that were seen",
			may: buildbtw.User.MayAdminister, handler: a.acceptBase, body: api.AcceptBase{}, status: fiber.StatusNoContent, time: finishTime,
		},
	}
}

func (a *API) refusedBases(c *fiber.Ctx) error {
	return send(c, api.Page[api.RefusedBase]{Items: list(a.Catalog.Bases.Refused(), func(r baserepo.Refused) api.RefusedBase {
		return api.RefusedBase{Name: r.Repo, Architecture: r.Architecture, Before: r.Before, After: r.After, Lost: r.Names, Digest: r.Digest, Words: r.Words()}
	})})
}

func (a *API) acceptBase(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	architecture, err := param(c, "architecture")
	if err != nil {
		return err
	}
	n, err := decode[api.AcceptBase](c)
	if err != nil {
		return err
	}
	if _, err := a.Catalog.Bases.Accept(c.UserContext(), architecture, name, n.Digest); err != nil {
		return err
	}
	return c.SendStatus(fiber.StatusNoContent)
}

// warnings lists what does not keep the server from its work, but is to be looked at.
func (a *API) warnings() []string {
	var list []string
	for _, r := range a.Catalog.Bases.Refused() {
		list = append(list, fmt.Sprintf("the last good copy of base repository %s for %s is used: %s", r.Repo, r.Architecture, r.Words()))
	}
	if a.Objects == nil {
		return list
	}
	o := a.Objects.State()
	if o.Trouble != "" {
		list = append(list, fmt.Sprintf("%s: what is not moved yet stays on the disk; logs that were moved may not be readable", o.Trouble))
	}
	if o.Missing > 0 {
		list = append(list, fmt.Sprintf("%d files that were moved to %s are not there any more", o.Missing, o.Location))
	}
	return list
}
