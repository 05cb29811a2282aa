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
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"buildbtw"
	"buildbtw/auth"
	"buildbtw/buildlog"
	"buildbtw/catalog"
	"buildbtw/forge"
	"buildbtw/git/gitmirror"
	"buildbtw/handlers/apiv1"
	"buildbtw/handlers/transfer"
	"buildbtw/handover"
	"buildbtw/internal/lru"
	"buildbtw/notify"
	"buildbtw/offload"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/progress"
	"buildbtw/publish"
	"buildbtw/retention"
	"buildbtw/static"
	"buildbtw/store"
	"buildbtw/views"
)

// Deps is what the handlers stand on. Every field but Forge, Loops and Fit is needed.
type Deps struct {
	Store     *store.Store
	Catalog   *catalog.Catalog
	Forecasts *progress.Forecasts
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
	Loops     func() []buildbtw.LoopState                  // how their passes went; nil: there are none
	Disks     func() []Disk                                // of the data directory, for the metrics; nil: nothing is known of them
	Metrics   *Metrics                                     // nil: those of this App alone
	Fit       func() error                                 // Unavailable while nothing new can be kept, such as on a full disk; nil: it always can
	Now       func() time.Time
	Auth      *auth.Auth
	Notifier  *notify.Notifier // nil: nobody is told anything
	Who       Who              // who is asking; nil: Auth says it

	Proxies        Proxies // that are believed when they say from where a request comes
	MaxConnections int     // at the same time, over all listeners; 0: defaultConnections
}

// Who returns who sends a request.
type Who func(context.Context, auth.Credentials) (auth.Caller, error)

// apiPrefix is the path under which the JSON API lies.
const apiPrefix = apiv1.Prefix

// App is the whole HTTP server.
type App struct {
	Deps
	fiber    *fiber.App
	problem  func(c *fiber.Ctx, status int, title, detail string, cause error) error // answers programs with an error
	hosts    hosts
	https    bool // people reach the server by https, whoever speaks it
	cookie   cookie
	metrics  *Metrics
	ready    func(context.Context) error // see apiv1
	answers  func(context.Context) error // likewise
	limits   limits
	open     *transfer.Connections
	assets   *static.Assets                    // styles and scripts of the pages
	diffs    *lru.Cache[diffKey, views.Diff]   // between iterations, for the pages
	pkgInfos *lru.Cache[string, *alpm.PkgInfo] // of package files, by digest
	parts    *lru.Cache[string, *cachedParts]  // of the pages that are polled
	words    *lru.Cache[string, saidWord]      // that pages begin with after a form
	news     *news                             // what changes, for the pages that show it
	graphs   graphs                            // that people look at
	grids    *progress.Grids                   // of packages
	times    *lru.Cache[progress.TimeRequest, progress.Timeline]
	serving  context.Context // ends when the server is told to stop, and every long answer with it
	stop     context.CancelFunc
	begin    func() // starts to wake those who wait for news
}

// Bounds of one connection. Bodies have their own limits; a streamed body may
// take as long as it goes on coming.
const (
	readTimeout  = 30 * time.Second // headers, and the beginning of a body
	idleTimeout  = 90 * time.Second // between requests of one connection
	headerBuffer = 16 << 10         // bytes of request line and headers

	defaultConnections = 1024
)

// New joins the parts and registers every route. It starts nothing.
func New(d Deps) (*App, error) {
	if d.Fit == nil {
		d.Fit = func() error { return nil }
	}
	accepted, err := acceptedHosts(d.Settings)
	if err != nil {
		return nil, err
	}
	assets, err := static.Load()
	if err != nil {
		return nil, err
	}
	if d.Who == nil {
		d.Who = d.Auth.Who
	}
	if d.Metrics == nil {
		d.Metrics = NewMetrics()
	}
	a := &App{
		Deps: d, hosts: accepted, https: strings.HasPrefix(d.Settings.ServerURL, "https://"), cookie: newCookie(d.Settings), assets: assets, metrics: d.Metrics, parts: lru.New[string, *cachedParts](cachedPages), diffs: lru.New[diffKey, views.Diff](cachedDiffs),
		pkgInfos: lru.New[string, *alpm.PkgInfo](cachedInfos), graphs: graphs{recent: lru.New[graphKey, *shownGraph](cachedGraphs)},
		grids: progress.NewGrids(), words: lru.New[string, saidWord](waitingWords), times: lru.New[progress.TimeRequest, progress.Timeline](cachedTimes), news: newNews(d.Store, d.Logs, d.Now()),
	}
	if a.MaxConnections == 0 {
		a.MaxConnections = defaultConnections
	}
	a.limits = newLimits(a.MaxConnections)
	a.open = transfer.NewConnections(a.MaxConnections, perAddress(a.MaxConnections), a.sharedAddress, a.refusedConnection())
	a.serving, a.stop = context.WithCancel(context.Background())
	a.begin = sync.OnceFunc(func() { go a.news.run(a.serving, a.Log) })
	a.problem = apiv1.Problem
	jsonAPI := apiv1.New(apiv1.Deps{
		Store: d.Store, Catalog: d.Catalog, Forecasts: d.Forecasts, Grids: a.grids, Publisher: d.Publisher, Handover: d.Handover, Retention: d.Retention, Objects: d.Objects, Forge: d.Forge, Sources: d.Sources,
		Repos: d.Repos, Logs: d.Logs, Settings: d.Settings, Log: d.Log, Wake: d.Wake, LookAt: d.LookAt, Now: d.Now, Auth: d.Auth, Notifier: d.Notifier,
	}, apiv1.Edge{Caller: caller, CountedAs: countedAs, Refused: a.metrics.refuse, Stopping: a.serving.Done(), Fit: d.Fit, Loops: d.Loops, About: noteBuild})
	a.ready, a.answers = jsonAPI.Ready, jsonAPI.Answers
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
		transfer.HasRequest(ctx.Conn())
		defer transfer.CloseUnread(ctx)
		if err := transfer.CheckHead(&ctx.Request.Header); err != nil {
			a.answerMalformed(ctx, err)
			return
		}
		inner(ctx)
	}
	server.ConnState = func(c net.Conn, state fasthttp.ConnState) {
		if state == fasthttp.StateIdle {
			transfer.WaitsForRequest(c)
		}
	}
	server.SecureErrorLogMessage = true // or the client is told what it has sent
	server.ErrorHandler = a.answerMalformed
}

