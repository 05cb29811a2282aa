// Package apiv1 is the JSON API under /api/v1: the same nouns as the pages, for
// bbtw, scripts and build machines. routes.go is the table of everything it
// answers; the OpenAPI document is generated from the same table.
package apiv1

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/buildgraph"
	"buildbtw/buildlog"
	"buildbtw/catalog"
	"buildbtw/forge"
	"buildbtw/git/gitmirror"
	"buildbtw/internal/directory"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/baserepo"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/publish"
	"buildbtw/store"
)

// Catalog is *catalog.Catalog.
type Catalog interface {
	Plan(ctx context.Context, changesets []buildbtw.Changeset, s buildbtw.Settings) (*buildgraph.Plan, error)
	Explain(ctx context.Context, changesets []buildbtw.Changeset, s buildbtw.Settings, pkgname string) (map[string]buildgraph.Explanation, error)
	Sources(ctx context.Context) ([]catalog.Source, error)
	Roots() []catalog.Root
	Directory() (*directory.Directory, error)
	Package(architecture, name string) (buildgraph.Package, error)
	Resolve(ctx context.Context, c buildbtw.Changeset) (commit string, err error)
}

// Base is baserepo.Bases.
type Base interface {
	Interfaces(architecture, pkgbase string) (list []alpm.Interface, ok bool)
	Package(architecture, pkgname string) (p baserepo.Entry, ok bool)
	Linkers(architecture string, soname alpm.Soname) []baserepo.Entry
}

// Forecaster says when an iteration will be done.
type Forecaster interface {
	Forecast(ctx context.Context, it store.IterationRow) (api.Forecast, error)
}

// Settings are what the person who runs the server chose.
type Settings struct {
	ServerURL     string   // as people and build machines reach it, without a trailing slash
	Architectures []string // for which the server builds
	BaseRef       string   // the ref of a changeset for which none is given
	ConfirmAbove  int      // more builds than this are created only when confirmed
	Version       string   // of the server program
	SingleUser    bool     // nobody signs in: whoever reaches the loopback listener may do everything

	Lease   time.Duration // an attempt is lost this long after its last heartbeat
	Timeout time.Duration // wall clock limit of an attempt; 0: none
	Stall   time.Duration // an attempt without output and CPU use for this long is stalled; 0: never

	WebhookSecret string // what GitLab's webhooks present; empty: they are refused
}

// Deps is what the API stands on. Every field but Forge is needed.
type Deps struct {
	Store      *store.Store
	Catalog    Catalog
	Base       Base
	Publisher  *publish.Publisher
	Forecaster Forecaster
	Forge      *forge.Forge // nil: there is no GitLab
	Sources    *gitmirror.Mirror
	Repos      *pacmanrepo.Repos
	Logs       *buildlog.Logs
	Settings   Settings
	Log        *slog.Logger
	Wake       func() // tells the scheduler that there is something to do
	Now        func() time.Time
}

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
