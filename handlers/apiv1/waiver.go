package apiv1

import (
	"strconv"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
)

// waivers answers with what people decided about what a buildspace releases.
func (a *API) waivers(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	rows, err := a.Store.Waivers(c.UserContext(), name)
	if err != nil {
		return err
	}
	return send(c, api.Page[api.Waiver]{Items: list(rows, wireWaiver)})
}

// waive records such decisions.
func (a *API) waive(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	r, err := decode[api.NewWaiver](c)
	if err != nil {
		return err
	}
	rows, err := a.Catalog.Waive(c.UserContext(), a.User(c), name, r.Kind, r.Names, r.Reason)
	if err != nil {
		return err
	}
	c.Status(fiber.StatusCreated)
	return send(c, api.Page[api.Waiver]{Items: list(rows, wireWaiver)})
}

// removeWaiver takes one back.
func (a *API) removeWaiver(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	id, err := buildbtw.ParseWaiverID(c.Params("id"))
	if err != nil {
		return err
	}
	if err := a.Store.RemoveWaiver(c.UserContext(), a.User(c).Name, name, id); err != nil {
		return err
	}
	return c.SendStatus(fiber.StatusNoContent)
}

func wireWaiver(w buildbtw.Waiver) api.Waiver {
	return api.Waiver{
		ID: strconv.FormatInt(w.ID, 10), Kind: w.Kind, Name: w.Name, Other: w.Other, Reason: w.Reason, By: w.By, At: w.At, Words: w.String(),
	}
}
