package handlers

import (
	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/handlers/transfer"
	"buildbtw/static"
	"buildbtw/store"
)

// routes is the URL map. What every request passes through comes first, in this
// order.
func (a *App) routes(r *fiber.App, registerAPI func(fiber.Router)) {
	r.Use(a.observe)       // request id, access log, metrics; answers errors
	r.Use(recoverPanic)    // a panic is an error like others
	r.Use(a.secureHeaders) // also on errors
	r.Use(a.checkOrigin)   // refuses requests that a foreign page made the browser send
	r.Use(deadline)        // no request works for ever
	r.Use(a.limitAddress)
	r.Use(a.identify) // who is asking
	r.Use(a.limitCaller)
	r.Use(a.audit)   // records who changes what
	r.Use(checkCSRF) // refuses changes that a signed-in browser was made to send

	registerAPI(r.Group(apiPrefix))
	r.Get("/repo/:repository/os/:architecture/:file", allow(a.mayFetch), a.repositoryFile)
	r.Get("/repo/latest/:name/os/:architecture/:file", allow(a.mayFetch), a.latestFile)
	r.Get("/repo/target/:name/os/:architecture/:file", allow(a.mayFetch), a.targetFile)
	r.Use(peopleOnly) // what follows
	r.Get("/metrics", a.showMetrics)
	a.accountPages(r)
	a.notificationPages(r)
	a.pages(r)
	a.overlapPages(r)
	a.iterationPages(r)
	a.workerPages(r)
	a.buildPages(r)
	a.repositoryPages(r)
	a.releasePages(r)
	a.diskPages(r)
}

// releasePages registers the pages of releases and of where they go.
func (a *App) releasePages(r fiber.Router) {
	look, change := allow(buildbtw.User.MayRead), allow(buildbtw.User.MayChange)
	r.Post("/buildspaces/:name/:number/release", a.allowBuildspace, a.createRelease)
	r.Get("/releases/:id", look, a.storedReleasePage)
	r.Post("/releases/:id/confirm", change, a.confirmRelease)
	r.Post("/releases/:id/withdraw", change, a.withdrawRelease)
	r.Post("/base/:name/:architecture/accept", allow(buildbtw.User.MayAdminister), a.acceptBase)
	r.Post("/releases/:id/look", change, a.lookForRelease)
	r.Get("/targets", look, a.targetsPage)
	r.Get("/targets/:name", look, a.targetPage)
	r.Get("/targets/:name/check", look, a.checkTargetPage)
	r.Get("/targets/:name/release", look, a.movePage)
	r.Post("/targets/:name/release", change, a.createMove)
}

// repositoryPages registers the pages that list what is in repositories.
func (a *App) repositoryPages(r fiber.Router) {
	look, fetch := allow(buildbtw.User.MayRead), allow(a.mayFetch)
	for _, path := range []string{"", "/os/:architecture"} {
		r.Get("/repo/latest/:name"+path, look, fetch, a.latestIndex)
		r.Get("/repo/target/:name"+path, look, fetch, a.targetPage)
		r.Get("/repo/:repository"+path, look, fetch, a.iterationIndex)
	}
}

// accountPages registers how people sign in and out, and what they see of access.
func (a *App) accountPages(r fiber.Router) {
	r.Get("/sign-in", a.signInPage)
	r.Post("/sign-in", a.signIn)
	r.Get("/sign-in/oidc", a.startOIDC)
	r.Get("/sign-in/oidc/callback", a.finishOIDC)
	r.Post("/sign-out", a.signOut)
	r.Get("/auth/cli", a.signedIn, a.redirectLoginPage)
	r.Post("/auth/cli", a.signedIn, a.answerRedirectLogin)
	r.Get("/auth/device", a.signedIn, a.loginCodePage)
	r.Post("/auth/device", a.signedIn, a.enterLoginCode)
	r.Post("/auth/device/answer", a.signedIn, a.answerLoginCode)

	own, admin := allow(buildbtw.User.MayOwnAccount), allow(buildbtw.User.MayAdminister)
	r.Get("/account", own, a.accountPage)
	r.Post("/account/tokens", own, a.createToken)
	r.Post("/account/tokens/:id/end", own, a.endAccess(a.revokeToken, "/account"))
	r.Post("/account/sessions/:id/end", own, a.endAccess(a.endSession, "/account"))
	r.Get("/admin", admin, a.adminPage)
	r.Post("/admin/tokens", admin, a.createMachineToken)
	r.Post("/admin/tokens/:id/end", admin, a.endAccess(a.revokeToken, "/admin"))
	r.Post("/admin/accounts/:id/end", admin, a.endAccess(a.endAccountAccess, "/admin"))
}

