package apiv1

import (
	"context"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/buildgraph"
	"buildbtw/handlers/transfer"
	"buildbtw/signing"
)

// route is one thing that the API answers. The same table registers the routes
// and becomes the OpenAPI document, so that the two cannot differ.
type route struct {
	method  string
	path    string // below api.Prefix, with {name} for parameters
	summary string
	may     func(buildbtw.User) error // who may ask; nil: everybody
	handler fiber.Handler

	query  []parameter
	header []parameter
	body   any    // a value of the type that is read, or nil
	answer any    // a value of the type that is answered, or nil
	status int    // when all is well; 0: 200
	media  string // of the answer; empty: JSON

	by   callers
	raw  bool          // the handler reads the body itself, as a stream
	time time.Duration // how long it may work; 0: as every request
}

// callers says over which listener a route may be called, where build machines have
// one of their own.
type callers int

const (
	byPeople   callers = iota
	byMachines         // and by nobody else
	byAll
)

// parameter is something that a request says in its query or headers.
type parameter struct{ name, meaning string }

const (
	maxJSON    = 1 << 20         // bytes of a JSON body
	chunkTime  = 6 * time.Minute // a chunk of a log over the slowest line that is served
	uploadTime = 2 * time.Hour   // a large package over a slow line
	finishTime = 5 * time.Minute // publishing waits for other publications of the same repository
)

// table lists everything, by noun.
func (a *API) table() []route {
	var all []route
	for _, part := range [][]route{
		a.serverRoutes(), a.buildspaceRoutes(), a.iterationRoutes(), a.releaseRoutes(), a.baseRoutes(), a.compareRoutes(), a.buildRoutes(), a.logRoutes(), a.packageRoutes(), a.sourceRoutes(), a.machineRoutes(), a.nameRoutes(), a.overlapRoutes(), a.bundleRoutes(), a.workerRoutes(), a.accountRoutes(), a.retentionRoutes(), a.notificationRoutes(), a.webhookRoutes(),
	} {
		all = append(all, part...)
	}
	return all
}

// Routes of the server itself.
func (a *API) serverRoutes() []route {
	return []route{
		{method: "GET", path: "/health", by: byAll, summary: "Is the server alive?", handler: a.health, answer: api.Health{}},
		{method: "GET", path: "/ready", by: byAll, summary: "Can the server do its work?", handler: a.ready, answer: api.Health{}},
		{method: "GET", path: "/openapi.json", summary: "This document", handler: a.openAPI, answer: map[string]any{}},
		{
			method: "POST", path: "/plans", summary: "What would be built, in which order, and why; nothing is stored",
			may: buildbtw.User.MayRead, handler: a.plan, body: api.PlanRequest{}, answer: buildgraph.Plan{},
		},
		{
			method: "POST", path: "/plans/explain", summary: "Why a package would be built, or why not, by architecture",
			may: buildbtw.User.MayRead, handler: a.explain, body: api.ExplainRequest{}, answer: map[string]buildgraph.Explanation{},
		},
	}
}

