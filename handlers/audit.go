package handlers

import (
	"log/slog"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
)

// audit records every change that somebody makes, and every one that is refused to
// somebody known: who, what, and from where. What build machines report is in the
// history of the builds, and changes of accounts and tokens are recorded with them.
func (a *App) audit(c *fiber.Ctx) error {
	err := c.Next()
	who := caller(c)
	action, object := audited(c)
	if action == "" || !who.SignedIn() || who.Role == buildbtw.RoleWorker {
		return err
	}
	e := buildbtw.AuditEntry{Actor: who.Name, Action: action, Object: object, Address: who.Address}
	switch {
	case buildbtw.KindOf(err) == buildbtw.KindForbidden && err != nil:
		e.Detail = "refused: " + buildbtw.MessageOf(err)
	case err != nil || c.Response().StatusCode() >= fiber.StatusBadRequest:
		return err // it changed nothing
	}
	if recordErr := a.Store.RecordAudit(c.UserContext(), e); recordErr != nil {
		a.Log.LogAttrs(c.UserContext(), slog.LevelError, "a change was not recorded in the audit", slog.Any("error", recordErr))
	}
	return err
}

// audited returns what a request does in words ("stop buildspace"), and to what;
// nothing for a request that changes none of the nouns of the audit. The words come
// from the route, so that a new one cannot be forgotten.
func audited(c *fiber.Ctx) (action, object string) {
	switch c.Method() {
	case fiber.MethodGet, fiber.MethodHead, fiber.MethodOptions:
		return "", ""
	}
	route := strings.Split(strings.Trim(strings.TrimPrefix(c.Route().Path, apiPrefix), "/"), "/")
	noun, known := map[string]string{"buildspaces": "buildspace", "builds": "build", "workers": "worker", "sources": "source", "retention": "retention", "base": "base repository"}[route[0]]
	last := route[len(route)-1]
	switch {
	case !known, last == "new", last == "edit" && noun == "buildspace": // the last two only show a plan
		return "", ""
	case len(route) == 1:
		created, _ := url.PathUnescape(path.Base(c.GetRespHeader(fiber.HeaderLocation)))
		return "create " + noun, created
	case last == "save", c.Method() == fiber.MethodPatch:
		action = "edit " + noun
	case last == "iterations":
		action = "new iteration of " + noun
	case strings.HasPrefix(last, ":"):
		action = strings.ToLower(c.Method()) + " " + noun
	default:
		action = last + " " + noun
	}
	for _, name := range c.Route().Params {
		if value, err := param(c, name); err == nil {
			object = value
			break
		}
	}
	if number := auditedIteration(c); noun == "buildspace" && number > 0 {
		object += "#" + strconv.Itoa(number)
	}
	return action, object
}

// auditedIteration returns the number of the iteration that a request is about: pages have it in
// the path, the API in the query. It is 0 when the request is about a whole buildspace.
func auditedIteration(c *fiber.Ctx) int {
	text := c.Query("iteration")
	if slices.Contains(c.Route().Params, "number") {
		text = c.Params("number")
	}
	number, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return number
}