// notificationPages registers where people choose how they are told about buildspaces.
func (a *App) notificationPages(r fiber.Router) {
	own, some := allow(buildbtw.User.MayOwnAccount), allow(buildbtw.User.MayManageTokens)
	r.Get("/notifications", some, a.notificationsPage)
	r.Post("/notifications/channels", own, a.addChannel)
	r.Post("/notifications/channels/:id/confirm", own, a.confirmChannel)
	r.Post("/notifications/channels/:id/remove", own, a.removeChannel)
	r.Post("/notifications/channels/:id/test", some, a.testChannel)
	r.Post("/notifications/deliveries/:id/replay", some, a.replayDelivery)
	r.Post("/buildspaces/:name/follow", own, a.followBuildspace)
}

// pages registers the pages for people. Whoever may look may GET; the forms
// need more. Styles and scripts are for everybody: error pages need them.
func (a *App) pages(r fiber.Router) {
	r.Get(static.Prefix+":file", a.asset)
	r.Get("/favicon.ico", a.favicon)

	look, change := allow(buildbtw.User.MayRead), allow(buildbtw.User.MayChange)
	changeSpace := a.allowBuildspace
	r.Get("/", look, a.home)
	r.Get("/hints", look, a.hints)
	r.Get("/activity", look, a.activityPage)
	r.Get("/pushes", look, a.pushesPage)
	r.Get("/feed.atom", look, a.feed)
	r.Get("/search", look, a.searchPage)
	r.Get("/search/suggest", look, a.suggestions)
	r.Get("/search/go", look, a.goOptions)
	r.Get("/sources", look, a.sourcesPage)
	r.Post("/sources/look", change, a.lookAtSource)
	r.Get("/sources/:slug", look, a.sourcePage)
	r.Get("/sources/:slug/commits", look, a.commitPage)
	r.Post("/sources/:slug/look", change, a.lookAtSource)
	r.Get("/grid", look, a.gridPage)
	r.Get("/grid/cells", look, a.gridCells)
	r.Get("/compare", look, a.comparePage)
	r.Get("/compare/names", look, a.compareNames)
	r.Get("/compare/files", look, a.compareFilesPage)
	r.Get("/packages/:pkgname", look, a.packagePage)
	r.Get("/packages/:pkgname/dependents", look, a.packageUsersPage)
	r.Get("/packages/:pkgname/feed.atom", look, a.packageFeed)

	r.Get("/buildspaces", look, a.buildspaces)
	r.Post("/buildspaces", change, a.createBuildspace)
	r.Get("/buildspaces/new", change, a.newBuildspace)
	r.Get("/buildspaces/new/name", change, a.nameTold)
	r.Post("/buildspaces/new", change, a.previewPlan)
	r.Get("/buildspaces/:name", look, a.buildspacePage)
	r.Get("/buildspaces/:name/feed.atom", look, a.buildspaceFeed)
	r.Get("/buildspaces/:name/badge.svg", look, a.badge)
	r.Get("/buildspaces/:name/edit", changeSpace, a.editForm)
	r.Post("/buildspaces/:name/edit", changeSpace, a.previewPlan)
	r.Post("/buildspaces/:name/save", changeSpace, a.editBuildspace)
	r.Post("/buildspaces/:name/stop", changeSpace, changeBuildspace(a, a.Store.StopBuildspace, stopWord))
	r.Post("/buildspaces/:name/start", changeSpace, changeBuildspace(a, a.Store.StartBuildspace, startWord))
	r.Post("/buildspaces/:name/retry", changeSpace, changeBuildspace(a, a.Store.RetryBuilds, retryWord))
	r.Post("/buildspaces/:name/fix", changeSpace, a.fixBuilds)
	r.Post("/buildspaces/:name/cancel", changeSpace, changeBuildspace(a, a.Store.CancelBuilds, cancelWord))
	r.Post("/buildspaces/:name/iterations", changeSpace, changeBuildspace(a, a.newIteration, iterationWord))
	r.Get("/buildspaces/:name/halt", look, a.haltOf)
	r.Get("/buildspaces/:name/activity", look, a.buildspaceActivityPage)
	r.Get("/buildspaces/:name/time", look, a.machinesPage)
	r.Get("/buildspaces/:name/packages", look, a.gridPage)
}

