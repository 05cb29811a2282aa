package apiv1

import (
	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
)

// health answers as long as the process does.
func (a *API) health(c *fiber.Ctx) error {
	return send(c, api.Health{Status: "ok", Version: a.Settings.Version})
}

// ready answers when the database does, the sources have been read, and the
// server is not about to stop.
func (a *API) ready(c *fiber.Ctx) error {
	if err := a.goesOn(); err != nil {
		return err
	}
	if _, _, err := a.Store.NextWake(c.UserContext()); err != nil {
		return buildbtw.Unavailable("the database does not answer; the server's log says why")
	}
	if _, err := a.Catalog.Sources(c.UserContext()); err != nil {
		return err
	}
	return send(c, api.Health{Status: "ready", Version: a.Settings.Version})
}

// goesOn gives an error when the server has been told to stop.
func (a *API) goesOn() error {
	select {
	case <-a.Stopping:
		return buildbtw.Unavailable("the server is stopping")
	default:
		return nil
	}
}

func (a *API) me(c *fiber.Ctx) error {
	u := a.User(c)
	return send(c, api.Me{Name: u.Name, Role: u.Role})
}
