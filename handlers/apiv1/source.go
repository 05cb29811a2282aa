package apiv1

import (
	"context"
	"io"
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw/api"
	"buildbtw/catalog"
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
	chosen := make([]catalog.Source, 0, len(all))
	for _, s := range all {
		if (!broken || s.Error != "") && strings.Contains(strings.ToLower(s.Slug), part) {
			chosen = append(chosen, s)
		}
	}
	page, err := cut(c, chosen, func(s catalog.Source) string { return s.Slug })
	if err != nil {
		return err
	}
	return send(c, api.Page[api.Source]{Items: list(page.Items, wireSource), Cursor: page.Cursor})
}

// mirror says how mirroring the sources stands.
func (a *API) mirror(c *fiber.Ctx) error {
	all, err := a.Catalog.Sources(c.UserContext())
	if err != nil {
		return err
	}
	m := api.Mirror{Roots: list(a.Catalog.Roots(), wireRoot), Sources: len(all)}
	for _, s := range all {
		if s.Error != "" {
			m.Broken++
		}
	}
	return send(c, m)
}

func wireSource(s catalog.Source) api.Source { return api.Source(s) }

func wireRoot(r catalog.Root) api.Root {
	return api.Root{Name: r.Name, Synced: r.Synced.UTC(), Seconds: r.Took.Seconds(), Sources: r.Sources, Broken: r.Broken, Error: r.Error}
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