func (a *API) buildspaceRoutes() []route {
	return []route{
		{
			method: "GET", path: "/buildspaces", summary: "Buildspaces, newest first", may: buildbtw.User.MayRead,
			handler: a.buildspaces, answer: api.Page[api.Buildspace]{}, query: paged(
				parameter{"status", "active or stopped"}, parameter{"source", "with a changeset of this source"},
				parameter{"q", "part of the name"}),
		},
		{
			method: "POST", path: "/buildspaces", summary: "Create a buildspace", may: buildbtw.User.MayChange,
			handler: a.createBuildspace, body: api.NewBuildspace{}, answer: api.Buildspace{}, status: fiber.StatusCreated,
		},
		{
			method: "GET", path: "/buildspaces/{name}", summary: "One buildspace", may: buildbtw.User.MayRead,
			handler: a.buildspace, answer: api.Buildspace{},
		},
		{
			method: "PATCH", path: "/buildspaces/{name}", summary: "Edit, stop or start a buildspace", may: buildbtw.User.MayChange,
			handler: a.editBuildspace, body: api.EditBuildspace{}, answer: api.Buildspace{},
		},
		{
			method: "POST", path: "/buildspaces/{name}/retry", summary: "Retry every failed or cancelled build of the iteration that is being built",
			may: buildbtw.User.MayChange, handler: a.changeBuilds(a.Store.RetryBuilds), answer: api.Count{},
		},
		{
			method: "POST", path: "/buildspaces/{name}/fix", summary: "Make the sources of failed builds changesets, and build them in a new iteration; 409 when nothing was pushed to one that is a changeset",
			may: buildbtw.User.MayChange, handler: a.fix, body: api.Fix{}, answer: api.Fixed{}, status: fiber.StatusAccepted,
		},
		{
			method: "POST", path: "/buildspaces/{name}/cancel", summary: "Cancel every unfinished build of the latest iteration",
			may: buildbtw.User.MayChange, handler: a.changeBuilds(a.Store.CancelBuilds), answer: api.Count{},
		},
		{
			method: "GET", path: "/buildspaces/{name}/waivers", summary: "What people decided about what is released, oldest first",
			may: buildbtw.User.MayRead, handler: a.waivers, answer: api.Page[api.Waiver]{},
		},
		{
			method: "POST", path: "/buildspaces/{name}/waivers", summary: "Break, drop or hold packages, or release two pkgbases only together; 409 when that is recorded already",
			may: buildbtw.User.MayChange, handler: a.waive, body: api.NewWaiver{}, answer: api.Page[api.Waiver]{}, status: fiber.StatusCreated,
		},
		{
			method: "DELETE", path: "/buildspaces/{name}/waivers/{id}", summary: "Take such a decision back",
			may: buildbtw.User.MayChange, handler: a.removeWaiver, status: fiber.StatusNoContent,
		},
	}
}

func (a *API) iterationRoutes() []route {
	const iterations = "/buildspaces/{name}/iterations"
	return []route{
		{
			method: "GET", path: iterations, summary: "Iterations, newest first", may: buildbtw.User.MayRead,
			handler: a.iterations, answer: api.Page[api.Iteration]{}, query: paged(),
		},
		{
			method: "POST", path: iterations, summary: "Ask for a new iteration", may: buildbtw.User.MayChange,
			handler: a.newIteration, body: api.NewIteration{}, answer: api.Buildspace{}, status: fiber.StatusAccepted,
		},
		{
			method: "GET", path: iterations + "/{number}", summary: "One iteration, by number or latest", may: buildbtw.User.MayRead,
			handler: a.iteration, answer: api.Iteration{},
			query: []parameter{{"fix", "ids of builds, separated by commas: freed is what fixing all of them is worth"}},
		},
		{
			method: "GET", path: iterations + "/{number}/graph", summary: "The build graph of one architecture, with how long its builds take", may: buildbtw.User.MayRead,
			handler: a.graph, answer: api.Graph{}, query: []parameter{{"arch", "the architecture; the first when there is none"}},
		},
		{
			method: "GET", path: iterations + "/{number}/forecast", summary: "When the iteration will be done, its longest chain, and how it has gone",
			may: buildbtw.User.MayRead, handler: a.forecast, answer: api.Forecast{},
		},
		{
			method: "GET", path: iterations + "/{number}/diff", summary: "What changed to another iteration", may: buildbtw.User.MayRead,
			handler: a.diff, answer: api.Diff{}, query: []parameter{{"to", "number of the other iteration, or latest"}},
		},
		{
			method: "GET", path: iterations + "/{number}/release", summary: "What could go into a target, and why the rest could not",
			may: buildbtw.User.MayRead, handler: a.release, answer: api.Release{}, query: []parameter{{"target", "the server's first when absent"}},
		},
		{
			method: "POST", path: iterations + "/{number}/releases", summary: "Release what can go to a target; 409 when that is not what was shown, with the difference in words",
			may: buildbtw.User.MayChange, handler: a.createRelease, body: api.NewRelease{}, answer: api.StoredRelease{}, status: fiber.StatusCreated,
		},
	}
}

