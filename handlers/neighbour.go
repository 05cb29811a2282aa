package handlers

import (
	"context"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/views"
)

// neighboursPerPage is how many builds a page of one side of a build lists.
const neighboursPerPage = 200

// neighbourPage shows all of one side of a build, in parts.
func (a *App) neighbourPage(side store.Side) fiber.Handler {
	return func(c *fiber.Ctx) error {
		id, err := buildbtw.ParseBuildID(c.Params("id"))
		if err != nil {
			return err
		}
		row, err := a.Store.Build(c.UserContext(), id)
		if err != nil {
			return err
		}
		w := watched{topics: []string{topicBuildspace(row.Buildspace)}, query: []string{"status", "cursor"}, seconds: 5}
		return a.renderLive(c, w, func() (*livePage, error) { return a.neighbourLive(c, row, side) })
	}
}

func (a *App) neighbourLive(c *fiber.Ctx, row store.BuildRow, side store.Side) (*livePage, error) {
	f := store.NeighbourFilter{
		BuildID: row.ID, Side: side, Status: buildbtw.Status(c.Query("status")), Cursor: c.Query("cursor"), Limit: neighboursPerPage,
	}
	list, next, err := a.neighbours(c.UserContext(), &a.Store.Reader, f)
	if err != nil {
		return nil, err
	}
	v := views.NeighbourPage{
		Build: views.BuildDetail{BuildLink: linkOf(row.Build), Buildspace: row.Buildspace, Iteration: row.Iteration},
		List:  list, Status: f.Status, First: firstPage(c, f.Cursor), Next: nextPage(c, next),
	}
	s := a.shell(c, views.NavBuildspaces, v.Title())
	s.Crumbs = views.IterationCrumbs(row.Buildspace, row.Iteration,
		views.Crumb{Label: v.Build.Name(), URL: views.BuildURL(row.ID)}, views.Crumb{Label: v.List.Title})
	return onePart(s, views.NeighbourContent(v)), nil
}

// neighbours lists a part of one side of a build.
func (a *App) neighbours(ctx context.Context, db *store.Reader, f store.NeighbourFilter) (list views.NeighbourList, next string, err error) {
	list = views.NeighbourList{
		ID: "h-" + string(f.Side), Title: sideTitle(f.Side), URL: views.BuildURL(f.BuildID) + "/" + string(f.Side),
	}
	page, err := db.Neighbours(ctx, f)
	list.Counts = page.Counts
	for _, n := range page.Rows {
		list.Lines = append(list.Lines, views.NeighbourLine{BuildLink: buildLink(n.BuildRef), Kinds: n.Kinds.Names(), Through: n.Through})
	}
	return list, page.Next, err
}

func sideTitle(side store.Side) string {
	if side == store.SideDependencies {
		return "Dependencies in this iteration"
	}
	return "Builds that need it"
}
