package apiv1

import (
	"context"
	"net/url"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/store"
)

func (a *API) buildspaces(c *fiber.Ctx) error {
	n, err := limit(c)
	if err != nil {
		return err
	}
	status := c.Query("status")
	if status != "" && status != string(buildbtw.BuildspaceActive) && status != string(buildbtw.BuildspaceStopped) {
		return buildbtw.Invalid("status=%.40q is none; choose active or stopped", status)
	}
	rows, next, err := a.Store.Buildspaces(c.UserContext(), store.BuildspaceFilter{
		Status: status, Source: c.Query("source"), Query: c.Query("q"), Cursor: c.Query("cursor"), Limit: n,
	})
	if err != nil {
		return err
	}
	return send(c, api.Page[api.Buildspace]{Items: list(rows, a.wireBuildspace), Cursor: next})
}

func (a *API) buildspace(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	row, err := a.Store.Buildspace(c.UserContext(), name)
	if err != nil {
		return err
	}
	return send(c, a.wireBuildspace(row))
}

func (a *API) createBuildspace(c *fiber.Ctx) error {
	if err := a.Fit(); err != nil {
		return err
	}
	r, err := decode[api.NewBuildspace](c)
	if err != nil {
		return err
	}
	changesets, settings, err := wanted(api.PlanRequest{Changesets: r.Changesets, Settings: r.Settings})
	if err != nil {
		return err
	}
	n := buildbtw.NewBuildspace{Name: r.Name, Changesets: changesets, Settings: settings, Confirm: r.Confirm}
	row, err := a.Catalog.Create(c.UserContext(), a.User(c), n)
	if err != nil {
		return err
	}
	a.Wake()
	c.Status(fiber.StatusCreated)
	c.Location(api.Prefix + "/buildspaces/" + url.PathEscape(row.Name))
	return send(c, a.wireBuildspace(row))
}

func (a *API) editBuildspace(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	r, err := decode[api.EditBuildspace](c)
	if err != nil {
		return err
	}
	e := buildbtw.EditBuildspace{Status: r.Status}
	if r.Settings != (api.Settings{}) {
		e.Settings = r.Apply
	}
	if r.Changesets != nil {
		changesets, err := buildbtw.ParseChangesets(*r.Changesets)
		if err != nil {
			return err
		}
		e.Changesets = &changesets
	}
	row, err := a.Catalog.Edit(c.UserContext(), a.User(c), name, e)
	if err != nil {
		return err
	}
	a.Wake()
	return send(c, a.wireBuildspace(row))
}

// changeBuilds calls change for the buildspace that the path names, and answers with
// the number of builds that it changed.
func (a *API) changeBuilds(change func(ctx context.Context, actor, buildspace string) (int, error)) fiber.Handler {
	return func(c *fiber.Ctx) error {
		name, err := param(c, "name")
		if err != nil {
			return err
		}
		n, err := change(c.UserContext(), a.User(c).Name, name)
		if err != nil {
			return err
		}
		a.Wake()
		return send(c, api.Count{Builds: n})
	}
}

// wireBuildspace returns the JSON form of a buildspace.
func (a *API) wireBuildspace(row store.BuildspaceRow) api.Buildspace {
	w := api.Buildspace{
		Name: row.Name, Status: row.Status, Scope: row.Scope, Cycles: row.Cycles, Priority: row.Priority,
		FollowAll: row.FollowAll, FollowFixes: row.FollowFixes, Makedepends: row.Makedepends, Reuse: row.Reuse, CutOff: row.CutOff, Bump: row.Bump, Baseline: row.Baseline,
		Architectures: names(row.Architectures), Exclude: names(row.Exclude), Add: names(row.Add),
		Changesets: list(row.Changesets, buildbtw.Changeset.String),
		CreatedBy:  row.CreatedBy, CreatedAt: row.CreatedAt.UTC(),
		URL: a.page("buildspaces", row.Name),
	}
	if row.Latest != nil {
		it := a.wireIteration(*row.Latest)
		w.Latest = &it
	}
	return w
}

// page returns the full URL of a page for people.
func (a *API) page(parts ...string) string { return a.Settings.URL(parts...) }

// list converts a list; the result is never null in JSON.
func list[From, To any](from []From, convert func(From) To) []To {
	to := make([]To, 0, len(from))
	for _, f := range from {
		to = append(to, convert(f))
	}
	return to
}

// names copies a list of names; the result is never null in JSON.
func names(n []string) []string { return append([]string{}, n...) }
