package handlers

import (
	"strconv"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/views"
)

// activityEvents is how many events a page of the history has.
const activityEvents = 100

// activityPage shows the history of a buildspace, newest first.
func (a *App) activityPage(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	w := watched{topics: []string{topicBuildspace(name)}, query: []string{"all", "before"}, seconds: 5}
	return a.renderLive(c, w, func() (*livePage, error) { return a.activityLive(c, name) })
}

func (a *App) activityLive(c *fiber.Ctx, name string) (*livePage, error) {
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
	if err := a.addActivity(c, &v); err != nil {
		return nil, err
	}
	s := a.shell(c, views.NavBuildspaces, "Activity of "+name)
	s.Crumbs = views.BuildspaceCrumbs(name, views.Crumb{Label: "Activity"})
	return onePart(s, views.ActivityContent(v)), nil
}

func (a *App) addActivity(c *fiber.Ctx, v *views.Activity) error {
	before := c.QueryInt("before")
	if before < 0 {
		return buildbtw.Invalid("%d is no event; take the address from the page before", before)
	}
	f := store.EventFilter{Buildspace: v.Buildspace, Before: int64(before), Limit: activityEvents, Newest: true}
	v.Toggle = self(c, map[string]string{"all": "", "before": ""})
	if !v.Everything {
		f.Without = byItself()
		v.Toggle = self(c, map[string]string{"all": "yes", "before": ""})
	}
	rows, err := a.Store.Events(c.UserContext(), f)
	if err != nil {
		return err
	}
	v.Events = a.eventLines(rows, true)
	if before != 0 {
		v.Newest = self(c, map[string]string{"before": ""})
	}
	if len(rows) == activityEvents {
		v.Older = self(c, map[string]string{"before": strconv.FormatInt(rows[len(rows)-1].ID, 10)})
	}
	return nil
}
