// Package handlers is the server's HTTP side: the pages for people, the files
// for pacman, and the frame around both and the JSON API (package apiv1): who is
// asking, limits, headers, errors.
//
// A handler parses, makes one call, and renders. It holds no SQL and logs
// nothing: an error that it returns is answered and logged once, in errors.go.
package handlers

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"buildbtw"
	"buildbtw/buildlog"
	"buildbtw/catalog"
	"buildbtw/forge"
	"buildbtw/git/gitmirror"
	"buildbtw/handlers/apiv1"
	"buildbtw/handlers/transfer"
	"buildbtw/internal/lru"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/progress"
	"buildbtw/publish"
	"buildbtw/static"
	"buildbtw/store"
	"buildbtw/views"
)

// Deps is what the handlers stand on. Every field but Forge is needed.
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
	Who       Who // says who is asking
}

// apiPrefix is the path under which the JSON API lies.
const apiPrefix = apiv1.Prefix

// App is the whole HTTP server.
type App struct {
	Deps
	fiber    *fiber.App
	problem  func(c *fiber.Ctx, status int, title, detail string, cause error) error // answers programs with an error
	hosts    hosts
	metrics  *metrics
	assets   *static.Assets                    // styles and scripts of the pages
	diffs    *lru.Cache[diffKey, views.Diff]   // between iterations, for the pages
	pkgInfos *lru.Cache[string, *alpm.PkgInfo] // of package files, by digest
	parts    *lru.Cache[string, *cachedParts]  // of the pages that are polled
	news     *news                             // what changes, for the pages that show it
	graphs   graphs                            // that people look at
	serving  context.Context                   // ends when the server is told to stop, and every long answer with it
	stop     context.CancelFunc
	begin    func() // starts to wake those who wait for news
}

// Bounds of one connection. Bodies have their own limits; a streamed body may
// take as long as it goes on coming.
const (
	readTimeout  = 30 * time.Second // headers, and the beginning of a body
	idleTimeout  = 90 * time.Second // between requests of one connection
	headerBuffer = 16 << 10         // bytes of request line and headers
)

// New joins the parts and registers every route. It starts nothing.
func New(d Deps) (*App, error) {
	accepted, err := acceptedHosts(d.Settings)
	if err != nil {
		return nil, err
	}
	assets, err := static.Load()
	if err != nil {
		return nil, err
	}
	a := &App{
		Deps: d, hosts: accepted, assets: assets, metrics: newMetrics(), parts: lru.New[string, *cachedParts](cachedPages), diffs: lru.New[diffKey, views.Diff](cachedDiffs),
		pkgInfos: lru.New[string, *alpm.PkgInfo](cachedInfos), graphs: graphs{recent: lru.New[graphKey, *shownGraph](cachedGraphs)}, news: newNews(d.Store, d.Logs, d.Now()),
	}
	a.serving, a.stop = context.WithCancel(context.Background())
	a.begin = sync.OnceFunc(func() { go a.news.run(a.serving) })
	a.problem = apiv1.Problem
	jsonAPI := apiv1.New(apiv1.Deps{
		Store: d.Store, Catalog: d.Catalog, Forecasts: d.Forecasts, Publisher: d.Publisher, Forge: d.Forge, Sources: d.Sources,
		Repos: d.Repos, Logs: d.Logs, Settings: d.Settings, Log: d.Log, Wake: d.Wake, Now: d.Now,
	}, apiv1.Edge{User: user, Stopping: a.serving.Done()})
	a.fiber = fiber.New(fiber.Config{
		CaseSensitive:                true,
		Immutable:                    true, // strings of a request outlive their handler
		StreamRequestBody:            true, // packages are larger than memory
		DisablePreParseMultipartForm: true,
		ReadTimeout:                  readTimeout,
		IdleTimeout:                  idleTimeout,
		ReadBufferSize:               headerBuffer,
		ErrorHandler:                 a.answerError,
		DisableStartupMessage:        true,
	})
	a.guardConnection()
	a.routes(a.fiber, jsonAPI.Register)
	return a, nil
}

// guardConnection goes around Fiber as a whole, because Fiber answers some
// requests (an unknown method) without running any of its handlers.
func (a *App) guardConnection() {
	server := a.fiber.Server()
	inner := server.Handler
	server.Handler = func(ctx *fasthttp.RequestCtx) {
		defer transfer.CloseUnread(ctx)
		inner(ctx)
	}
}

// Serve answers requests that come in over ln until Shutdown. With config it
// speaks TLS.
func (a *App) Serve(ln net.Listener, config *tls.Config) error {
	ln = &transfer.Listener{Listener: ln}
	if config != nil {
		ln = tls.NewListener(ln, config)
	}
	if err := a.fiber.Listener(ln); err != nil {
		return fmt.Errorf("serve HTTP on %s: %w", ln.Addr(), err)
	}
	return nil
}

// EndStreams ends long polls, event streams and followed logs, and gives out no
// more builds. Everything else is still answered.
func (a *App) EndStreams() { a.stop() }

// Shutdown ends long polls, event streams and followed logs at once, lets other
// requests finish, and closes what is left when ctx ends.
func (a *App) Shutdown(ctx context.Context) error {
	a.EndStreams()
	if err := a.fiber.ShutdownWithContext(ctx); err != nil {
		return fmt.Errorf("stop serving HTTP: %w", err)
	}
	return nil
}
