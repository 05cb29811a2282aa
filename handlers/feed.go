package handlers

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/handlers/transfer"
	"buildbtw/store"
	"buildbtw/views"
)

const (
	feedEntries = 50
	mimeAtom    = "application/atom+xml; charset=utf-8"
	mimeSVG     = "image/svg+xml; charset=utf-8"
)

// buildspaceFeed answers with an Atom feed (RFC 4287) of a buildspace's events.
func (a *App) buildspaceFeed(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	row, err := a.Store.Buildspace(c.UserContext(), name)
	if err != nil {
		return err
	}
	// What follows by itself from something else needs nobody's attention.
	without := append(byItself(), buildbtw.CauseLeased, buildbtw.CauseDispatched, buildbtw.CauseReleased, buildbtw.CauseSuperseded)
	events, err := a.Store.Events(c.UserContext(), store.EventFilter{Buildspace: name, Newest: true, Limit: feedEntries, Without: without})
	if err != nil {
		return err
	}
	page := a.Settings.ServerURL + views.BuildspaceURL(name)
	feed := views.Feed{
		ID: page, Title: "buildbtw: " + name, Page: page, Self: page + "/feed.atom", Updated: row.CreatedAt,
		Subtitle: a.buildspaceView(row).Summary(),
	}
	rows, err := a.Store.FailedOf(c.UserContext(), events)
	if err != nil {
		return err
	}
	for _, e := range events {
		entry := views.FeedEntry{ // an entry's id never changes, as an event's does not
			ID: a.Settings.ServerURL + "/events/" + strconv.FormatInt(e.ID, 10), Updated: e.At, Author: e.Actor, Summary: e.Message,
			Page: a.Settings.ServerURL + views.BuildspaceURL(e.Buildspace),
		}
		switch {
		case e.BuildID != 0:
			entry.Title = e.Pkgbase + " " + string(e.To) + " (" + e.Buildspace + " #" + strconv.Itoa(e.Iteration) + ", " + e.Architecture + ")"
			entry.Page = a.Settings.ServerURL + views.BuildURL(e.BuildID)
			if r, failed := rows[e.BuildID]; failed && e.To == r.Status && e.To == buildbtw.StatusFailed {
				entry.Summary += " " + r.Pkgbase + ": " + r.VerdictWords() + "."
			}
		case e.Iteration != 0:
			entry.Title = e.Buildspace + " #" + strconv.Itoa(e.Iteration) + ": " + e.Message
			entry.Page = a.Settings.ServerURL + views.IterationURL(e.Buildspace, e.Iteration)
		default:
			entry.Title = e.Buildspace + ": " + e.Message
		}
		feed.Entries = append(feed.Entries, entry)
	}
	return a.sendFeed(c, feed)
}

// packageFeed answers with an Atom feed of the finished builds of a package, in all
// buildspaces.
func (a *App) packageFeed(c *fiber.Ctx) error {
	info, err := a.namedPackage(c)
	if err != nil {
		return err
	}
	rows, err := a.Store.FinishedBuilds(c.UserContext(), info.Pkgbase, feedEntries)
	if err != nil {
		return err
	}
	page := a.Settings.ServerURL + views.PackageURL(info.Name)
	feed := views.Feed{
		ID: page, Title: "buildbtw: " + info.Name, Page: page, Self: page + "/feed.atom",
		Updated: time.Unix(0, 0), // unless something happened
	}
	if info.Source != nil {
		feed.Subtitle = info.Source.Desc
	}
	for _, row := range rows {
		url := a.Settings.ServerURL + views.BuildURL(row.ID)
		feed.Entries = append(feed.Entries, views.FeedEntry{
			ID:    url + "#" + string(row.Status) + "-" + strconv.Itoa(row.Attempts), // a rebuild is news
			Title: row.Pkgbase + " " + row.ShownVersion() + " " + string(row.Status) + " (" + row.Buildspace + " #" + strconv.Itoa(row.Iteration) + ", " + row.Architecture + ")",
			Page:  url, Updated: row.ChangedAt, Author: buildbtw.System, Summary: strings.TrimSuffix(row.Reason.String()+"; "+row.VerdictWords(), "; "),
		})
	}
	return a.sendFeed(c, feed)
}

// sendFeed answers with a feed, or with 304 when the reader has it. A feed that
// is empty is as old as the thing that it is about.
func (a *App) sendFeed(c *fiber.Ctx, feed views.Feed) error {
	for _, e := range feed.Entries {
		if e.Updated.After(feed.Updated) {
			feed.Updated = e.Updated
		}
	}
	body, err := feed.XML()
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderLastModified, feed.Updated.UTC().Format(http.TimeFormat))
	return transfer.SendTagged(c, mimeAtom, body)
}

// badge answers with a picture of a buildspace's progress, for other sites.
func (a *App) badge(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	row, err := a.Store.Buildspace(c.UserContext(), name)
	if err != nil {
		return err
	}
	status, counts := buildbtw.IterationStatusCalculating, buildbtw.Counts{}
	if row.Latest != nil {
		status, counts = row.Latest.Status(), row.Latest.Counts
	}
	return transfer.SendTagged(c, mimeSVG, views.BadgeSVG(name, status, counts))
}

// preview returns what other sites show of a link to a page.
func (a *App) preview(path, description string) views.Preview {
	return views.Preview{URL: a.Settings.ServerURL + path, Description: description}
}
