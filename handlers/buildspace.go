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
// scheduler, and redirects to the buildspace's page, which begins with a word about the
// result.
func changeBuildspace[T any](a *App, change func(ctx context.Context, actor, name string) (T, error), word func(name string, result T) views.Word) fiber.Handler {
	return func(c *fiber.Ctx) error {
		name, err := param(c, "name")
		if err != nil {
			return err
		}
		result, err := change(c.UserContext(), user(c).Name, name)
		if err != nil {
			return err
		}
		a.Wake()
		return a.seeOtherWith(c, views.BuildspaceURL(name), word(name, result))
	}
}

// seeOther redirects a browser from a form that was sent to a page, so that loading
// it again sends nothing twice.
func seeOther(c *fiber.Ctx, url string) error { return c.Redirect(url, fiber.StatusSeeOther) }