// Routes of what was released, and where to.
func (a *API) releaseRoutes() []route {
	return []route{
		{
			method: "GET", path: "/releases/{id}", summary: "One release, with what goes and what was held",
			may: buildbtw.User.MayRead, handler: a.storedRelease, answer: api.StoredRelease{},
		},
		{
			method: "PATCH", path: "/releases/{id}", summary: "Confirm or withdraw a release; 428 when something would break by that and it was not confirmed",
			may: buildbtw.User.MayChange, handler: a.editRelease, body: api.EditRelease{}, answer: api.StoredRelease{}, time: finishTime,
		},
		{
			method: "GET", path: "/releases/{id}/signing-list", summary: "What a signer signs of a release that waits for signatures: its files, each with the state of SHA-512 after its bytes",
			may: buildbtw.User.MayRead, handler: a.signingList, answer: signing.List{},
		},
		{
			method: "PUT", path: "/releases/{id}/signatures", summary: "Detached OpenPGP signatures of a release's files, all of which are verified; with the last one it is handed over",
			may: buildbtw.User.MayChange, handler: a.putSignatures, body: api.Signatures{}, answer: api.SigningProgress{}, raw: true, time: finishTime,
		},
		{
			method: "POST", path: "/releases/{id}/bundle", summary: "What a packager needs to hand a release over that waits for its repository; 409 when another set can go by now, with the difference in words",
			may: buildbtw.User.MayChange, handler: a.releaseBundle, answer: api.ReleaseBundle{}, time: finishTime,
		},
		{
			method: "GET", path: "/targets", summary: "Where packages are released to, in the order of the settings",
			may: buildbtw.User.MayRead, handler: a.targets, answer: api.Page[api.Target]{},
		},
		{
			method: "GET", path: "/targets/{name}", summary: "One target, with its newest generations and releases",
			may: buildbtw.User.MayRead, handler: a.target, answer: api.TargetDetail{},
		},
		{
			method: "GET", path: "/targets/{name}/check", summary: "What is broken for the users of a target as it is",
			may: buildbtw.User.MayRead, handler: a.checkTarget, answer: api.TargetCheck{},
		},
		{
			method: "GET", path: "/targets/{name}/release", summary: "What a target has and another has not that could go to that one, and why the rest could not",
			may: buildbtw.User.MayRead, handler: a.releaseFrom, answer: api.Release{}, query: []parameter{{"target", "the one behind it when absent, or the server's first"}},
		},
		{
			method: "POST", path: "/targets/{name}/releases", summary: "Release what can go from a target to another one; 409 when that is not what was shown, with the difference in words",
			may: buildbtw.User.MayMove, handler: a.createReleaseFrom, body: api.NewRelease{}, answer: api.StoredRelease{}, status: fiber.StatusCreated,
		},
	}
}

func (a *API) compareRoutes() []route {
	sides := []parameter{{"a", "demo#3, demo for its latest iteration, or base for the base repositories"}, {"b", "the other, in the same form"}}
	return []route{
		{
			method: "GET", path: "/compare", summary: "What came out of two iterations of any buildspaces, or of one and the base: each list with its first lines",
			may: buildbtw.User.MayRead, handler: a.compare, answer: api.Comparison{}, query: sides,
		},
		{
			method: "GET", path: "/compare/lists/{list}", summary: "One list of a comparison, by name", may: buildbtw.User.MayRead,
			handler: a.compareList, answer: api.Page[api.Difference]{}, query: paged(sides...),
		},
		{
			method: "GET", path: "/compare/files/{pkgname}", summary: "The files of a package that came and went", may: buildbtw.User.MayRead,
			handler: a.compareFiles, answer: api.Difference{}, query: append(sides, parameter{"arch", "the architecture; the first that has the package when absent"}),
		},
	}
}