// answerMalformed answers what is no request, which Fiber has not seen. It closes the
// connection: nobody knows where the next request begins.
func (a *App) answerMalformed(ctx *fasthttp.RequestCtx, err error) {
	c := a.fiber.AcquireCtx(ctx)
	defer a.fiber.ReleaseCtx(c)
	reason := refusedMalformed
	var head *fasthttp.ErrSmallBuffer
	var late net.Error
	var known *fiber.Error
	switch {
	case errors.As(err, &known):
	case errors.As(err, &head) && transfer.InRequestLine(ctx.Conn()):
		err = fiber.NewError(fiber.StatusRequestURITooLong, fmt.Sprintf("the address is larger than %s", humanize.IBytes(headerBuffer)))
	case errors.As(err, &head):
		err = fiber.NewError(fiber.StatusRequestHeaderFieldsTooLarge, fmt.Sprintf("address and headers together are larger than %s", humanize.IBytes(headerBuffer)))
	case errors.As(err, &late) && late.Timeout(), errors.Is(err, fasthttp.ErrTimeout):
		err = buildbtw.TooSlow("the request did not come within %s", readTimeout)
	default:
		err = fiber.NewError(fiber.StatusBadRequest, "this is no request of HTTP/1.1")
	}
	status := answerFor(err).status
	switch status {
	case fiber.StatusRequestURITooLong:
		reason = refusedPath
	case fiber.StatusRequestHeaderFieldsTooLarge:
		reason = refusedHeaders
	case fiber.StatusRequestTimeout:
		reason = refusedSlow
	}
	a.metrics.refuse(reason)
	a.Log.Info("no request", slog.Int("status", status), slog.String("from", addressName(a.Proxies.Client(ctx))), slog.Any("error", err))
	if failed := a.answerError(c, err); failed != nil {
		a.Log.Error("answer what is no request", slog.Any("error", failed))
	}
	ctx.SetConnectionClose()
}

// refusedConnection returns a function that counts connections which are refused
// or closed, and logs one of each kind a minute.
func (a *App) refusedConnection() func(reason string, err error) {
	var mu sync.Mutex
	logged := map[string]time.Time{}
	return func(reason string, err error) {
		a.metrics.refuse(reason)
		mu.Lock()
		defer mu.Unlock()
		if now := a.Now(); now.Sub(logged[reason]) >= time.Minute {
			logged[reason] = now
			a.Log.Warn("connections are refused or closed", slog.String("reason", reason), slog.Int("limit", a.MaxConnections), slog.Any("error", err))
		}
	}
}

// Serve answers requests that come in over ln until Shutdown. With config it
// speaks TLS.
func (a *App) Serve(ln net.Listener, config *tls.Config) error {
	return a.serve(&transfer.Listener{Listener: ln, Connections: a.open, TLS: config != nil}, config)
}

// ServeMachines is Serve for the listener of build machines: whoever comes over it
// gets only what they need. With Settings.WorkersURL set, nobody claims builds over
// another one.
func (a *App) ServeMachines(ln net.Listener, config *tls.Config) error {
	return a.serve(&transfer.Listener{Listener: ln, Connections: a.open, TLS: config != nil, Machines: true}, config)
}

func (a *App) serve(own *transfer.Listener, config *tls.Config) error {
	var ln net.Listener = own
	if config != nil {
		ln = tls.NewListener(ln, config)
	}
	if err := a.fiber.Listener(ln); err != nil {
		return fmt.Errorf("serve HTTP on %s: %w", ln.Addr(), err)
	}
	return nil
}

// Ready returns nil when the server can do its work, else Unavailable with a sentence for
// each part that is not ready: what /api/v1/ready answers.
func (a *App) Ready(ctx context.Context) error { return a.ready(ctx) }

// Answers returns an error when the database or a loop hangs, which a restart may mend.
func (a *App) Answers(ctx context.Context) error { return a.answers(ctx) }

// EndStreams ends long polls, event streams and followed logs, and gives out no
// more builds. Everything else is still answered.
func (a *App) EndStreams() { a.stop() }

// Shutdown ends long polls, event streams and followed logs at once, lets other
// requests finish, and closes what is left when ctx ends.
func (a *App) Shutdown(ctx context.Context) error {
	a.EndStreams()
	a.open.End()
	if err := a.fiber.ShutdownWithContext(ctx); err != nil {
		return fmt.Errorf("stop serving HTTP: %w", err)
	}
	return nil
}
