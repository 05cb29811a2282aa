package handlers

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/handlers/transfer"
)

// asset sends a built style, script or icon. Its name changes with its contents,
// so browsers keep it for a year without asking.
func (a *App) asset(c *fiber.Ctx) error {
	asset, ok := a.assets.File(c.Params("file"))
	if !ok {
		return buildbtw.NotFound("there is no such file; load the page again to get the current ones")
	}
	c.Set(fiber.HeaderCacheControl, "public, max-age=31536000, immutable")
	tag := `"` + asset.Name + `"`
	c.Set(fiber.HeaderETag, tag)
	c.Vary(fiber.HeaderAcceptEncoding)
	if transfer.Matches(c.Get(fiber.HeaderIfNoneMatch), tag) {
		return c.SendStatus(fiber.StatusNotModified)
	}
	c.Set(fiber.HeaderContentType, asset.ContentType)
	if strings.Contains(c.Get(fiber.HeaderAcceptEncoding), "gzip") {
		c.Set(fiber.HeaderContentEncoding, "gzip")
		return c.Send(asset.Gzip)
	}
	return c.Send(asset.Body)
}

// favicon is where browsers look that have not read the page.
func (a *App) favicon(c *fiber.Ctx) error {
	return c.Redirect(a.assets.URL("icon.svg"), fiber.StatusFound)
}
