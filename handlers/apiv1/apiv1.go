// Package apiv1 is the JSON API under /api/v1: the same nouns as the pages, for
// bbtw, scripts and build machines. routes.go is the table of everything it
// answers; the OpenAPI document is generated from the same table.
package apiv1

import (
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
