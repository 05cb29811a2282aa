package apiv1

import (
	"context"
	"io"
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw/api"
)

// sources lists the sources at their base ref; those that cannot be planned say
// why.
func (a *API) sources(c *fiber.Ctx) error {
	broken, err := flag(c, "broken")
	if err != nil {
		return err
	}
	all, err := a.Catalog.Sources(c.UserContext())
	if err != nil {
		return err
	}
	part := strings.ToLower(c.Query("q"))
	chosen := make([]api.Source, 0, len(all))
	for _, s := range all {
		if (!broken || s.Error != "") && strings.Contains(strings.ToLower(s.Slug), part) {
			chosen = append(chosen, s)
		}
	}
	page, err := cut(c, chosen, func(s api.Source) string { return s.Slug })
	if err != nil {
		return err
	}
	return send(c, page)
}

// mirror says how mirroring the sources stands.
func (a *API) mirror(c *fiber.Ctx) error {
	all, err := a.Catalog.Sources(c.UserContext())
	if err != nil {
		return err
	}
	m := api.Mirror{Roots: list(a.Catalog.Roots(c.UserContext()), wireRoot), Sources: len(all)}
	for _, s := range all {
		if s.Error != "" {
			m.Broken++
		}
	}
	return send(c, m)
}

func wireRoot(r api.Root) api.Root {
	r.Synced = r.Synced.UTC()
	return r
}

// buildSource streams the tree that a build is made from, for those who want to
// do it again.
func (a *API) buildSource(c *fiber.Ctx) error {
	id, err := buildID(c)
	if err != nil {
		return err
	}
	row, err := a.Store.Build(c.UserContext(), id)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentDisposition, `attachment; filename="`+row.Source+`.tar"`)
	return a.sendTree(c, row.Commit)
}

// sendTree streams the tree of a commit as a tar.
func (a *API) sendTree(c *fiber.Ctx, commit string) error {
	return a.stream(c, "application/x-tar", func(ctx context.Context, w io.Writer) error {
		return a.Sources.Archive(ctx, commit, w)
	})
}
