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
	"buildbtw/buildlog"
	"buildbtw/catalog"
	"buildbtw/forge"
	"buildbtw/git/gitmirror"
	"buildbtw/handlers/transfer"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/progress"
	"buildbtw/publish"
	"buildbtw/store"
)

// Deps is what the API stands on. Every field but Forge is needed.
type Deps struct {
	Store     *store.Store
	Catalog   *catalog.Catalog
	Forecasts *progress.Forecasts
	Publisher *publish.Publisher
	Forge     *forge.Forge // nil: there is no GitLab
	Sources   *gitmirror.Mirror
	Repos     *pacmanrepo.Repos
	Logs      *buildlog.Logs
	Settings  buildbtw.ServerSettings
	Log       *slog.Logger
	Wake      func() // tells the scheduler that there is something to do
	Now       func() time.Time
}

// Prefix is the path under which the API lies.
const Prefix = api.Prefix

// Edge is what the API gets from the server that it is a part of.
type Edge struct {
	User     func(*fiber.Ctx) buildbtw.User // who is asking
	Stopping <-chan struct{}                // closed when the server stops
}

// API holds the handlers.
type API struct {
	Deps
	Edge
	streams chan struct{} // holds a token for every answer without end
	claims  chan struct{} // holds a token for every claim that looks for a build
	openapi func() ([]byte, error)
}

// New makes the API; Register puts it into a server.
func New(d Deps, e Edge) *API {
	a := &API{Deps: d, Edge: e, streams: make(chan struct{}, maxStreams), claims: make(chan struct{}, maxClaims)}
	a.openapi = sync.OnceValues(a.describe)
	return a
}

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

// goesOn returns an error when the server has been told to stop.
func (a *API) goesOn() error {
	select {
	case <-a.Stopping:
		return buildbtw.Unavailable("the server is stopping")
	default:
		return nil
	}
}

// me answers who is asking.
func (a *API) me(c *fiber.Ctx) error {
	u := a.User(c)
	return send(c, api.Me{Name: u.Name, Role: u.Role})
}

// maxStreams bounds the answers that go on for as long as the client likes.
const maxStreams = 512

// stream answers with everything that produce writes until it returns, the client
// leaves, or the server stops; the last two end ctx or make a write fail.
func (a *API) stream(c *fiber.Ctx, contentType string, produce func(ctx context.Context, w io.Writer) error) error {
	if c.Method() == fiber.MethodHead {
		c.Set(fiber.HeaderContentType, contentType)
		return nil
	}
	select {
	case a.streams <- struct{}{}:
	default:
		return buildbtw.Unavailable("the server follows %d logs and event streams already; try again later", maxStreams)
	}
	return transfer.SendStream(c, contentType, func(w io.Writer) error {
		defer func() { <-a.streams }()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() {
			select {
			case <-a.Stopping:
				cancel()
			case <-ctx.Done():
			}
		}()
		return produce(ctx, w)
	}, func(err error) {
		// The client left, or the server stops: neither is a fault.
		if !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, context.Canceled) {
			a.Log.Error("stream broke off", slog.Any("error", err))
		}
	})
}
