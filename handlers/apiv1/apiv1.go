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
	"buildbtw/git/gitmirror"
	"buildbtw/internal/directory"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/baserepo"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
)

// Catalog knows the sources as they stand now and plans with them.
type Catalog interface {
	// Plan computes what would be built. A source or ref that does not exist is
	// NotFound.
	Plan(ctx context.Context, changesets []buildbtw.Changeset, s buildbtw.Settings) (*buildgraph.Plan, error)
	// Explain says, per architecture, why that would build a package, or why not.
	Explain(ctx context.Context, changesets []buildbtw.Changeset, s buildbtw.Settings, pkgname string) (map[string]buildgraph.Explanation, error)
	// Sources lists every source at its base ref, by slug.
	Sources(ctx context.Context) ([]api.Source, error)
	// Roots says how mirroring each place of sources went last.
	Roots(ctx context.Context) []api.Root
	// Directory gives the names of all that the sources make.
	Directory(ctx context.Context) (*directory.Directory, error)
	// Package says what the sources know of a package, by pkgname or pkgbase;
	// NotFound when they do not make it for the architecture.
	Package(ctx context.Context, architecture, name string) (buildgraph.Package, error)
	// Resolve gives the commit a changeset stands at, or NotFound.
	Resolve(ctx context.Context, c buildbtw.Changeset) (commit string, err error)
}

// Base knows the packages that builds fall back to.
type Base interface {
	// Interfaces gives what dependents can notice of the packages of a pkgbase;
	// not ok when the base does not have it or does not tell.
	Interfaces(architecture, pkgbase string) (list []alpm.Interface, ok bool)
	// Package gives the package that pacman would install by a name.
	Package(architecture, pkgname string) (p baserepo.Entry, ok bool)
	// Linkers lists the packages that depend on a library in a form that means
	// the soname, by name.
	Linkers(architecture string, soname alpm.Soname) []baserepo.Entry
}

// Finisher ends attempts: it publishes packages or records the failure.
// Repeating a call gives the same answer; a call for a lease that is over is a
// Conflict.
type Finisher interface {
	Finish(ctx context.Context, lease string, r api.FinishRequest) (api.FinishAnswer, error)
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

// Deps is what the API stands on. Every field but Hook is needed.
type Deps struct {
	Store      *store.Store
	Catalog    Catalog
	Base       Base
	Finisher   Finisher
	Forecaster Forecaster
	Hook       Hook // nil: there is no GitLab
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
