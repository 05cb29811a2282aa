package handlers

import "github.com/gofiber/fiber/v2"

// pages registers the pages for people.
func (a *App) pages(fiber.Router) {}

// errorPage answers a person with an error.
func (a *App) errorPage(c *fiber.Ctx, status int, title, detail string) error {
	return c.Status(status).SendString(title + "\n\n" + detail + "\n")
}