func (a *API) buildRoutes() []route {
	return []route{
		{
			method: "GET", path: "/builds", summary: "Builds", may: buildbtw.User.MayRead,
			handler: a.builds, answer: api.Page[api.Build]{}, query: paged(
				parameter{"buildspace", "of this buildspace"}, parameter{"iteration", "number; the latest when absent"},
				parameter{"arch", "of this architecture"}, parameter{"status", "one or more statuses, separated by commas"},
				parameter{"pkgbase", "exactly this pkgbase"}, parameter{"q", "part of the pkgbase"},
				parameter{"verdict", "yours, already-broken, flaky, infrastructure or not-compared"}),
		},
		{
			method: "GET", path: "/builds/{id}", by: byAll, summary: "One build with all that is known of it", may: buildbtw.User.MayRead,
			handler: a.build, answer: api.BuildDetail{},
		},
		{
			method: "POST", path: "/builds/{id}/retry", summary: "Make another attempt, or take back that it was cancelled", may: buildbtw.User.MayChange,
			handler: a.changeBuild(a.Store.RetryBuild), answer: api.Build{},
		},
		{
			method: "POST", path: "/builds/{id}/baseline", summary: "Compare a failed build with the base: build it once more, then without the change", may: buildbtw.User.MayChange,
			handler: a.changeBuild(a.Store.CompareBuild), answer: api.Build{},
		},
		{
			method: "POST", path: "/builds/{id}/rebuild", summary: "Build again, with all dependents", may: buildbtw.User.MayChange,
			handler: a.changeBuild(a.Store.RebuildBuild), answer: api.Build{},
		},
		{
			method: "POST", path: "/builds/{id}/cancel", summary: "Cancel a build", may: buildbtw.User.MayChange,
			handler: a.changeBuild(a.Store.CancelBuild), answer: api.Build{},
		},
		{
			method: "POST", path: "/builds/{id}/abandon", summary: "Abandon the publication of a build's packages; it is built again",
			may: buildbtw.User.MayAdminister, handler: a.changeBuild(a.Publisher.Abandon), answer: api.Build{},
		},
		{
			method: "GET", path: "/builds/{id}/attempts", summary: "Attempts, first one first", may: buildbtw.User.MayRead,
			handler: a.attempts, answer: api.Page[api.Attempt]{},
		},
		{
			method: "GET", path: "/builds/{id}/reproduce", summary: "Commands that build it again, without this server", may: buildbtw.User.MayRead,
			handler: a.reproduce, answer: api.Reproduction{},
		},
		{
			method: "GET", path: "/builds/{id}/source", by: byAll, summary: "The tree of the build's commit, as a tar", may: buildbtw.User.MayRead,
			handler: a.buildSource, media: "application/x-tar",
		},
		{
			method: "GET", path: "/builds/{id}/packages/{file}", summary: "A package file of a build", may: buildbtw.User.MayRead,
			handler: a.packageFile, media: fiber.MIMEOctetStream,
		},
	}
}

// Routes of logs; each takes the number of an attempt, and means the latest
// without it.
func (a *API) logRoutes() []route {
	const log = "/builds/{id}/log"
	attempt := parameter{"attempt", "number; the latest when absent"}
	return []route{
		{
			method: "GET", path: log, summary: "The log of an attempt, whole, in ranges, or as it grows",
			may: buildbtw.User.MayRead, handler: a.log, media: fiber.MIMETextPlainCharsetUTF8, query: []parameter{
				attempt, {"follow", "true: begin where Range says and go on until the attempt ends"},
			},
			header: []parameter{{fiber.HeaderRange, "bytes=N- or bytes=-N"}},
		},
		{
			method: "GET", path: log + "/state", may: buildbtw.User.MayRead, handler: a.logState, answer: api.LogState{},
			summary: "How long a log is, and the lines that tell of errors; as Server-Sent Events when these are accepted",
			query:   []parameter{attempt},
		},
		{
			method: "GET", path: log + "/lines", summary: "A window of a log, by line numbers", may: buildbtw.User.MayRead,
			handler: a.logLines, answer: api.LogLines{}, query: []parameter{
				attempt,
				{"from", "the first line, from 1"},
				{"before", "instead: the line that follows the window; without either, the end of the log"},
				{"limit", "at most so many lines, up to 500"},
			},
		},
		{
			method: "GET", path: log + "/search", summary: "Lines of a log in which something is found", may: buildbtw.User.MayRead,
			handler: a.searchLog, answer: api.LogHits{}, query: []parameter{
				attempt,
				{"q", "what to look for"},
				{"regexp", "true: q is a regular expression (RE2)"},
				{"case", "true: upper and lower case differ"},
				{"from", "the line to begin with"},
				{"limit", "at most so many hits, up to 500"},
			},
		},
	}
}

