package handlers

import (
	"context"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/views"
)

// buildspaces lists buildspaces, newest first.
func (a *App) buildspaces(c *fiber.Ctx) error {
	f := views.BuildspacesFilter{Query: c.Query("q"), Source: c.Query("source"), Status: c.Query("status")}
	cursor := c.Query("cursor")
	event, err := a.lastEvent(c, "")
	if err != nil {
		return err
	}
	if a.unchanged(c, event) {
		return notModified(c)
	}
	rows, next, err := a.Store.Buildspaces(c.UserContext(), store.BuildspaceFilter{
		Status: f.Status, Source: f.Source, Query: f.Query, Cursor: cursor,
	})
	if err != nil {
		return err
	}
	v := views.Buildspaces{Filter: f, CanChange: user(c).MayChange() == nil, First: firstPage(c, cursor), Next: nextPage(c, next)}
	for _, row := range rows {
		v.Cards = append(v.Cards, a.buildspaceCard(row))
	}
	s := a.shell(c, views.NavBuildspaces, "Buildspaces")
	s.Live = live(c, 10)
	return a.render(c, s, views.BuildspacesContent(v))
}

// firstPage leads back to the beginning of a list, unless this is it.
func firstPage(c *fiber.Ctx, cursor string) string {
	if cursor == "" {
		return ""
	}
	return self(c, map[string]string{"cursor": ""})
}

// nextPage leads to the next part of a list, unless there is none.
func nextPage(c *fiber.Ctx, next string) string {
	if next == "" {
		return ""
	}
	return self(c, map[string]string{"cursor": next})
}

func (a *App) stopBuildspace(c *fiber.Ctx) error { return a.turn(c, a.Store.StopBuildspace) }

func (a *App) startBuildspace(c *fiber.Ctx) error { return a.turn(c, a.Store.StartBuildspace) }

func (a *App) turn(c *fiber.Ctx, to func(ctx context.Context, actor, name string) (store.BuildspaceRow, error)) error {
	return a.changeBuildspace(c, func(name string) error {
		_, err := to(c.UserContext(), user(c).Name, name)
		return err
	})
}

// retryFailed makes every failed build of the latest iteration pending again.
func (a *App) retryFailed(c *fiber.Ctx) error {
	return a.changeBuildspace(c, func(name string) error {
		_, err := a.Store.RetryFailed(c.UserContext(), user(c).Name, name)
		return err
	})
}

// cancelBuilds ends and skips what is not done of the latest iteration.
func (a *App) cancelBuilds(c *fiber.Ctx) error {
	return a.changeBuildspace(c, func(name string) error {
		_, err := a.Store.CancelBuilds(c.UserContext(), user(c).Name, name)
		return err
	})
}

// newIteration asks for an iteration by hand.
func (a *App) newIteration(c *fiber.Ctx) error {
	return a.changeBuildspace(c, func(name string) error {
		return a.Store.RequestIteration(c.UserContext(), user(c).Name, name, buildbtw.IterationRequested, "")
	})
}

// changeBuildspace does something to the buildspace that the path names, wakes
// the scheduler, and leads back to the page.
func (a *App) changeBuildspace(c *fiber.Ctx, change func(name string) error) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	if err := change(name); err != nil {
		return err
	}
	a.wake()
	return seeOther(c, views.BuildspaceURL(name))
}

// wake tells the scheduler, and the pages, that a person changed something.
func (a *App) wake() {
	a.parts.forget()
	a.Wake()
}

// seeOther leads a browser from a form that was sent to a page, so that loading
// again sends nothing twice.
func seeOther(c *fiber.Ctx, url string) error { return c.Redirect(url, fiber.StatusSeeOther) }
