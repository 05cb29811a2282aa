package handlers

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/views"
)

// activityEvents is how many events a page of the history has; builds that changed alike
// are one line of it.
const activityEvents = 500

// activityPage shows the history of all, newest first.
func (a *App) activityPage(c *fiber.Ctx) error {
	w := watched{topics: []string{topicAll}, query: []string{"kind", "person", "buildspace", "before"}, seconds: 5}
	return a.renderLive(c, w, func() (*livePage, error) {
		v := views.Activity{Filter: views.ActivityFilter{Buildspace: strings.TrimSpace(c.Query("buildspace"))}, Feed: "/feed.atom"}
		return a.activity(c, views.NavHome, v)
	})
}

// buildspaceActivityPage shows the history of a buildspace, newest first.
func (a *App) buildspaceActivityPage(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	w := watched{topics: []string{topicBuildspace(name)}, query: []string{"kind", "person", "before"}, seconds: 5}
	return a.renderLive(c, w, func() (*livePage, error) {
		row, err := a.Store.Buildspace(c.UserContext(), name)
		if err != nil {
			return nil, err
		}
		v := views.Activity{Buildspace: name, Feed: views.BuildspaceURL(name, "feed.atom")}
		if row.Latest != nil {
			v.Number = row.Latest.Number
			if v.Architectures, err = a.Store.Architectures(c.UserContext(), row.Latest.ID); err != nil {
				return nil, err
			}
		}
		return a.activity(c, views.NavBuildspaces, v)
	})
}

// activity reads the events that a page of the history shows.
func (a *App) activity(c *fiber.Ctx, nav views.Nav, v views.Activity) (*livePage, error) {
	v.Filter.Kind, v.Filter.Person, v.Base = c.Query("kind"), strings.TrimSpace(c.Query("person")), c.Path()
	before := c.QueryInt("before")
	if before < 0 {
		return nil, buildbtw.Invalid("%d is no event; take the address from the page before", before)
	}
	chosen := v.Filter
	if v.Buildspace != "" {
		chosen.Buildspace = v.Buildspace
	}
	f, err := store.EventFilter{Buildspace: chosen.Buildspace, Actor: chosen.Person, Newest: true}.OfKind(cmp.Or(chosen.Kind, "matters"))
	if err != nil {
		return nil, err
	}
	f.Before, f.Limit = int64(before), activityEvents
	rows, err := a.Store.Events(c.UserContext(), f)
	if err != nil {
		return nil, err
	}
	lines := a.eventLines(rows, true)
	if err := a.addEventCommits(c.UserContext(), &a.Store.Reader, rows, lines); err != nil {
		return nil, err
	}
	v.Days = views.ActivityDays(lines, a.Now().Location())
	if before != 0 {
		v.Newest = self(c, map[string]string{"before": ""})
	}
	if len(rows) == activityEvents {
		v.Older = self(c, map[string]string{"before": strconv.FormatInt(rows[len(rows)-1].ID, 10)})
	}
	s := a.shell(c, nav, v.Title())
	s.Feed = v.Feed
	s.Crumbs = []views.Crumb{{Label: "Activity"}}
	if v.Buildspace != "" {
		s.Crumbs = views.BuildspaceCrumbs(v.Buildspace, views.Crumb{Label: "Activity"})
	}
	return onePart(s, views.ActivityContent(v)), nil
}