func (a *API) packageRoutes() []route {
	return []route{
		{
			method: "GET", path: "/packages/{pkgname}", summary: "A package in sources, base and buildspaces, by pkgname or pkgbase",
			may: buildbtw.User.MayRead, handler: a.packageInfo, answer: api.PackageInfo{},
			query: []parameter{{"arch", "the architecture; the first that has it when there is none"}},
		},
		{
			method: "GET", path: "/packages/{pkgname}/dependents", summary: "What depends on a package in the sources, by pkgbase",
			may: buildbtw.User.MayRead, handler: a.packageUsers, answer: api.Page[api.PackageUser]{}, query: paged(
				parameter{"arch", "the architecture; the first that has it when there is none"},
				parameter{"kind", "only this kind: depends, makedepends or checkdepends"}),
		},
		{
			method: "GET", path: "/search", summary: "Packages, libraries, sources, buildspaces, builds and commits by name, the best first",
			may: buildbtw.User.MayRead, handler: a.search, answer: api.Found{}, query: []parameter{
				{"q", "a name or a part of it, a soname, the id of a build, the beginning of a commit"},
			},
		},
		{
			method: "GET", path: "/package-users", summary: "Packages that have files in a directory with a version, or link with a library",
			may: buildbtw.User.MayRead, handler: a.nameUsers, answer: api.NameUsers{}, query: []parameter{
				{"of", "python3.13, perl5/5.40, libssl.so.3"}, {"arch", "the architecture; the first when there is none"},
			},
		},
	}
}

// Routes of sources and what is pushed to them.
func (a *API) sourceRoutes() []route {
	return []route{
		{
			method: "GET", path: "/sources", summary: "Sources at their base ref", may: buildbtw.User.MayRead,
			handler: a.sources, answer: api.Page[api.Source]{}, query: paged(
				parameter{"q", "part of the slug"}, parameter{"broken", "true: only those that cannot be planned"}),
		},
		{
			method: "GET", path: "/sources/{slug}/commits", summary: "The commits of a source between two, with the diff of PKGBUILD and the other files that changed",
			may: buildbtw.User.MayRead, handler: a.sourceCommits, answer: api.SourceLog{}, query: []parameter{
				{"from", "a branch, tag or commit, which is not listed; from the beginning when absent"},
				{"to", "a branch, tag or commit; the branch that is built when absent"},
			},
		},
		{
			method: "GET", path: "/pushes", summary: "The newest commits of all sources, and the iterations that each caused",
			may: buildbtw.User.MayRead, handler: a.pushes, answer: api.Page[api.Push]{}, query: paged(),
		},
		{
			method: "GET", path: "/mirror", summary: "How mirroring the sources stands", may: buildbtw.User.MayRead,
			handler: a.mirror, answer: api.Mirror{},
		},
		{
			method: "POST", path: "/mirror/look", summary: "Look at all sources at once, also at those in a pause after failures",
			may: buildbtw.User.MayChange, handler: a.lookAtAll, status: fiber.StatusAccepted,
		},
		{
			method: "POST", path: "/sources/{slug}/look", summary: "Look at a source at once, also in its pause after failures",
			may: buildbtw.User.MayChange, handler: a.lookAtSource, answer: api.Source{}, status: fiber.StatusAccepted,
		},
	}
}

