package handlers

import (
	"errors"
	"strings"
	"syscall"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
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
	}
	if r.status == fiber.StatusServiceUnavailable {
		c.Set(fiber.HeaderRetryAfter, "5")
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
	return path == apiPrefix || strings.HasPrefix(path, apiPrefix+"/") || strings.HasPrefix(path, "/repo/")
}
