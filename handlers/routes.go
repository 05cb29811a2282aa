package handlers

import "github.com/gofiber/fiber/v2"

// routes is the URL map. What every request passes through comes first, in this
// order.
func (a *App) routes(r *fiber.App, registerAPI func(fiber.Router)) {
	r.Use(a.observe)     // request id, access log, metrics; answers errors
	r.Use(recoverPanic)  // a panic is an error like others
	r.Use(secureHeaders) // also on errors
	r.Use(a.checkOrigin) // refuses requests that a foreign page made the browser send
	r.Use(deadline)      // no request works for ever
	r.Use(a.identify)    // who is asking

	registerAPI(r.Group(apiPrefix))
	r.Get("/repo/:repository/os/:architecture/:file", a.repositoryFile)
	r.Get("/metrics", a.showMetrics)
	a.pages(r)
}
