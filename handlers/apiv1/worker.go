package apiv1

import (
	"errors"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/buildlog"
	"buildbtw/handlers/transfer"
	"buildbtw/publish"
	"buildbtw/store"
)

// workerRoutes are all that a build machine may call. After the claim the lease
// in the path says which attempt a call is about; nothing in a body can name
// another one.
func (a *API) workerRoutes() []route {
	const lease = "/worker/leases/{lease}"
	return []route{
		{
			method: "POST", path: "/worker/claim", summary: "Ask for a build, waiting for one; 204 when there is none",
			may: buildbtw.User.MayClaim, handler: a.claim, body: api.ClaimRequest{}, answer: api.Job{}, time: claimTime,
		},
		{
			method: "POST", path: lease + "/heartbeat", summary: "Keep the lease; learn whether to go on",
			may: buildbtw.User.MayClaim, handler: a.heartbeat, answer: api.HeartbeatAnswer{},
		},
		{
			method: "PATCH", path: lease + "/log", summary: "Append to the log; 409 with the right offset when it differs",
			may: buildbtw.User.MayClaim, handler: a.appendLog, answer: api.LogAnswer{}, raw: true,
			header: []parameter{{api.HeaderOffset, "where in the log the body begins"}},
		},
		{
			method: "GET", path: lease + "/source", summary: "The source as a tar of its tree",
			may: buildbtw.User.MayClaim, handler: a.sourceTree, media: "application/x-tar",
		},
		{
			method: "PUT", path: lease + "/packages/{file}", summary: "Upload a package; 200 when it is there already",
			may: buildbtw.User.MayClaim, handler: a.uploadPackage, status: fiber.StatusCreated, answer: api.Package{}, raw: true, time: uploadTime,
			header: []parameter{{api.HeaderSHA256, "digest of the body, 64 hexadecimal digits in lower case"}},
		},
		{
			method: "POST", path: lease + "/finish", summary: "End the attempt; the same again gets the same answer",
			may: buildbtw.User.MayClaim, handler: a.finish, body: api.FinishRequest{}, answer: api.FinishAnswer{}, time: finishTime,
		},
	}
}

func (a *API) heartbeat(c *fiber.Ctx) error {
	stop, err := a.Store.Heartbeat(c.UserContext(), c.Params("lease"), a.Settings.Lease)
	if err != nil {
		return err
	}
	if stop {
		return send(c, api.HeartbeatAnswer{Action: api.Stop, Reason: "the build was cancelled, or nobody needs it any more"})
	}
	return send(c, api.HeartbeatAnswer{Action: api.Continue})
}

// appendLog takes a chunk of the log. The worker may repeat one whose answer it
// has not seen.
func (a *API) appendLog(c *fiber.Ctx) error {
	offset, err := strconv.ParseInt(c.Get(api.HeaderOffset), 10, 64)
	if err != nil || offset < 0 {
		return buildbtw.Invalid("the header %s must say where in the log the body begins, in bytes", api.HeaderOffset)
	}
	attempt, err := a.Store.LeasedAttempt(c.UserContext(), c.Params("lease"))
	if err != nil {
		return err
	}
	chunk, err := transfer.Stream(c, api.MaxLogChunk)
	if err != nil {
		return err
	}
	end, err := a.Logs.Append(attempt, offset, chunk)
	var wrong *buildlog.OffsetError
	if errors.As(err, &wrong) {
		return buildbtw.Conflict("the log does not end at byte %d: %w", offset, wrong)
	}
	if err != nil {
		return err
	}
	return send(c, api.LogAnswer{Offset: end})
}

// sourceTree streams the tree of the commit that the lease is about, and no
// other.
func (a *API) sourceTree(c *fiber.Ctx) error {
	lease, err := a.Store.Lease(c.UserContext(), c.Params("lease"))
	if err != nil {
		return err
	}
	return a.sendTree(c, lease.Build.Commit)
}

const (
	maxFiles      = 1000 // packages of one build
	maxFinishText = 4000 // bytes of what a worker says about the end
)

func (a *API) finish(c *fiber.Ctx) error {
	r, err := decode[api.FinishRequest](c)
	if err != nil {
		return err
	}
	if err := checkFinish(r); err != nil {
		return err
	}
	report := publish.Report{Outcome: r.Outcome, Reason: r.Reason, Files: make([]store.PackageFile, len(r.Files))}
	for i, f := range r.Files {
		report.Files[i] = store.PackageFile{Filename: f.Name, SHA256: f.SHA256}
	}
	status, err := a.Publisher.Finish(c.UserContext(), c.Params("lease"), report)
	if err != nil {
		return err
	}
	a.Wake()
	return send(c, api.FinishAnswer{Status: status})
}

func checkFinish(r api.FinishRequest) error {
	switch {
	case !r.Outcome.Reportable():
		return buildbtw.Invalid("%.40q is no outcome that a worker can report", r.Outcome)
	case r.Outcome == buildbtw.OutcomeBuilt && len(r.Files) == 0:
		return buildbtw.Invalid("a build that is built has at least one package; name every uploaded file")
	case len(r.Files) > maxFiles:
		return buildbtw.Invalid("%d files are named; a build has at most %d packages", len(r.Files), maxFiles)
	case len(r.Reason) > maxFinishText:
		return buildbtw.Invalid("the reason has %d bytes; at most %d are kept", len(r.Reason), maxFinishText)
	}
	return nil
}
