package handlers

import (
	"errors"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/handlers/transfer"
	"buildbtw/internal/hints"
	"buildbtw/internal/quota"
	"buildbtw/static"
	"buildbtw/views"
)

// Bounds of what one caller may ask for. They are far above what people, bbtw
// and build machines need (measured with 40 busy workers, see
// docs/operations.md), and keep one program that runs wild, or one attacker, from
// taking the server away from everybody else.
const (
	requestRate  = 100  // requests per second on the average
	requestBurst = 2000 // at once: a page with its parts is 10, a script over all builds hundreds
	machineCost  = .1   // of a request by build machines, which may all be behind one address and have one token, and of one for a file

	unknownRate  = 10  // requests per second of one address that are refused because nobody knows who asks
	unknownBurst = 500 // at once

	// Failed sign-ins of one address. Codes cannot be guessed; this is for those who
	// try, and their noise.
	signInRate  = .1 // per second
	signInBurst = 10

	rememberedCallers = 16 << 10 // 3 MB

	// A browser keeps one stream for all its pages, and people without a name may
	// all come from one address.
	hintsPerCaller = hints.MaxWatchers / 8

	addressShare = 4 // an address may have this part of all connections
)

// Reasons of the metric buildbtw_refused_total, besides those of connections.
const (
	refusedRate      = "request-rate"
	refusedUnknown   = "unknown-rate"
	refusedSignIn    = "sign-in"
	refusedRunning   = "address-requests"
	refusedMalformed = "malformed"
	refusedHeaders   = "headers"
	refusedPath      = "path"
	refusedSlow      = "slow"
	refusedBody      = "body"
)

// limits are the counters behind the bounds.
type limits struct {
	requests *quota.Rate  // of a caller
	unknown  *quota.Rate  // refusals of an address
	signIns  *quota.Rate  // failed ones of an address
	running  *quota.Slots // requests of an address that come over a trusted proxy
	hints    *quota.Slots // streams of hints of a caller
}

func newLimits(connections int) limits {
	return limits{
		requests: quota.NewRate(requestRate, requestBurst, rememberedCallers),
		unknown:  quota.NewRate(unknownRate, unknownBurst, rememberedCallers),
		signIns:  quota.NewRate(signInRate, signInBurst, rememberedCallers),
		running:  quota.NewSlots(connections, perAddress(connections)),
		hints:    quota.NewSlots(hints.MaxWatchers, hintsPerCaller),
	}
}

// perAddress returns how many of all connections one address may have.
func perAddress(connections int) int { return max(connections/addressShare, 1) }

// sharedAddress reports whether many clients come from an address: all programs
// of this machine, or all clients of a proxy.
func (a *App) sharedAddress(addr netip.Addr) bool { return addr.IsLoopback() || a.Proxies.Trust(addr) }

// countedAs returns the name under which the requests of whoever is asking are
// counted: the user, wherever he is, else the address. The machines of one token
// are told apart by their addresses.
func countedAs(c *fiber.Ctx) string {
	u, at := user(c), addressName(transfer.Network(address(c)))
	switch {
	case u.Role == buildbtw.RoleNone || u.Name == "":
		return at
	case u.Role == buildbtw.RoleWorker:
		return "machine " + u.Name + " " + at
	}
	return "user " + u.Name
}

// limitAddress bounds the requests of one address that are being answered at the
// same time, where connections cannot tell because a proxy makes them, and those
// that fail because nobody knows who asks.
func (a *App) limitAddress(c *fiber.Ctx) error {
	from := addressName(transfer.Network(address(c)))
	if a.Proxies.Trust(transfer.PeerAddress(c.Context().RemoteAddr())) {
		free, err := a.limits.running.Take(from)
		if err != nil {
			a.metrics.refuse(refusedRunning)
			return buildbtw.TooMany("too many requests from %s are being answered already; wait for some of them", from)
		}
		defer free()
	}
	err := c.Next()
	if buildbtw.KindOf(err) != buildbtw.KindUnauthenticated {
		return err
	}
	if wait, ok := a.limits.unknown.Take(from, a.Now(), 1); !ok {
		return a.tooOften(c, refusedUnknown, wait, unknownRate)
	}
	return err
}

// cost returns how much a request counts against the bound of its caller.
func cost(c *fiber.Ctx) float64 {
	u, path := user(c), c.Path()
	switch {
	case u.Role == buildbtw.RoleWorker,
		u.MayClaim() == nil && strings.HasPrefix(path, apiPrefix+"/worker/"),
		strings.HasPrefix(path, "/repo/"), strings.HasPrefix(path, static.Prefix):
		return machineCost
	}
	return 1
}

// limitCaller bounds how often one caller asks.
func (a *App) limitCaller(c *fiber.Ctx) error {
	if wait, ok := a.limits.requests.Take(countedAs(c), a.Now(), cost(c)); !ok {
		return a.tooOften(c, refusedRate, wait, requestRate)
	}
	return c.Next()
}

// limitSignIns lets signIn happen unless too many of the same address failed lately,
// and counts a failure, which is an error of kind unauthenticated.
func (a *App) limitSignIns(c *fiber.Ctx, signIn func() error) error {
	from := addressName(transfer.Network(address(c)))
	if wait := a.limits.signIns.Wait(from, a.Now()); wait > 0 {
		a.metrics.refuse(refusedSignIn)
		seconds := int(math.Ceil(wait.Seconds()))
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(seconds))
		return buildbtw.TooMany("too many sign-ins from your address have failed; try again in %s", views.Plural(seconds, "second"))
	}
	err := signIn()
	if buildbtw.KindOf(err) == buildbtw.KindUnauthenticated {
		a.limits.signIns.Take(from, a.Now(), 1)
	}
	return err
}

func (a *App) tooOften(c *fiber.Ctx, reason string, wait time.Duration, rate int) error {
	a.metrics.refuse(reason)
	seconds := int(math.Ceil(wait.Seconds()))
	c.Set(fiber.HeaderRetryAfter, strconv.Itoa(seconds))
	return buildbtw.TooMany("more than %d requests a second; try again in %s", rate, views.Plural(seconds, "second"))
}

// countRefusal counts an answer that says that a bound was passed, where no other
// place has.
func (m *Metrics) countRefusal(status int) {
	switch status {
	case fiber.StatusRequestTimeout:
		m.refuse(refusedSlow)
	case fiber.StatusRequestEntityTooLarge:
		m.refuse(refusedBody)
	}
}

// takeHints takes a slot for a stream of hints.
func (a *App) takeHints(c *fiber.Ctx) (free func(), err error) {
	free, err = a.limits.hints.Take(countedAs(c))
	if err == nil {
		return free, nil
	}
	a.metrics.refuse("hints")
	if errors.Is(err, quota.ErrCaller) {
		return nil, buildbtw.TooMany("you watch this server from %d places already; pages stay current by asking every few seconds", hintsPerCaller)
	}
	return nil, buildbtw.Unavailable("%d browsers watch this server already; pages stay current by asking every few seconds", hints.MaxWatchers)
}
