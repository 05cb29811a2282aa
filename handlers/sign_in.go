package handlers

import (
	"cmp"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/auth"
	"buildbtw/handlers/transfer"
	"buildbtw/views"
)

// signInPage shows how to sign in. Whoever has signed in at a proxy, which
// asks for the name at this address, is led on.
func (a *App) signInPage(c *fiber.Ctx) error {
	if who := caller(c); who.Kind == buildbtw.KindPerson && who.CSRF != "" && who.Session == 0 {
		return redirect(c, nextPath(c))
	}
	return a.renderSignIn(c, nextPath(c), "")
}

func (a *App) renderSignIn(c *fiber.Ctx, next, problem string) error {
	v := views.SignIn{Operator: a.Auth.Operator, Next: next, Error: problem}
	if o := a.Auth.OIDC; o != nil {
		v.Provider, v.ProviderURL = o.Name, oidcPath+"?next="+url.QueryEscape(next)
		v.Elsewhere = c.Response().StatusCode() == fiber.StatusForbidden
	}
	return a.render(c, a.shell(c, views.NavNone, "Sign in"), views.SignInContent(v))
}

// signIn exchanges a code for a session.
func (a *App) signIn(c *fiber.Ctx) error {
	if err := transfer.ReadBody(c, maxForm); err != nil {
		return err
	}
	var secret string
	err := a.limitSignIns(c, func() (err error) {
		secret, err = a.Auth.SignInWithCode(c.UserContext(), strings.TrimSpace(c.FormValue("code")), a.browser(c))
		return err
	})
	if err != nil {
		return a.refuseSignIn(c, nextPath(c), err)
	}
	a.cookie.set(c, secret)
	return seeOther(c, nextPath(c))
}

// refuseSignIn shows the page to sign in with what went wrong.
func (a *App) refuseSignIn(c *fiber.Ctx, next string, err error) error {
	kind := buildbtw.KindOf(err)
	switch kind {
	case buildbtw.KindUnauthenticated, buildbtw.KindForbidden, buildbtw.KindUnavailable:
	default:
		return err
	}
	c.Status(kind.HTTPStatus())
	c.Set(fiber.HeaderCacheControl, "no-store")
	return a.renderSignIn(c, next, buildbtw.MessageOf(err))
}

// oidcPath begins to sign in with a provider.
const oidcPath = "/sign-in/oidc"

// startOIDC sends the browser to the provider.
func (a *App) startOIDC(c *fiber.Ctx) error {
	next := nextPath(c)
	// The provider sends people back to the server's own URL. A browser that knows the
	// server under another name begins there, where its cookie will be. Once: a proxy
	// may hide under which name it was asked.
	if own, err := url.Parse(a.Settings.ServerURL); err == nil && !strings.EqualFold(own.Host, string(c.Request().Host())) && c.Query("from") == "" {
		return redirect(c, a.Settings.ServerURL+oidcPath+"?"+url.Values{"next": {next}, "from": {"other-name"}, "again": {c.Query("again")}}.Encode())
	}
	var to, attempt string
	err := a.limitSignIns(c, func() (err error) {
		to, attempt, err = a.Auth.BeginOIDC(c.UserContext(), next, c.Query("again") != "")
		return err
	})
	if err != nil {
		return a.refuseSignIn(c, next, err)
	}
	a.cookie.attempts().set(c, attempt)
	return redirect(c, to)
}

// finishOIDC signs a browser in that the provider has sent back.
func (a *App) finishOIDC(c *fiber.Ctx) error {
	kept := a.cookie.attempts()
	var secret, next string
	err := a.limitSignIns(c, func() (err error) {
		secret, next, err = a.Auth.FinishOIDC(c.UserContext(), auth.Returned{
			State: c.Query("state"), Code: c.Query("code"), Error: c.Query("error"), Description: c.Query("error_description"), Issuer: c.Query("iss"),
		}, c.Cookies(kept.name), a.browser(c))
		return err
	})
	kept.forget(c)
	if err != nil {
		return a.refuseSignIn(c, cmp.Or(next, "/"), err)
	}
	a.cookie.set(c, secret)
	return redirect(c, next)
}

// redirect sends a browser on, to an address that no cache may keep.
func redirect(c *fiber.Ctx, to string) error {
	c.Set(fiber.HeaderCacheControl, "no-store")
	return c.Redirect(to, fiber.StatusSeeOther)
}

// browser describes the browser that signs in.
func (a *App) browser(c *fiber.Ctx) auth.Browser {
	return auth.Browser{UserAgent: c.Get(fiber.HeaderUserAgent), Address: caller(c).Address, Before: c.Cookies(a.cookie.name)}
}

// signOut ends the session of this browser.
func (a *App) signOut(c *fiber.Ctx) error {
	if err := a.Auth.SignOut(c.UserContext(), caller(c)); err != nil {
		return err
	}
	a.cookie.forget(c)
	return seeOther(c, "/")
}

// maxNext bounds the bytes of a path to go to after signing in: a cookie holds it.
const maxNext = 2000

// nextPath returns the page to go to after signing in: one of this server only,
// or a link could lead people from here to a copy of our pages.
func nextPath(c *fiber.Ctx) string {
	next := c.FormValue("next", c.Query("next"))
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") || len(next) > maxNext {
		return "/"
	}
	return next
}
