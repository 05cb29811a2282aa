package handlers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/handlers/transfer"
	"buildbtw/internal/logattr"
)

// requestTime bounds what one request may work. Long polls, streams and uploads
// set their own, in apiv1.
const requestTime = 30 * time.Second

// observe wraps a whole request: it sets the request's id, answers its error, counts
// it, and writes the one line of the access log, with an error of the server.
func (a *App) observe(c *fiber.Ctx) error {
	began := a.Now()
	id := a.requestID(c)
	c.Set(fiber.HeaderXRequestID, id)
	c.Locals(requestKey{}, id)
	c.Locals(addressKey{}, a.Proxies.Client(c.Context()))
	err := c.Next()
	if err != nil {
		if failed := a.answerError(c, err); failed != nil {
			err = errors.Join(err, fmt.Errorf("answer with an error: %w", failed))
			c.Status(fiber.StatusInternalServerError).Response().SetBodyString("Internal server error\n")
		}
	}
	took := a.Now().Sub(began)
	a.metrics.count(c, took)
	status := c.Response().StatusCode()
	attrs := []slog.Attr{
		slog.String("method", c.Method()), slog.String("path", loggedPath(c.Path())), slog.Int("status", status),
		slog.Duration("took", took), slog.String("id", id), slog.String("from", addressName(address(c))),
	}
	if build, ok := c.Locals(buildKey{}).(int64); ok {
		attrs = append(attrs, slog.Int64("build", build))
	}
	level := slog.LevelInfo
	switch {
	case isRoutine(c.Path(), status):
		level = slog.LevelDebug
	case status == fiber.StatusServiceUnavailable: // passes by itself, as while sources are first read
		level = slog.LevelWarn
	case status >= fiber.StatusInternalServerError:
		level = slog.LevelError
	}
	// The status tells as much as an error of Fiber, whose text repeats the address,
	// which may hold a lease.
	var fromFiber *fiber.Error
	if err != nil && !errors.As(err, &fromFiber) {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	a.Log.LogAttrs(c.UserContext(), level, "request", attrs...)
	return nil
}

// requestKey is where observe leaves the id of a request, and buildKey where noteBuild leaves
// that of the build that it is about.
type (
	requestKey struct{}
	buildKey   struct{}
)

// requestID returns the id of a request in the log: that which a trusted proxy has given it,
// so that its log and ours tell of the same, or a new one.
func (a *App) requestID(c *fiber.Ctx) string {
	if given := c.Get(fiber.HeaderXRequestID); isRequestID(given) && a.Proxies.Trust(transfer.PeerAddress(c.Context().RemoteAddr())) {
		return given
	}
	return rand.Text()[:12]
}

// isRequestID reports whether a text is an id that proxies make: hexadecimal digits, a UUID.
func isRequestID(text string) bool {
	for _, r := range text {
		if !strings.ContainsRune("-_.0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", r) {
			return false
		}
	}
	return len(text) >= 8 && len(text) <= 64
}

// noteBuild says that a request is about a build whose id its address does not have.
func noteBuild(c *fiber.Ctx, build int64) {
	c.Locals(buildKey{}, build)
	c.SetUserContext(logattr.With(c.UserContext(), slog.Int64("build", build)))
}

// isRoutine reports whether a request is one of those that machines and open pages repeat
// all the time, to hear that nothing has changed: a line each would bury the others.
func isRoutine(path string, status int) bool {
	switch {
	case status >= fiber.StatusBadRequest:
		return false
	case status == fiber.StatusNotModified, path == "/hints":
		return true
	case path == apiPrefix+"/worker/claim":
		return status == fiber.StatusNoContent
	}
	return strings.HasPrefix(path, leases) && (strings.HasSuffix(path, "/heartbeat") || strings.HasSuffix(path, "/log"))
}

// leases is the path below which every address begins with a secret.
const leases = apiPrefix + "/worker/leases/"

// loggedPath returns the path without the lease in it, which is a secret.
func loggedPath(path string) string {
	rest, ok := strings.CutPrefix(path, leases)
	if !ok {
		return path
	}
	_, call, _ := strings.Cut(rest, "/")
	return leases + "{lease}/" + call
}

// recoverPanic turns a panic into an error with the place it came from.
func recoverPanic(c *fiber.Ctx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return c.Next()
}

// contentPolicy allows a page only styles, scripts and images of this server.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; worker-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// secureHeaders sets the headers that restrict what a browser does with an answer.
func (a *App) secureHeaders(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentSecurityPolicy, contentPolicy)
	c.Set(fiber.HeaderReferrerPolicy, "same-origin")
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	if a.https {
		c.Set(fiber.HeaderStrictTransportSecurity, "max-age=31536000")
	}
	return c.Next()
}

// deadline gives the request a context that ends, for everything that it calls.
func deadline(c *fiber.Ctx) error {
	id, _ := c.Locals(requestKey{}).(string)
	ctx, cancel := context.WithTimeout(logattr.With(context.Background(), slog.String("id", id)), requestTime)
	defer cancel()
	c.SetUserContext(ctx)
	return c.Next()
}

// hosts are the names under which the server may be addressed. A server that only
// its own machine can reach may show what others must not see, so a page of another
// site must not read it through its reader's browser under a name that the site
// lets point here (DNS rebinding).
type hosts struct {
	any  bool   // every name: people sign in
	name string // the host name of the server's URL, without port
}

// acceptedHosts returns the names that the settings allow.
func acceptedHosts(s buildbtw.ServerSettings) (hosts, error) {
	u, err := url.Parse(s.ServerURL)
	if err != nil || u.Hostname() == "" {
		return hosts{}, buildbtw.Invalid("%q is no URL of a server; write for example http://127.0.0.1:8080", s.ServerURL)
	}
	return hosts{any: !s.SingleUser, name: strings.ToLower(u.Hostname())}, nil
}

// accept reports whether a Host header names this server. No other site can
// point a name at what virtual machines call it.
func (h hosts) accept(host string) bool {
	name := strings.ToLower(hostname(host))
	if h.any || name == h.name || name == "localhost" || name == buildbtw.HostFromGuest {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.IsLoopback()
}

// hostname returns a host without its port and without the brackets of IPv6.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}

// checkOrigin refuses requests that a page of another site made a browser send.
// Programs that are no browsers send neither header.
func (a *App) checkOrigin(c *fiber.Ctx) error {
	host := string(c.Request().Host())
	if !a.hosts.accept(host) && !transfer.OfMachines(c.Context().Conn()) { // browsers have no business with the latter
		return fiber.NewError(fiber.StatusMisdirectedRequest,
			fmt.Sprintf("this server is not reached as %.80q but as %s; if that is another name of it, start it with --public-url", host, a.Settings.ServerURL))
	}
	switch c.Method() {
	case fiber.MethodGet, fiber.MethodHead, fiber.MethodOptions:
		return c.Next()
	}
	switch c.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
	default:
		return buildbtw.Forbidden("the request comes from a page of another site")
	}
	if origin := c.Get(fiber.HeaderOrigin); origin != "" && !sameHost(origin, host) {
		return buildbtw.Forbidden("the request comes from a page of another site")
	}
	return c.Next()
}

// sameHost reports whether name and port are the same. "null", the origin of sandboxed
// pages, is that of no host.
func sameHost(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host)
}
