package handlers

import (
	"fmt"
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/handlers/transfer"
	"buildbtw/views"
)

// waive records what a form on the page of a release decides.
func (a *App) waive(c *fiber.Ctx) error {
	name, number, err := iterationOf(c)
	if err != nil {
		return err
	}
	if err := transfer.ReadBody(c, maxForm); err != nil {
		return err
	}
	list, err := a.Catalog.Waive(c.UserContext(), user(c), name, buildbtw.WaiverKind(c.FormValue("kind")), strings.Fields(c.FormValue("names")), c.FormValue("reason"))
	if err != nil {
		return err
	}
	words := "Recorded: " + list[0].By + " " + list[0].String() + "."
	if len(list) > 1 {
		words = fmt.Sprintf("Recorded %d decisions.", len(list))
	}
	return a.seeOtherWith(c, views.IterationURL(name, number, "release"), views.Word{Text: words})
}

// removeWaiver takes a decision back.
func (a *App) removeWaiver(c *fiber.Ctx) error {
	name, number, err := iterationOf(c)
	if err != nil {
		return err
	}
	id, err := buildbtw.ParseWaiverID(c.Params("id"))
	if err != nil {
		return err
	}
	if err := a.Store.RemoveWaiver(c.UserContext(), user(c).Name, name, id); err != nil {
		return err
	}
	return a.seeOtherWith(c, views.IterationURL(name, number, "release"), views.Word{Text: "The decision is removed."})
}

// iterationOf returns the buildspace and the iteration that the path names.
func iterationOf(c *fiber.Ctx) (name string, number int, err error) {
	if number, err = iterationNumber(c); err == nil {
		name, err = param(c, "name")
	}
	return name, number, err
}
