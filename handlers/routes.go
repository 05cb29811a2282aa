package handlers

import (
	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/static"
	"buildbtw/store"
)

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

// pages registers the pages for people. Whoever may look may GET; the forms
// need more. Styles and scripts are for everybody: error pages need them.
func (a *App) pages(r fiber.Router) {
	r.Get(static.Prefix+":file", a.asset)
	r.Get("/favicon.ico", a.favicon)

	look, change := allow(buildbtw.User.MayRead), allow(buildbtw.User.MayChange)
	r.Get("/", look, a.home)
	r.Get("/hints", look, a.hints)
	r.Get("/search", look, a.searchPage)
	r.Get("/search/suggest", look, a.suggestions)
	r.Get("/sources", look, a.sourcesPage)
	r.Get("/sources/:slug", look, a.sourcePage)
	r.Get("/workers", look, a.workersPage)
	r.Post("/workers/:name/resume", allow(buildbtw.User.MayAdminister), a.resumeWorker)
	r.Get("/packages/:pkgname", look, a.packagePage)
	r.Get("/packages/:pkgname/dependents", look, a.packageUsersPage)
	r.Get("/packages/:pkgname/feed.atom", look, a.packageFeed)

	r.Get("/buildspaces", look, a.buildspaces)
	r.Post("/buildspaces", change, a.createBuildspace)
	r.Get("/buildspaces/new", change, a.newBuildspace)
	r.Post("/buildspaces/new", change, a.previewPlan)
	r.Get("/buildspaces/:name", look, a.buildspacePage)
	r.Get("/buildspaces/:name/feed.atom", look, a.buildspaceFeed)
	r.Get("/buildspaces/:name/badge.svg", look, a.badge)
	r.Get("/buildspaces/:name/edit", change, a.editForm)
	r.Post("/buildspaces/:name/edit", change, a.previewPlan)
	r.Post("/buildspaces/:name/save", change, a.editBuildspace)
	r.Post("/buildspaces/:name/stop", change, changeBuildspace(a, a.Store.StopBuildspace))
	r.Post("/buildspaces/:name/start", change, changeBuildspace(a, a.Store.StartBuildspace))
	r.Post("/buildspaces/:name/retry", change, changeBuildspace(a, a.Store.RetryFailed))
	r.Post("/buildspaces/:name/cancel", change, changeBuildspace(a, a.Store.CancelBuilds))
	r.Post("/buildspaces/:name/iterations", change, changeBuildspace(a, a.newIteration))
	r.Get("/buildspaces/:name/activity", look, a.activityPage)
	r.Get("/buildspaces/:name/:number", look, a.iterationPage)
	r.Get("/buildspaces/:name/:number/diff", look, a.diffPage)
	r.Get("/buildspaces/:name/:number/:arch/graph", look, a.graphPage)
	r.Get("/buildspaces/:name/:number/:arch/graph.svg", look, a.graphSVG)
	r.Get("/buildspaces/:name/:number/:arch/graph.dot", look, a.graphDOT)
	r.Get("/buildspaces/:name/:number/:arch/graph/picture", look, a.graphPicture)
	r.Get("/buildspaces/:name/:number/:arch/graph/about", look, a.graphAbout)
	r.Get("/buildspaces/:name/:number/:arch/graph/find", look, a.findInGraph)

	r.Get("/builds/:id", look, a.buildPage)
	r.Get("/builds/:id/log", look, a.logPage)
	r.Get("/builds/:id/log/raw", look, a.rawLog)
	r.Get("/builds/:id/log/tail", look, a.logTail)
	r.Get("/builds/:id/log/lines", look, a.logLines)
	r.Get("/builds/:id/log/hits", look, a.logHits)
	r.Get("/builds/:id/dependencies", look, a.neighbourPage(store.SideDependencies))
	r.Get("/builds/:id/dependents", look, a.neighbourPage(store.SideDependents))
	r.Post("/builds/:id/retry", change, a.changeBuild(a.Store.RetryBuild))
	r.Post("/builds/:id/rebuild", change, a.changeBuild(a.Store.RebuildBuild))
	r.Post("/builds/:id/cancel", change, a.changeBuild(a.Store.CancelBuild))
}

// allow lets a request on when the rule allows it to whoever is asking.
func allow(rule func(buildbtw.User) error) fiber.Handler {
	return func(c *fiber.Ctx) error {
		if err := rule(user(c)); err != nil {
			return err
		}
		return c.Next()
	}
}
