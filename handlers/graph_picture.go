package handlers

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"buildbtw/handlers/transfer"
	"buildbtw/internal/graphview"
	"buildbtw/views"
)

// graphPicture gives a part of the graph with places for everything, for a
// script to draw. The whole graph never changes: under an address with its tag
// it may be kept.
func (a *App) graphPicture(c *fiber.Ctx) error {
	g, err := a.askGraph(c, true)
	if err != nil {
		return err
	}
	v := a.graphView(g)
	r := graphRequest(c)
	if r.Mode == graphview.ModeAll && !r.Collapse {
		return a.wholePicture(c, g, v.Tag())
	}
	p, err := a.chosenPicture(g, &v, r)
	if err != nil {
		return err
	}
	body, err := g.EncodePicture(p)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderCacheControl, "no-cache")
	return sendPacked(c, fiber.MIMEApplicationJSON, body)
}

func (a *App) wholePicture(c *fiber.Ctx, g askedGraph, tag string) error {
	quoted := `"` + tag + `"`
	c.Set(fiber.HeaderETag, quoted)
	c.Set(fiber.HeaderCacheControl, "no-cache")
	if c.Query("tag") == tag {
		c.Set(fiber.HeaderCacheControl, "private, max-age=31536000, immutable")
	}
	c.Vary(fiber.HeaderAcceptEncoding)
	if transfer.Matches(c.Get(fiber.HeaderIfNoneMatch), quoted) {
		return c.SendStatus(fiber.StatusNotModified)
	}
	packed, err := g.shown.packedWhole(g.seenState, a.graphs.layouts.New)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	if c.Context().Request.Header.HasAcceptEncoding("gzip") {
		c.Set(fiber.HeaderContentEncoding, "gzip")
		return c.Send(packed)
	}
	plain, err := fasthttp.AppendGunzipBytes(nil, packed)
	if err != nil {
		return fmt.Errorf("unpack a picture: %w", err)
	}
	return c.Send(plain)
}

// chosenPicture is the picture that a request wants, however large.
func (a *App) chosenPicture(g askedGraph, v *views.Graph, r views.GraphRequest) (*graphview.Picture, error) {
	v.Choose(g.State, r)
	return g.Picture(v.View, a.graphs.layouts.New)
}

// graphSVG gives a picture as a file.
func (a *App) graphSVG(c *fiber.Ctx) error {
	return a.graphFile(c, ".svg", "image/svg+xml", func(out *bytes.Buffer, g askedGraph, p *graphview.Picture) error {
		return views.GraphFile(g.State, p).Render(c.UserContext(), out)
	})
}

// graphDOT gives a picture as Graphviz reads it.
func (a *App) graphDOT(c *fiber.Ctx) error {
	return a.graphFile(c, ".dot", "text/vnd.graphviz; charset=utf-8", func(out *bytes.Buffer, g askedGraph, p *graphview.Picture) error {
		return g.WriteDOT(out, p, g.row.Buildspace)
	})
}

func (a *App) graphFile(c *fiber.Ctx, ending, kind string, write func(*bytes.Buffer, askedGraph, *graphview.Picture) error) error {
	g, err := a.askGraph(c, false)
	if err != nil {
		return err
	}
	v := a.graphView(g)
	p, err := a.chosenPicture(g, &v, graphRequest(c))
	if err != nil {
		return err
	}
	var body bytes.Buffer
	if err := write(&body, g, p); err != nil {
		return fmt.Errorf("write the graph of %s as %s: %w", g.row.Buildspace, strings.TrimPrefix(ending, "."), err)
	}
	c.Attachment(fmt.Sprintf("%s-%d-%s%s", g.row.Buildspace, g.row.Number, g.arch, ending))
	c.Set(fiber.HeaderCacheControl, "no-cache")
	return sendPacked(c, kind, body.Bytes())
}
