package handlers

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"buildbtw"
	"buildbtw/views"
)

// headerPart is set by htmx on requests for a part of a page.
const headerPart = "HX-Request"

// wantsPart reports whether a page asks for its live part only.
func wantsPart(c *fiber.Ctx) bool { return c.Get(headerPart) == "true" }

// shell is what stands around a page.
func (a *App) shell(c *fiber.Ctx, nav views.Nav, title string) views.Shell {
	trouble := ""
	if err := a.Fit(); err != nil {
		trouble = buildbtw.MessageOf(err)
	}
	return views.Shell{
		Trouble: trouble, Title: title, Nav: nav, User: user(c), SingleUser: a.Settings.SingleUser, Version: a.Settings.Version,
		Assets: views.NewAssets(a.assets.URL), Word: a.word(c), Feed: "/feed.atom",
	}
}

// render answers with a whole page.
func (a *App) render(c *fiber.Ctx, s views.Shell, content templ.Component) error {
	c.Vary(headerPart)
	if len(c.Response().Header.Peek(fiber.HeaderCacheControl)) == 0 {
		c.Set(fiber.HeaderCacheControl, "no-cache")
	}
	return sendView(templ.WithChildren(c.UserContext(), content), c, views.Page(s))
}

// sendView writes a component as the whole answer. It is rendered into memory first,
// so that an error in the middle is answered as an error.
func sendView(ctx context.Context, c *fiber.Ctx, view templ.Component) error {
	var body bytes.Buffer
	if err := view.Render(ctx, &body); err != nil {
		return fmt.Errorf("render %s: %w", c.Path(), err)
	}
	return sendPacked(c, fiber.MIMETextHTMLCharsetUTF8, body.Bytes())
}

// sendPacked sends a body that was made in memory, compressed if that is worth it.
func sendPacked(c *fiber.Ctx, contentType string, body []byte) error {
	c.Set(fiber.HeaderContentType, contentType)
	c.Vary(fiber.HeaderAcceptEncoding)
	if len(body) < worthPacking || !c.Context().Request.Header.HasAcceptEncoding("gzip") {
		return c.Send(body)
	}
	c.Set(fiber.HeaderContentEncoding, "gzip")
	return c.Send(fasthttp.AppendGzipBytesLevel(nil, body, fasthttp.CompressBestSpeed))
}

// worthPacking is the size in bytes from which a page is compressed: smaller
// ones fit into one packet. Pages hold no secret that their size could tell.
const worthPacking = 1400

// self is the address of the request with some of its query changed; an empty
// value takes a parameter out.
func self(c *fiber.Ctx, change map[string]string) string {
	query, err := url.ParseQuery(string(c.Request().URI().QueryString()))
	if err != nil {
		query = url.Values{}
	}
	for name, value := range change {
		if value == "" {
			query.Del(name)
		} else {
			query.Set(name, value)
		}
	}
	if len(query) == 0 {
		return c.Path()
	}
	return c.Path() + "?" + query.Encode()
}

// moment is a time as a page shows it.
func (a *App) moment(t time.Time) views.Moment { return views.Moment{At: t, Now: a.Now()} }

// momentOf is moment for a time that may not have come.
func (a *App) momentOf(t *time.Time) views.Moment {
	if t == nil {
		return views.Moment{}
	}
	return a.moment(*t)
}

// param gives a part of the path as it was meant. Whoever uses it checks it.
func param(c *fiber.Ctx, name string) (string, error) {
	v, err := url.PathUnescape(c.Params(name))
	if err != nil {
		return "", buildbtw.NotFound("there is nothing at this address")
	}
	return v, nil
}
