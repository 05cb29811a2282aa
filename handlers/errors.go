package handlers

import (
	"context"
	"errors"
	"net/url"
	"path"
	"strings"
	"syscall"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/views"
)

// answer is what an error becomes.
type answer struct {
	status int
	title  string
	detail string
}

// answerError answers every error of every handler: as a problem to programs,
// as a page to people. It is Fiber's error handler too, for requests that never
// reach a handler.
func (a *App) answerError(c *fiber.Ctx, err error) error {
	r := answerFor(err)
	c.Response().ResetBody() // what a handler had begun
	c.Set(fiber.HeaderCacheControl, "no-store")
	if r.status == fiber.StatusUnauthorized {
		c.Set(fiber.HeaderWWWAuthenticate, "Bearer")
		if strings.HasPrefix(c.Path(), repositoryPrefix) {
			c.Set(fiber.HeaderWWWAuthenticate, `Basic realm="buildbtw"`)
		}
	}
	switch r.status {
	case fiber.StatusServiceUnavailable, fiber.StatusTooManyRequests:
		if c.GetRespHeader(fiber.HeaderRetryAfter) == "" {
			c.Set(fiber.HeaderRetryAfter, "5")
		}
	}
	if forProgram(c) {
		return a.problem(c, r.status, r.title, r.detail, err)
	}
	return a.errorPage(c, r.status, r.title, r.detail)
}

// answerFor finds status and words. Errors of Fiber itself have a status; a full
// disk is told apart, because trying again later helps.
func answerFor(err error) answer {
	var known *buildbtw.Error
	var fromFiber *fiber.Error
	switch {
	case errors.As(err, &known):
		return answer{known.Kind.HTTPStatus(), title(known.Kind), known.Message}
	case errors.As(err, &fromFiber):
		return answerForFiber(fromFiber)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return answer{
			fiber.StatusServiceUnavailable, title(buildbtw.KindUnavailable),
			"The server's disk is full. Nothing was kept of this request; try again when there is space.",
		}
	}
	return answer{fiber.StatusInternalServerError, title(buildbtw.KindInternal), buildbtw.MessageOf(err)}
}

// title names a kind of error for people.
func title(kind buildbtw.Kind) string {
	switch kind {
	case buildbtw.KindInvalid:
		return "Invalid input"
	case buildbtw.KindUnauthenticated:
		return "Not signed in"
	case buildbtw.KindForbidden:
		return "Not allowed"
	case buildbtw.KindNotFound:
		return "Not found"
	case buildbtw.KindConflict:
		return "Not possible now"
	case buildbtw.KindUnconfirmed:
		return "Please confirm"
	case buildbtw.KindTooLarge:
		return "Too large"
	case buildbtw.KindTooMany:
		return "Too many requests"
	case buildbtw.KindTooSlow:
		return "Too slow"
	case buildbtw.KindUnavailable:
		return "Unavailable, try again in a moment"
	}
	return "Server error"
}

func answerForFiber(e *fiber.Error) answer {
	switch e.Code {
	case fiber.StatusNotFound:
		return answer{e.Code, title(buildbtw.KindNotFound), "There is nothing at this address."}
	case fiber.StatusMethodNotAllowed:
		return answer{e.Code, "Method not allowed", "This address does not accept the method; the Allow header lists those it accepts."}
	case fiber.StatusInternalServerError:
		return answer{e.Code, title(buildbtw.KindInternal), buildbtw.MessageOf(e)}
	}
	return answer{e.Code, title(buildbtw.KindOfHTTPStatus(e.Code)), e.Message}
}

// forProgram reports whether the one asking is no person with a browser: by the
// address, or because it wants JSON and would not take a page.
func forProgram(c *fiber.Ctx) bool {
	path, accepted := c.Path(), c.Get(fiber.HeaderAccept)
	if strings.Contains(accepted, "json") && !strings.Contains(accepted, "text/html") {
		return true
	}
	return path == apiPrefix || strings.HasPrefix(path, apiPrefix+"/") || strings.HasPrefix(path, repositoryPrefix)
}

// errorPage answers a person with an error and ways on, or a part of a page with
// the error in its place.
func (a *App) errorPage(c *fiber.Ctx, status int, title, detail string) error {
	// The request's own time may be over: that is one of the errors.
	c.SetUserContext(context.WithoutCancel(c.UserContext()))
	c.Status(status)
	v := views.ErrorDetail{Status: status, Title: title, Detail: detail, Next: waysOn(c, status)}
	if status == fiber.StatusInternalServerError {
		v.Request = c.GetRespHeader(fiber.HeaderXRequestID)
	}
	if wantsPart(c) {
		c.Vary(headerPart)
		return sendView(c.UserContext(), c, views.ErrorPart(v))
	}
	if status == fiber.StatusNotFound {
		a.addGuesses(c, &v)
	}
	if status == fiber.StatusServiceUnavailable && c.Method() == fiber.MethodGet {
		c.Set("Refresh", "5") // it passes by itself; the browser looks again, with or without scripts
	}
	return a.render(c, a.shell(c, views.NavNone, title), views.ErrorContent(v))
}

// waysOn leads from an error to where somebody may go next.
func waysOn(c *fiber.Ctx, status int) []views.ErrorLink {
	var next []views.ErrorLink
	switch {
	case status == fiber.StatusUnauthorized && c.Method() == fiber.MethodGet:
		next = append(next, views.ErrorLink{URL: "/sign-in?next=" + url.QueryEscape(c.OriginalURL()), Label: "Sign in"})
	case c.Method() != fiber.MethodGet:
		// A form is sent again with the browser's back button; what it was about
		// is one step up.
		if up := path.Dir(c.Path()); strings.Count(up, "/") > 1 {
			next = append(next, views.ErrorLink{URL: up, Label: "See how it stands now"})
		}
	case status >= fiber.StatusInternalServerError || status == fiber.StatusConflict:
		next = append(next, views.ErrorLink{URL: self(c, nil), Label: "Try again"})
	}
	return append(next, views.ErrorLink{URL: "/", Label: "What runs now"}, views.ErrorLink{URL: "/buildspaces", Label: "All buildspaces"})
}

// guessed is how many names an error page thinks of.
const guessed = 5

// addGuesses thinks of what somebody meant who asked for a name that nothing
// has. It is only a help: when it fails, the page does without.
func (a *App) addGuesses(c *fiber.Ctx, v *views.ErrorDetail) {
	name, err := url.PathUnescape(named404(c.Path()))
	if err != nil || name == "" || user(c).MayRead() != nil {
		return
	}
	v.Search = name
	found, err := a.Catalog.Suggest(c.UserContext(), name)
	if err != nil {
		return
	}
	guesses := a.searchView(found)
	for _, b := range guesses.Buildspaces {
		v.Guesses = append(v.Guesses, views.SearchName{Name: b.Name, Kind: "buildspace", URL: b.URL})
	}
	v.Guesses = append(v.Guesses, guesses.Names...)
	if len(v.Guesses) == 0 {
		v.Guesses = a.searchNames(a.Catalog.Near(name, guessed))
	}
	v.Guesses = v.Guesses[:min(len(v.Guesses), guessed)]
}

// named404 is the name in an address that was not found: what stands after the
// kind of thing.
func named404(address string) string {
	for _, kind := range []string{"/packages/", "/sources/", "/buildspaces/"} {
		if rest, ok := strings.CutPrefix(address, kind); ok {
			name, _, _ := strings.Cut(rest, "/")
			return name
		}
	}
	if strings.Count(address, "/") == 1 { // somebody wrote a name after the server's
		return strings.TrimPrefix(address, "/")
	}
	return ""
}
