package handlers

import (
	"encoding/base64"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"buildbtw"
	"buildbtw/auth"
	"buildbtw/handlers/transfer"
	"buildbtw/views"
)

// callerKey is where identify leaves the caller for the handlers of a request.
type callerKey struct{}

// identify determines who sends a request, once. An address proves nothing: it is
// recorded only.
func (a *App) identify(c *fiber.Ctx) error {
	name, err := a.namedByProxy(c)
	if err != nil {
		return err
	}
	caller, err := a.Who(c.UserContext(), auth.Credentials{
		Bearer: bearer(c), Header: name, Session: c.Cookies(a.cookie.name), Address: addressName(address(c)),
	})
	if err != nil {
		return err
	}
	c.Locals(callerKey{}, caller)
	c.SetUserContext(views.WithCSRF(c.UserContext(), caller.CSRF))
	return c.Next()
}

// namedByProxy returns whom a trusted proxy names in the header of --auth-header. From
// anybody else the header says nothing.
func (a *App) namedByProxy(c *fiber.Ctx) (string, error) {
	if a.Settings.AuthHeader == "" || !a.Proxies.Trust(transfer.PeerAddress(c.Context().RemoteAddr())) {
		return "", nil
	}
	switch names := c.Request().Header.PeekAll(a.Settings.AuthHeader); len(names) {
	case 0:
		return "", nil
	case 1:
		return string(names[0]), nil
	}
	return "", buildbtw.Unauthenticated("the proxy names two people in %s; it must remove the header that a client has sent", a.Settings.AuthHeader)
}

// bearer returns the token that a request presents. pacman cannot send it but as the
// password of its repository's URL.
func bearer(c *fiber.Ctx) string {
	scheme, value, _ := strings.Cut(c.Get(fiber.HeaderAuthorization), " ")
	value = strings.TrimSpace(value)
	switch {
	case strings.EqualFold(scheme, "bearer"):
		return value
	case strings.EqualFold(scheme, "basic") && strings.HasPrefix(c.Path(), repositoryPrefix):
		login, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return value // no token is like this
		}
		_, password, _ := strings.Cut(string(login), ":")
		return password
	}
	return ""
}

// repositoryPrefix is the path below which pacman's files lie.
const repositoryPrefix = "/repo/"

// caller returns who is asking, and how that is known: somebody who may do nothing
// for a request that identify has not seen.
func caller(c *fiber.Ctx) auth.Caller {
	who, _ := c.Locals(callerKey{}).(auth.Caller)
	return who
}

// user returns who is asking.
func user(c *fiber.Ctx) buildbtw.User { return caller(c).User }

// headerCSRF is the header with which scripts of our own pages send caller.CSRF.
const headerCSRF = "X-CSRF-Token"

// checkCSRF refuses a change by a browser that signs every request by itself,
// unless the request carries what only our own pages know.
func checkCSRF(c *fiber.Ctx) error {
	want := caller(c).CSRF
	switch c.Method() {
	case fiber.MethodGet, fiber.MethodHead, fiber.MethodOptions:
		return c.Next()
	}
	if want == "" {
		return c.Next()
	}
	got := c.Get(headerCSRF)
	if got == "" && !forProgram(c) {
		if err := transfer.ReadBody(c, maxForm); err != nil {
			return err
		}
		got = c.FormValue(views.CSRFField)
	}
	if got == "" {
		return buildbtw.Forbidden("this change lacks the token of our forms: send it from the page it belongs to. A program signs in with a token of its own " +
			"('bbtw auth login', or 'bbtw auth token create'), in the header Authorization, and not with a browser's cookie or through a proxy that signs people in")
	}
	if !auth.SameSecret(got, want) {
		return buildbtw.Forbidden("the form is from before you signed in, or from another site; load its page again and send it once more")
	}
	return c.Next()
}

// cookie is how a secret is kept in browsers.
type cookie struct {
	name   string
	secure bool // sent over https only
	lax    bool // sent also when somebody follows a link from another site
	life   time.Duration
}

// newCookie chooses for sessions and the server's address. The prefix __Host- keeps
// other hosts of the domain from setting the cookie. On loopback, where servers of
// several ports share their cookies, the port tells them apart. Whoever comes back from
// an OIDC provider, or follows a link from a chat, comes from another site; changes
// are checked anyway.
func newCookie(s buildbtw.ServerSettings) cookie {
	if strings.HasPrefix(s.ServerURL, "https://") {
		return cookie{name: "__Host-buildbtw", secure: true, lax: true, life: buildbtw.SessionLife}
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(s.ServerURL, "http://"), ":")
	return cookie{name: "buildbtw_" + strings.Trim(port, "/"), lax: !s.SingleUser, life: buildbtw.SessionLife}
}

// attempts is the cookie beside that of sessions in which a browser keeps its attempt
// to sign in with a provider.
func (k cookie) attempts() cookie {
	k.name, k.lax, k.life = k.name+"-sign-in", true, auth.AttemptLife
	return k
}

// set keeps a secret in the browser.
func (k cookie) set(c *fiber.Ctx, secret string) {
	sameSite := fiber.CookieSameSiteStrictMode
	if k.lax {
		sameSite = fiber.CookieSameSiteLaxMode
	}
	c.Cookie(&fiber.Cookie{
		Name: k.name, Value: secret, Path: "/", HTTPOnly: true, Secure: k.secure, SameSite: sameSite, MaxAge: int(k.life.Seconds()),
	})
}

// forget removes the secret from the browser.
func (k cookie) forget(c *fiber.Ctx) {
	c.Cookie(&fiber.Cookie{Name: k.name, Path: "/", HTTPOnly: true, Secure: k.secure, MaxAge: -1, Expires: fasthttp.CookieExpireDelete})
}
