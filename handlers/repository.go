package handlers

import (
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/handlers/transfer"
)

// repositoryFile serves a pacman repository: databases and packages, fresh after
// every publication, with what pacman and curl need to resume and to skip.
func (a *App) repositoryFile(c *fiber.Ctx) error {
	repository, err1 := url.PathUnescape(c.Params("repository"))
	architecture, err2 := url.PathUnescape(c.Params("architecture"))
	file, err3 := url.PathUnescape(c.Params("file")) // ':' of an epoch comes as %3A from some clients
	if err1 != nil || err2 != nil || err3 != nil {
		return buildbtw.Invalid("the address is not properly escaped")
	}
	path, err := a.Repos.Path(repository, architecture, file)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderCacheControl, "no-cache")
	return transfer.SendFile(c, path, repositoryType(file))
}

// repositoryType keeps browsers from showing a file or unpacking it on the way.
func repositoryType(file string) string {
	if strings.HasSuffix(file, ".sig") {
		return "application/pgp-signature"
	}
	return fiber.MIMEOctetStream
}