// Routes of build machines, as people see them, and of the history.
func (a *API) machineRoutes() []route {
	return []route{
		{
			method: "GET", path: "/workers", summary: "Build machines", may: buildbtw.User.MayRead,
			handler: a.workers, answer: api.Page[api.Worker]{},
		},
		{
			method: "GET", path: "/workers/time", summary: "What each slot of the workers did in a span of time, and what it is thought to do next", may: buildbtw.User.MayRead,
			handler: a.workerTime, answer: api.WorkerTime{}, query: []parameter{
				{"buildspace", "builds of this buildspace only"},
				{"from", "the beginning, RFC 3339; a day before the end when absent"},
				{"until", "the end; now when absent. What lies after now is a forecast"},
			},
		},
		{
			method: "GET", path: "/workers/{worker}/attempts", summary: "The attempts that ended on a worker, newest first", may: buildbtw.User.MayRead,
			handler: a.workerAttempts, answer: api.Page[api.WorkerAttempt]{}, query: paged(),
		},
		{
			method: "POST", path: "/workers/{worker}/drain", summary: "Give a worker no new builds; what it runs goes on",
			may: buildbtw.User.MayAdminister, handler: a.changeWorker(a.Store.DrainWorker), answer: api.Worker{},
		},
		{
			method: "POST", path: "/workers/{worker}/resume", summary: "Give a draining or quarantined worker builds again",
			may: buildbtw.User.MayAdminister, handler: a.changeWorker(a.Store.ResumeWorker), answer: api.Worker{},
		},
		{
			method: "DELETE", path: "/workers/{worker}", summary: "Forget a worker that is gone; 409 when it is there or has a build",
			may: buildbtw.User.MayAdminister, handler: a.forgetWorker, status: fiber.StatusNoContent,
		},
		{
			method: "GET", path: "/events", summary: "The history, oldest first; as Server-Sent Events when these are accepted",
			may: buildbtw.User.MayRead, handler: a.events, answer: api.Page[api.Event]{}, query: []parameter{
				{"buildspace", "of this buildspace"},
				{"kind", "matters (what people do and how builds end), failed, built, iterations, releases, buildspaces, workers or all; all when absent"},
				{"actor", "by this person or worker"},
				{"build", "of the build with this id"},
				{"since", "only after the event with this id"},
				{"newest", "true: the newest first"},
				{"limit", "at most so many"},
			},
		},
	}
}

// Register puts every route under r.
func (a *API) Register(r fiber.Router) {
	for _, t := range a.table() {
		path := strings.NewReplacer("{", ":", "}", "").Replace(t.path)
		handler := a.guard(t)
		r.Add(t.method, path, handler)
		if t.method == fiber.MethodGet {
			r.Add(fiber.MethodHead, path, handler)
		}
	}
}

// guard asks who may before the body is looked at, reads it within bounds, and
// hands over to the handler.
func (a *API) guard(t route) fiber.Handler {
	return func(c *fiber.Ctx) error {
		switch machines := transfer.OfMachines(c.Context().Conn()); {
		case machines && t.by == byPeople:
			return buildbtw.NotFound("this address is for build machines; people use the server's other one")
		case !machines && t.by == byMachines && a.Settings.WorkersURL != "":
			return buildbtw.Forbidden("build machines of this server use %s", a.Settings.WorkersURL)
		}
		if t.may != nil {
			if err := t.may(a.User(c)); err != nil {
				return err
			}
		}
		if err := a.checkOwner(c, t); err != nil {
			return err
		}
		if !t.raw {
			if err := transfer.ReadBody(c, maxJSON); err != nil {
				return err
			}
		}
		if t.time == 0 {
			return t.handler(c)
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.UserContext()), t.time)
		defer cancel()
		defer c.SetUserContext(c.UserContext()) // what records the change afterwards needs one that has not ended
		c.SetUserContext(ctx)
		return t.handler(c)
	}
}

// checkOwner refuses a change of a buildspace, or of a build of it, by a packager who
// may change own ones only.
func (a *API) checkOwner(c *fiber.Ctx, t route) error {
	if t.method == fiber.MethodGet || !a.User(c).OwnOnly {
		return nil
	}
	if strings.HasPrefix(t.path, "/buildspaces/{name}") {
		name, err := param(c, "name")
		if err != nil {
			return err
		}
		return a.Auth.MayChangeBuildspace(c.UserContext(), a.User(c), name)
	}
	if strings.HasPrefix(t.path, "/builds/{id}/") {
		id, err := buildID(c)
		if err != nil {
			return err
		}
		return a.Auth.MayChangeBuild(c.UserContext(), a.User(c), id)
	}
	return nil
}

// paged adds what every paged list understands.
func paged(more ...parameter) []parameter {
	return append(more,
		parameter{"cursor", "the cursor of the page before"},
		parameter{"limit", "at most so many, up to 500"})
}
