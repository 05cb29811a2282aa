package handlers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
)

// requestTime bounds what one request may work. Long polls, streams and uploads
// set their own, in apiv1.
const requestTime = 30 * time.Second

// observe wraps a whole request: it gives it an id, answers its error, and
// writes the one line of the access log.
func (a *App) observe(c *fiber.Ctx) error {
	began := a.Now()
	id := rand.Text()[:12]
	c.Set(fiber.HeaderXRequestID, id)
	err := c.Next()
	if err != nil {
		if failed := a.answerError(c, err); failed != nil {
			err = errors.Join(err, fmt.Errorf("answer with an error: %w", failed))
			c.Status(fiber.StatusInternalServerError).Response().SetBodyString("Internal server error\n")
		}
	}
	took := a.Now().Sub(began)
	a.metrics.count(c, took)
	a.logRequest(c, err, slog.Duration("took", took), slog.String("id", id))
	return nil
}

// logRequest writes a line for every request, and the error where it is the
// server's own.
func (a *App) logRequest(c *fiber.Ctx, err error, more ...slog.Attr) {
	status := c.Response().StatusCode()
	attrs := append([]slog.Attr{
		slog.String("method", c.Method()), slog.String("path", loggedPath(c.Path())), slog.Int("status", status),
	}, more...)
	level := slog.LevelInfo
	switch {
	case status == fiber.StatusServiceUnavailable: // passes by itself, as while sources are first read
		level = slog.LevelWarn
	case status >= fiber.StatusInternalServerError:
		level = slog.LevelError
	}
	if worthLogging(err) {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	a.Log.LogAttrs(c.UserContext(), level, "request", attrs...)
}

// worthLogging leaves out what the status says already. Fiber's own words repeat
// the address, which may hold a lease.
func worthLogging(err error) bool {
	var fromFiber *fiber.Error
	return err != nil && !errors.As(err, &fromFiber)
}

// leases is the path below which every address begins with a secret.
const leases = apiPrefix + "/worker/leases/"

// loggedPath is the path without query and without the secret that a lease is.
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

// contentPolicy lets a page use what this server gives and nothing else.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; worker-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func secureHeaders(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentSecurityPolicy, contentPolicy)
	c.Set(fiber.HeaderReferrerPolicy, "same-origin")
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	return c.Next()
}

// deadline gives the request a context that ends, for everything that it calls.
func deadline(c *fiber.Ctx) error {
	ctx, cancel := context.WithTimeout(context.Background(), requestTime)
	defer cancel()
	c.SetUserContext(ctx)
	return c.Next()
}