// iterationPages registers the pages of iterations, with their graphs.
func (a *App) iterationPages(r fiber.Router) {
	look := allow(buildbtw.User.MayRead)
	r.Get("/buildspaces/:name/:number", look, a.iterationPage)
	r.Get("/buildspaces/:name/:number/diff", look, redirectDiff)
	r.Get("/buildspaces/:name/:number/release", look, a.releasePage)
	r.Post("/buildspaces/:name/:number/release/waivers", a.allowBuildspace, a.waive)
	r.Post("/buildspaces/:name/:number/release/waivers/:id/remove", a.allowBuildspace, a.removeWaiver)
	a.stayPages(r)
	r.Get("/buildspaces/:name/:number/:arch/graph", look, a.graphPage)
	r.Get("/buildspaces/:name/:number/:arch/treemap", look, a.treemapPage)
	r.Get("/buildspaces/:name/:number/:arch/graph.svg", look, a.graphSVG)
	r.Get("/buildspaces/:name/:number/:arch/graph.dot", look, a.graphDOT)
	r.Get("/buildspaces/:name/:number/:arch/graph/picture", look, a.graphPicture)
	r.Get("/buildspaces/:name/:number/:arch/graph/about", look, a.graphAbout)
	r.Get("/buildspaces/:name/:number/:arch/graph/find", look, a.findInGraph)
}

// workerPages registers the pages of the build machines.
func (a *App) workerPages(r fiber.Router) {
	look, admin := allow(buildbtw.User.MayRead), allow(buildbtw.User.MayAdminister)
	r.Get("/workers", look, a.workersPage)
	r.Get("/workers/time", look, a.machinesPage)
	r.Get("/workers/time/bars", look, a.machineBars)
	r.Get("/workers/:name", look, a.workerPage)
	r.Get("/workers/named/:name", look, a.workerPage)
	r.Post("/workers/:name/drain", admin, a.changeWorker(a.Store.DrainWorker, "gets no new builds; what it builds now it finishes", "resume"))
	r.Post("/workers/:name/resume", admin, a.changeWorker(a.Store.ResumeWorker, "gets builds again", "drain"))
	r.Post("/workers/:name/forget", admin, a.changeWorker(a.Store.ForgetWorker, "is forgotten, until it asks for work again", ""))
}

// buildPages registers the pages of single builds.
func (a *App) buildPages(r fiber.Router) {
	look, changeBuild := allow(buildbtw.User.MayRead), a.allowBuild
	r.Get("/builds/:id", look, a.buildPage)
	r.Get("/builds/:id/near", look, a.buildNear)
	r.Get("/builds/:id/log", look, a.logPage)
	r.Get("/builds/:id/log/raw", look, a.rawLog)
	r.Get("/builds/:id/log/tail", look, a.logTail)
	r.Get("/builds/:id/log/lines", look, a.logLines)
	r.Get("/builds/:id/log/hits", look, a.logHits)
	r.Get("/builds/:id/dependencies", look, a.neighbourPage(store.SideDependencies))
	r.Get("/builds/:id/dependents", look, a.neighbourPage(store.SideDependents))
	r.Post("/builds/:id/retry", changeBuild, a.changeBuild(a.Store.RetryBuild, "will be built again"))
	r.Post("/builds/:id/fix", changeBuild, a.fixBuild)
	r.Post("/builds/:id/baseline", changeBuild, a.changeBuild(a.Store.CompareBuild, "will be built on the base alone"))
	r.Post("/builds/:id/rebuild", changeBuild, a.changeBuild(a.Store.RebuildBuild, "and what depends on it will be built again"))
	r.Post("/builds/:id/cancel", changeBuild, a.changeBuild(a.Store.CancelBuild, "was cancelled"))
	r.Post("/builds/:id/abandon", allow(buildbtw.User.MayAdminister), a.changeBuild(a.Publisher.Abandon, "is not published any more and will be built again"))
}

// peopleOnly refuses what comes over the listener for build machines.
func peopleOnly(c *fiber.Ctx) error {
	if transfer.OfMachines(c.Context().Conn()) {
		return buildbtw.NotFound("this address is for build machines; people use the server's other one")
	}
	return c.Next()
}

// allowBuildspace lets a request on when whoever is asking may change the buildspace
// that the path names.
func (a *App) allowBuildspace(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err == nil {
		err = a.Auth.MayChangeBuildspace(c.UserContext(), user(c), name)
	}
	if err != nil {
		return err
	}
	return c.Next()
}

// allowBuild lets a request on when whoever is asking may change the build that the
// path names.
func (a *App) allowBuild(c *fiber.Ctx) error {
	if err := user(c).MayChange(); err != nil {
		return err
	}
	id, err := buildbtw.ParseBuildID(c.Params("id"))
	if err == nil {
		err = a.Auth.MayChangeBuild(c.UserContext(), user(c), id)
	}
	if err != nil {
		return err
	}
	return c.Next()
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
