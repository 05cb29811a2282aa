package apiv1

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/store"
)

const (
	eventStream = "text/event-stream"
	quiet       = 15 * time.Second // a stream writes at least this often, or its end would not be noticed
)

// events answers with the history after an event: a page of it as JSON, or every
// later event as Server-Sent Events.
func (a *API) events(c *fiber.Ctx) error {
	f, err := store.EventFilter{Buildspace: c.Query("buildspace"), Actor: c.Query("actor")}.OfKind(cmp.Or(c.Query("kind"), "all"))
	if err != nil {
		return err
	}
	// The cursor of a page and the id that a browser remembers mean the same.
	since, err := count(c, "since")
	if err != nil {
		return err
	}
	cursor, err := count(c, "cursor")
	if err != nil {
		return err
	}
	f.Since = max(since, cursor)
	if last, err := buildbtw.ParseBuildID(c.Get("Last-Event-ID")); err == nil {
		f.Since = max(f.Since, last)
	}
	if build := c.Query("build"); build != "" {
		if f.BuildID, err = buildbtw.ParseBuildID(build); err != nil {
			return err
		}
	}
	if f.Limit, err = limit(c); err != nil {
		return err
	}
	f.Limit = cmp.Or(f.Limit, defaultLimit)
	if strings.Contains(c.Get(fiber.HeaderAccept), eventStream) {
		return a.streamEvents(c, f)
	}
	if f.Newest, err = flag(c, "newest"); err != nil {
		return err
	}
	if f.Newest { // its cursor leads to the past
		f.Since, f.Before = since, cursor
	}
	rows, err := a.Store.Events(c.UserContext(), f)
	if err != nil {
		return err
	}
	page := api.Page[api.Event]{Items: list(rows, wireEvent)}
	if len(rows) == f.Limit {
		page.Cursor = formatID(rows[len(rows)-1].ID)
	}
	return send(c, page)
}

// streamEvents sends events as they happen, until the client leaves or the server
// stops. Without an id to go on from it begins with the present.
func (a *API) streamEvents(c *fiber.Ctx, f store.EventFilter) error {
	f.Limit = maxLimit
	if f.Since == 0 && c.Query("since") == "" {
		newest, err := a.Store.Events(c.UserContext(), store.EventFilter{Newest: true, Limit: 1})
		if err != nil {
			return err
		}
		if len(newest) > 0 {
			f.Since = newest[0].ID
		}
	}
	c.Set(fiber.HeaderCacheControl, "no-cache")
	c.Set("X-Accel-Buffering", "no") // nginx would hold events back
	return a.stream(c, eventStream, func(ctx context.Context, w io.Writer) error {
		changed, cancel := a.Store.Subscribe()
		defer cancel()
		tick := time.NewTicker(quiet)
		defer tick.Stop()
		if _, err := io.WriteString(w, ": hello\n\n"); err != nil {
			return err
		}
		for {
			if err := a.writeNewEvents(ctx, w, &f); err != nil {
				return err
			}
			select {
			case <-changed:
			case <-tick.C:
				if _, err := io.WriteString(w, ": still here\n\n"); err != nil {
					return err
				}
			case <-ctx.Done():
				return nil
			}
		}
	})
}

// writeNewEvents writes the events after f.Since, and moves f.Since to the last one.
func (a *API) writeNewEvents(ctx context.Context, w io.Writer, f *store.EventFilter) error {
	for {
		rows, err := a.Store.Events(ctx, *f)
		if err != nil {
			return err
		}
		for _, row := range rows {
			data, err := json.Marshal(wireEvent(row))
			if err != nil {
				return fmt.Errorf("encode event %d: %w", row.ID, err)
			}
			if _, err := fmt.Fprintf(w, "id: %d\nevent: %s\ndata: %s\n\n", row.ID, row.Kind, data); err != nil {
				return err
			}
			f.Since = row.ID
		}
		if len(rows) < f.Limit {
			return nil
		}
	}
}

// wireEvent returns the JSON form of an event.
func wireEvent(row store.EventRow) api.Event {
	w := api.Event{
		ID: formatID(row.ID), At: row.At.UTC(), Actor: row.Actor, Kind: row.Kind, Buildspace: row.Buildspace,
		Iteration: row.Iteration, Pkgbase: row.Pkgbase, From: row.From, To: row.To, Cause: row.Cause, Message: row.Message,
	}
	if row.BuildID != 0 {
		w.BuildID = formatID(row.BuildID)
	}
	return w
}
