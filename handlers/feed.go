package handlers

import (
	"context"
	"fmt"
	"net/http"
	"slices"
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

// feed answers with an Atom feed (RFC 4287) of the failures and ends in all buildspaces.
func (a *App) feed(c *fiber.Ctx) error {
	page := a.Settings.ServerURL + "/activity"
	return a.sendNews(c, views.Feed{ID: page, Title: "buildbtw", Page: page, Self: a.Settings.ServerURL + "/feed.atom", Updated: time.Unix(0, 0)}, "")
}

// buildspaceFeed answers with the same of one buildspace.
func (a *App) buildspaceFeed(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	row, err := a.Store.Buildspace(c.UserContext(), name)
	if err != nil {
		return err
	}
	page := a.Settings.ServerURL + views.BuildspaceURL(name)
	feed := views.Feed{
		ID: page, Title: "buildbtw: " + name, Page: page, Self: page + "/feed.atom", Updated: row.CreatedAt,
		Subtitle: a.buildspaceView(row).Summary(),
	}
	return a.sendNews(c, feed, name)
}

// sendNews fills a feed with the news of a buildspace, or of all, and answers with it:
// failures, with what they block, ends of iterations, and what happened to buildspaces and
// workers. A package that is built is no news.
func (a *App) sendNews(c *fiber.Ctx, feed views.Feed, buildspace string) error {
	overview, err := a.Store.ActiveOverview(c.UserContext())
	if err != nil {
		return err
	}
	events, err := a.newsEvents(c.UserContext(), buildspace)
	if err != nil {
		return err
	}
	failed := map[int64]bool{} // iterations
	for _, e := range events {
		failed[e.IterationID] = failed[e.IterationID] || e.BuildID != 0
	}
	blocks := map[int64]int{} // by build
	for _, row := range overview {
		if row.Latest == nil || buildspace != "" && row.Name != buildspace {
			continue
		}
		if entry, over := a.endEntry(row); over {
			feed.Entries = append(feed.Entries, entry)
		}
		if !failed[row.Latest.ID] {
			continue
		}
		blockers, err := a.Store.Blockers(c.UserContext(), row.Latest.ID, maxBlockers)
		if err != nil {
			return err
		}
		for _, b := range blockers {
			blocks[b.Build.ID] = b.Blocks
		}
	}
	rows, err := a.Store.FailedOf(c.UserContext(), events)
	if err != nil {
		return err
	}
	for _, e := range events {
		entry := a.eventEntry(e, blocks[e.BuildID])
		if r, failed := rows[e.BuildID]; failed && e.To == r.Status && e.To == buildbtw.StatusFailed {
			entry.Summary += " " + r.Pkgbase + ": " + r.VerdictWords() + "."
		}
		feed.Entries = append(feed.Entries, entry)
	}
	slices.SortStableFunc(feed.Entries, func(x, y views.FeedEntry) int { return y.Updated.Compare(x.Updated) })
	feed.Entries = feed.Entries[:min(len(feed.Entries), feedEntries)]
	return a.sendFeed(c, feed)
}

// endEntry returns the news that nothing of a buildspace's iteration is left to do.
func (a *App) endEntry(row store.ActiveRow) (views.FeedEntry, bool) {
	counts := row.Latest.Counts.Shown(row.Blocked.Builds)
	status := row.Latest.Status()
	title := fmt.Sprintf("%s #%d: ", row.Name, row.Latest.Number)
	switch status {
	case buildbtw.IterationStatusBuilt:
		title += "all done"
	case buildbtw.IterationStatusFailed:
		title += "stopped by " + views.Plural(counts[buildbtw.StatusFailed], "failure")
	default:
		return views.FeedEntry{}, false
	}
	page := a.Settings.ServerURL + views.IterationURL(row.Name, row.Latest.Number)
	return views.FeedEntry{
		ID:    fmt.Sprintf("%s#%s-%d", page, status, row.Changed.Unix()), // the next end is another
		Title: title, Page: page, Updated: row.Changed, Author: buildbtw.System, Summary: views.CountWords(counts),
	}, true
}

// eventEntry returns an event as an entry of a feed. Its id never changes, as an event's
// does not.
func (a *App) eventEntry(e store.EventRow, blocks int) views.FeedEntry {
	entry := views.FeedEntry{
		ID: a.Settings.ServerURL + "/events/" + strconv.FormatInt(e.ID, 10), Updated: e.At, Author: e.Actor, Summary: e.Message,
		Title: e.Message, Page: a.Settings.ServerURL + "/workers",
	}
	switch {
	case e.BuildID != 0:
		entry.Title = e.Pkgbase + " " + string(e.To) + " (" + e.Buildspace + " #" + strconv.Itoa(e.Iteration) + ", " + e.Architecture + ")"
		entry.Page = a.Settings.ServerURL + views.BuildURL(e.BuildID)
		if blocks > 0 {
			entry.Summary += " It blocks " + views.Plural(blocks, "build") + "."
		}
	case e.Iteration != 0:
		entry.Title = e.Buildspace + " #" + strconv.Itoa(e.Iteration) + ": " + e.Message
		entry.Page = a.Settings.ServerURL + views.IterationURL(e.Buildspace, e.Iteration)
	case e.Buildspace != "":
		entry.Title = e.Buildspace + ": " + e.Message
		entry.Page = a.Settings.ServerURL + views.BuildspaceURL(e.Buildspace)
	}
	return entry
}

const (
	newsPage  = 500 // events that are read at once
	newsPages = 4   // that are read at most for one feed
)

// newsEvents returns the newest events that are news by themselves.
func (a *App) newsEvents(ctx context.Context, buildspace string) (news []store.EventRow, err error) {
	f := store.EventFilter{Buildspace: buildspace, Newest: true, Limit: newsPage, Without: noNews()}
	for range newsPages {
		rows, err := a.Store.Events(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, e := range rows {
			if e.Kind == buildbtw.EventBuild && e.To == buildbtw.StatusFailed || e.Kind != buildbtw.EventBuild && e.BuildID == 0 {
				news = append(news, e)
			}
		}
		if len(rows) < newsPage || len(news) >= feedEntries {
			break
		}
		f.Before = rows[len(rows)-1].ID
	}
	return news[:min(len(news), feedEntries)], nil
}

// noNews returns the causes after which no build needs somebody who was not there.
func noNews() []buildbtw.Cause {
	return append(store.MinorCauses(), buildbtw.CauseFinished, buildbtw.CauseReused, buildbtw.CauseUnchanged, buildbtw.CauseExcluded,
		buildbtw.CauseRetried, buildbtw.CauseResumed, buildbtw.CauseForced, buildbtw.CauseCancelled, buildbtw.CauseStopped)
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
