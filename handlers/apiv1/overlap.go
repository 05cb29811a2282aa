package apiv1

import (
	"context"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/catalog"
	"buildbtw/store"
)

// listedShared bounds the pkgbases that are listed for two buildspaces; the total counts all.
const listedShared = 200

func (a *API) overlapRoutes() []route {
	return []route{
		{
			method: "GET", path: "/overlaps", summary: "What open buildspaces have in common, and what has moved since they were planned",
			may: buildbtw.User.MayRead, handler: a.allOverlaps, answer: api.Page[api.Overlaps]{}, query: paged(),
		},
		{
			method: "GET", path: "/buildspaces/{name}/overlaps", summary: "What a buildspace has in common with other open ones, and what releasing one takes from the other",
			may: buildbtw.User.MayRead, handler: a.overlaps, answer: api.Overlaps{},
		},
		{
			method: "POST", path: "/buildspaces/{name}/rebase", summary: "Ask for an iteration on what has moved since the latest one was planned",
			may: buildbtw.User.MayChange, handler: a.rebase, answer: api.Buildspace{}, status: fiber.StatusAccepted,
		},
		{
			method: "POST", path: "/buildspaces/{name}/merge", summary: "Take the changesets of another buildspace over, which is stopped; 409 when both change a source at different refs",
			may: buildbtw.User.MayChange, handler: a.merge, body: api.Merge{}, answer: api.Buildspace{},
		},
	}
}

func (a *API) allOverlaps(c *fiber.Ctx) error {
	all, err := a.Catalog.AllOverlaps(c.UserContext())
	if err != nil {
		return err
	}
	rows := list(all, func(o catalog.Overlaps) api.Overlaps {
		return a.wireOverlaps(o, list(o.With, func(x catalog.Overlap) catalog.Conflict { return catalog.Conflict{Overlap: x} }))
	})
	page, err := cut(c, rows, func(o api.Overlaps) string { return o.Buildspace })
	if err != nil {
		return err
	}
	return send(c, page)
}

func (a *API) overlaps(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	o, conflicts, err := a.Catalog.Conflicts(c.UserContext(), name)
	if err != nil {
		return err
	}
	return send(c, a.wireOverlaps(o, conflicts))
}

func (a *API) wireOverlaps(o catalog.Overlaps, conflicts []catalog.Conflict) api.Overlaps {
	return api.Overlaps{
		Buildspace: o.Buildspace, Iteration: o.Iteration, Stale: names(o.Stale), URL: a.page("buildspaces", o.Buildspace, "overlaps"),
		With: list(conflicts, func(x catalog.Conflict) api.Overlap {
			return api.Overlap{
				Buildspace: x.Buildspace, Iteration: x.Iteration, Total: len(x.Shared), Words: x.Words(o.Buildspace),
				Shared: list(x.Shared[:min(len(x.Shared), listedShared)], func(s catalog.Shared) api.SharedPackage { return api.SharedPackage(s) }),
				Exact:  x.Exact, Goes: x.Goes, Loses: x.Loses, OtherGoes: x.OtherGoes, OtherLoses: x.OtherLose, Unknown: x.Unknown,
			}
		}),
		Behind: list(o.Behind, func(b catalog.Behind) api.BehindChangeset {
			return api.BehindChangeset{Changeset: b.Changeset.String(), Commits: b.Commits, Words: b.Words()}
		}),
		Outdated: list(o.Outdated, func(b catalog.Outdated) api.OutdatedBuild { return api.OutdatedBuild(b) }),
	}
}

func (a *API) rebase(c *fiber.Ctx) error {
	return a.regroup(c, fiber.StatusAccepted, a.Catalog.Rebase)
}

func (a *API) merge(c *fiber.Ctx) error {
	m, err := decode[api.Merge](c)
	if err != nil {
		return err
	}
	return a.regroup(c, fiber.StatusOK, func(ctx context.Context, u buildbtw.User, name string) (store.BuildspaceRow, error) {
		return a.Catalog.Merge(ctx, u, name, m.With)
	})
}

// regroup calls change for the buildspace that the path names, and answers with it.
func (a *API) regroup(c *fiber.Ctx, status int, change func(context.Context, buildbtw.User, string) (store.BuildspaceRow, error)) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	row, err := change(c.UserContext(), a.User(c), name)
	if err != nil {
		return err
	}
	a.Wake()
	c.Status(status)
	return send(c, a.wireBuildspace(row))
}
