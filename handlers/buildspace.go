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
	w := watched{topics: []string{topicAll}, query: []string{"q", "source", "status", "cursor"}, seconds: 10}
	return a.renderLive(c, w, func() (*livePage, error) { return a.buildspacesLive(c) })
}

func (a *App) buildspacesLive(c *fiber.Ctx) (*livePage, error) {
	f := views.BuildspacesFilter{Query: c.Query("q"), Source: c.Query("source"), Status: c.Query("status")}
	cursor := c.Query("cursor")
	rows, next, err := a.Store.Buildspaces(c.UserContext(), store.BuildspaceFilter{
		Status: f.Status, Source: f.Source, Query: f.Query, Cursor: cursor,
	})
	if err != nil {
		return nil, err
	}
	v := views.Buildspaces{Filter: f, CanChange: user(c).MayChange() == nil, First: firstPage(c, cursor), Next: nextPage(c, next)}
	for _, row := range rows {
		v.Cards = append(v.Cards, a.buildspaceCard(row))
	}
	return onePart(a.shell(c, views.NavBuildspaces, "Buildspaces"), views.BuildspacesContent(v)), nil
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

// newIteration asks for an iteration by hand.
func (a *App) newIteration(ctx context.Context, actor, name string) (struct{}, error) {
	return struct{}{}, a.Store.RequestIteration(ctx, actor, name, buildbtw.IterationRequested, "")
}

// changeBuildspace does something to the buildspace that the path names, wakes
// the scheduler, and leads back to the page.
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

// seeOther leads a browser from a form that was sent to a page, so that loading
// again sends nothing twice.
func seeOther(c *fiber.Ctx, url string) error { return c.Redirect(url, fiber.StatusSeeOther) }
