package apiv1

import (
	"context"
	"io"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
)

func (a *API) bundleRoutes() []route {
	return []route{{
		method: "GET", path: "/builds/{id}/commit.bundle", summary: "The commit with the higher pkgrel that a build was made from, as a git bundle on top of its source's commit; 409 when it was built from that one itself",
		may: buildbtw.User.MayRead, handler: a.commitBundle, media: "application/x-git-bundle",
	}}
}

func (a *API) commitBundle(c *fiber.Ctx) error {
	id, err := buildID(c)
	if err != nil {
		return err
	}
	row, err := a.Store.Build(c.UserContext(), id)
	if err != nil {
		return err
	}
	if row.SourceCommit == "" {
		return buildbtw.Conflict("%s was built from a commit of its source; fetch %s from there", row.Pkgbase, row.Commit)
	}
	c.Set(fiber.HeaderContentDisposition, `attachment; filename="`+row.Source+`.bundle"`)
	return a.stream(c, "application/x-git-bundle", func(ctx context.Context, w io.Writer) error {
		return a.Sources.Bundle(ctx, row.Commit, row.SourceCommit, w)
	})
}
