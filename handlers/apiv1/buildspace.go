package apiv1

import (
	"context"
	"net/url"
	"strings"

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
	r, err := decode[api.NewBuildspace](c)
	if err != nil {
		return err
	}
	row, err := a.Create(c.UserContext(), a.User(c), r)
	if err != nil {
		return err
	}
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
	row, err := a.Edit(c.UserContext(), a.User(c), name, r)
	if err != nil {
		return err
	}
	return send(c, a.wireBuildspace(row))
}

// Edit changes a buildspace for the JSON API and for the page. Everything is
// checked before anything is changed.
func (a *API) Edit(ctx context.Context, u buildbtw.User, name string, r api.EditBuildspace) (store.BuildspaceRow, error) {
	row, err := a.Store.Buildspace(ctx, name)
	if err != nil {
		return row, err
	}
	turn, err := a.turn(r.Status)
	if err != nil {
		return row, err
	}
	edit, err := a.edit(ctx, row, r)
	if err != nil {
		return row, err
	}
	if edit.Settings != nil || edit.Changesets != nil {
		if row, err = a.Store.EditBuildspace(ctx, u.Name, name, edit); err != nil {
			return row, err
		}
	}
	if turn != nil {
		row, err = turn(ctx, u.Name, name)
	}
	a.Wake()
	return row, err
}

// turn gives the store's way to a status; nil when none is asked for.
func (a *API) turn(to *buildbtw.BuildspaceStatus) (func(ctx context.Context, actor, name string) (store.BuildspaceRow, error), error) {
	switch {
	case to == nil:
		return nil, nil
	case *to == buildbtw.BuildspaceActive:
		return a.Store.StartBuildspace, nil
	case *to == buildbtw.BuildspaceStopped:
		return a.Store.StopBuildspace, nil
	}
	return nil, buildbtw.Invalid("unknown status %q; choose active or stopped", *to)
}

// edit turns a request into what the store shall change.
func (a *API) edit(ctx context.Context, row store.BuildspaceRow, r api.EditBuildspace) (store.Edit, error) {
	var e store.Edit
	if r.Settings != (api.Settings{}) {
		s, err := a.settings(row.Settings, r.Settings)
		if err != nil {
			return e, err
		}
		e.Settings = &s
	}
	if r.Changesets == nil {
		return e, nil
	}
	changesets, err := buildbtw.ParseChangesets(*r.Changesets)
	if err != nil {
		return e, err
	}
	for _, cs := range changesets {
		if _, err := a.Catalog.Resolve(ctx, cs); err != nil {
			return e, err
		}
	}
	e.Changesets = &changesets
	return e, nil
}

func (a *API) retryBuildspace(c *fiber.Ctx) error  { return a.changeBuilds(c, a.Store.RetryFailed) }
func (a *API) cancelBuildspace(c *fiber.Ctx) error { return a.changeBuilds(c, a.Store.CancelBuilds) }

// changeBuilds does something to many builds of a buildspace and says to how
// many.
func (a *API) changeBuilds(c *fiber.Ctx, change func(ctx context.Context, actor, buildspace string) (int, error)) error {
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

// wireBuildspace gives the JSON form of a buildspace.
func (a *API) wireBuildspace(row store.BuildspaceRow) api.Buildspace {
	w := api.Buildspace{
		Name: row.Name, Status: row.Status, Scope: row.Scope, Cycles: row.Cycles, Priority: row.Priority,
		FollowAll: row.FollowAll, Makedepends: row.Makedepends, Reuse: row.Reuse, CutOff: row.CutOff,
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

// page gives the full URL of a page for people.
func (a *API) page(parts ...string) string {
	return a.Settings.ServerURL + "/" + strings.Join(list(parts, url.PathEscape), "/")
}

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
