package handlers

import "github.com/gofiber/fiber/v2"

// Routes returns every route that is registered, for the test that asks each of
// them as everybody.
func (a *App) Routes() []fiber.Route { return a.fiber.GetRoutes(true) }
