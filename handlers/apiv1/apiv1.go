// Package apiv1 is the JSON API under /api/v1: the same nouns as the pages, for
// bbtw, scripts and build machines. routes.go is the table of everything it
// answers; the OpenAPI document is generated from the same table.
package apiv1

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/auth"
	"buildbtw/buildlog"
	"buildbtw/catalog"
	"buildbtw/forge"
	"buildbtw/git/gitmirror"
	"buildbtw/handlers/transfer"
	"buildbtw/handover"
	"buildbtw/internal/quota"
	"buildbtw/notify"
	"buildbtw/offload"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/progress"
	"buildbtw/publish"
	"buildbtw/retention"
	"buildbtw/store"
)

// Deps is what the API stands on. Every field but Forge and Notifier is needed.
type Deps struct {
	Store     *store.Store
	Catalog   *catalog.Catalog
	Forecasts *progress.Forecasts
	Grids     *progress.Grids
	Publisher *publish.Publisher
	Handover  *handover.Handover // nil: nothing is released
	Retention *retention.Keeper  // nil: nothing is ever removed
	Objects   *offload.Mover     // nil: nothing is moved to object storage
	Forge     *forge.Forge       // nil: there is no GitLab
	Sources   *gitmirror.Mirror
	Repos     *pacmanrepo.Repos
	Logs      *buildlog.Logs
	Settings  buildbtw.ServerSettings
	Log       *slog.Logger
	Wake      func()                                       // tells the scheduler that there is something to do
	LookAt    func(ctx context.Context, slug string) error // looks at a source at once, or at all when slug is empty
	Now       func() time.Time
	Auth      *auth.Auth
	Notifier  *notify.Notifier // nil: nobody is told anything
}

// Prefix is the path under which the API lies.
const Prefix = api.Prefix

// Edge is what the API gets from the server that it is a part of.
type Edge struct {
	Caller    func(*fiber.Ctx) auth.Caller // who is asking
	CountedAs func(*fiber.Ctx) string      // under which name what he asks for is counted
	Refused   func(reason string)          // is told when a bound was passed
	About     func(*fiber.Ctx, int64)      // is told which build a request is about when its address does not say
	Stopping  <-chan struct{}              // closed when the server stops
	Fit       func() error                 // Unavailable, with words, while nothing new can be kept: a full disk
	Loops     func() []buildbtw.LoopState  // how their passes went; nil: there are none
}

// API holds the handlers.
type API struct {
	Deps
	Edge
	streams *quota.Slots  // of answers without end
	waiting *quota.Slots  // of claims
	uploads *quota.Slots  // of packages
	claims  chan struct{} // holds a token for every claim that looks for a build
	openapi func() ([]byte, error)
	written written
}

// New makes the API; Register puts it into a server.
func New(d Deps, e Edge) *API {
	a := &API{Deps: d, Edge: e, streams: quota.NewSlots(maxStreams, streamsPerCaller), waiting: quota.NewSlots(maxWaiting, waitingPerWorker), uploads: quota.NewSlots(maxUploads, uploadsPerLease), claims: make(chan struct{}, maxClaims)}
	a.openapi = sync.OnceValues(a.describe)
	return a
}

// User returns who is asking.
func (a *API) User(c *fiber.Ctx) buildbtw.User { return a.Caller(c).User }

// health answers as long as the process does.
func (a *API) health(c *fiber.Ctx) error {
	return send(c, api.Health{Status: "ok", Version: a.Settings.Version})
}

// goesOn returns an error when the server has been told to stop.
func (a *API) goesOn() error {
	select {
	case <-a.Stopping:
		return buildbtw.Unavailable("the server is stopping")
	default:
		return nil
	}
}

// Bounds of answers that go on for as long as the client likes: followed logs and
// events. One caller leaves room for the others; bbtw opens one or two, and a page
// none.
const (
	maxStreams       = 512
	streamsPerCaller = 64
)

// stream answers with everything that produce writes until it returns, the client
// leaves, or the server stops; the last two end ctx or make a write fail.
func (a *API) stream(c *fiber.Ctx, contentType string, produce func(ctx context.Context, w io.Writer) error) error {
	if c.Method() == fiber.MethodHead {
		c.Set(fiber.HeaderContentType, contentType)
		return nil
	}
	free, err := a.streams.Take(a.CountedAs(c))
	switch {
	case errors.Is(err, quota.ErrCaller):
		a.Refused("streams")
		return buildbtw.TooMany("you follow %d logs and event streams already; end some of them", streamsPerCaller)
	case err != nil:
		a.Refused("streams")
		return buildbtw.Unavailable("the server follows %d logs and event streams already; try again later", maxStreams)
	}
	return transfer.SendStream(c, contentType, a.Stopping, func(ctx context.Context, w io.Writer) error {
		defer free()
		return produce(ctx, w)
	}, func(err error) {
		// The client left, or the server stops: neither is a fault.
		if !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, context.Canceled) {
			a.Log.Error("stream broke off", slog.Any("error", err))
		}
	})
}
