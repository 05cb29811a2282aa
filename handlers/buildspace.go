package handlers

import (
	"context"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/views"
)

// buildspaces lists buildspaces, newest first.
func (a *App) buildspaces(c *fiber.Ctx) error {
	w := watched{topics: []string{topicAll}, query: []string{"q", "source", "status", "cursor"}, seconds: 10}
	return a.renderLive(c, w, func() (*livePage, error) {
		f := views.BuildspacesFilter{Query: c.Query("q"), Source: c.Query("source"), Status: c.Query("status")}
		cursor := c.Query("cursor")
		rows, next, err := a.Store.Buildspaces(c.UserContext(), store.BuildspaceFilter{
			Status: f.Status, Source: f.Source, Query: f.Query, Cursor: cursor,
		})
		if err != nil {
			return nil, err
		}
		v := views.Buildspaces{Filter: f, CanChange: user(c).MayChange() == nil, First: firstPage(c, cursor), Next: nextPage(c, next)}
		if v.Cards, err = a.buildspaceCards(c.UserContext(), rows); err != nil {
			return nil, err
		}
		return onePart(a.shell(c, views.NavBuildspaces, "Buildspaces"), views.BuildspacesContent(v)), nil
	})
}

// firstPage returns the address of a list's beginning, or nothing if this is it.
func firstPage(c *fiber.Ctx, cursor string) string {
	if cursor == "" {
		return ""
	}
	return self(c, map[string]string{"cursor": ""})
}

// nextPage returns the address of a list's next page, or nothing if there is none.
func nextPage(c *fiber.Ctx, next string) string {
	if next == "" {
		return ""
	}
	return self(c, map[string]string{"cursor": next})
}

// newIteration requests an iteration for a packager.
func (a *App) newIteration(ctx context.Context, actor, name string) (struct{}, error) {
	return struct{}{}, a.Store.RequestIteration(ctx, actor, name, buildbtw.IterationRequested, "")
}

// changeBuildspace calls change for the buildspace that the path names, wakes the
// scheduler, and redirects to the buildspace's page.
func changeBuildspace[T any](a *App, change func(ctx context.Context, actor, name string) (T, error)) fiber.Handler {
	return func(c *fiber.Ctx) error {
		name, err := param(c, "name")
		if err != nil {
			return err
		}
		if _, err := change(c.UserContext(), user(c).Name, name); err != nil {
			return err
		}
		a.Wake()
		return seeOther(c, views.BuildspaceURL(name))
	}
}

// seeOther redirects a browser from a form that was sent to a page, so that loading
// it again sends nothing twice.
func seeOther(c *fiber.Ctx, url string) error { return c.Redirect(url, fiber.StatusSeeOther) }

// activityEvents is how many events a page of the history has.
const activityEvents = 100

// activityPage shows the history of a buildspace, newest first.
func (a *App) activityPage(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	w := watched{topics: []string{topicBuildspace(name)}, query: []string{"all", "before"}, seconds: 5}
	return a.renderLive(c, w, func() (*livePage, error) {
		row, err := a.Store.Buildspace(c.UserContext(), name)
		if err != nil {
			return nil, err
		}
		v := views.Activity{Buildspace: name, Everything: c.Query("all") != ""}
		if row.Latest != nil {
			v.Number = row.Latest.Number
			if v.Architectures, err = a.Store.Architectures(c.UserContext(), row.Latest.ID); err != nil {
				return nil, err
			}
		}
		before := c.QueryInt("before")
		if before < 0 {
			return nil, buildbtw.Invalid("%d is no event; take the address from the page before", before)
		}
		f := store.EventFilter{Buildspace: name, Before: int64(before), Limit: activityEvents, Newest: true}
		v.Toggle = self(c, map[string]string{"all": "", "before": ""})
		if !v.Everything {
			f.Without = byItself()
			v.Toggle = self(c, map[string]string{"all": "yes", "before": ""})
		}
		rows, err := a.Store.Events(c.UserContext(), f)
		if err != nil {
			return nil, err
		}
		v.Events = a.eventLines(rows, true)
		if before != 0 {
			v.Newest = self(c, map[string]string{"before": ""})
		}
		if len(rows) == activityEvents {
			v.Older = self(c, map[string]string{"before": strconv.FormatInt(rows[len(rows)-1].ID, 10)})
		}
		s := a.shell(c, views.NavBuildspaces, "Activity of "+name)
		s.Crumbs = views.BuildspaceCrumbs(name, views.Crumb{Label: "Activity"})
		return onePart(s, views.ActivityContent(v)), nil
	})
}
