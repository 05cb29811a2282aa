package handlers

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/buildlog"
	"buildbtw/handlers/transfer"
	"buildbtw/internal/guard"
	"buildbtw/internal/hints"
	"buildbtw/internal/lru"
	"buildbtw/store"
)

// A page learns of a change like this. A transaction commits and names what it
// changed, or a log grows. news makes topics of that and tells the hub. The hub
// sends a hint to the pages that show one of the topics, over the one stream that
// a browser keeps. The page asks at once for the parts that it does not show
// yet (parts.go). Without a stream it asks every few seconds anyway, so a lost
// hint costs one period.

// topicAll is the topic of pages that show something of everything.
const topicAll = "all"

func topicBuildspace(name string) string { return "buildspace/" + name }

// topicOf returns the topic of a build's page: what the build waits for are others of its
// buildspace. One on the base alone, or a second one, waits for nothing.
func topicOf(row store.BuildRow) string {
	if row.OnlyCompared() {
		return topicBuild(row.ID)
	}
	return topicBuildspace(row.Buildspace)
}

func topicBuild(id int64) string { return "build/" + strconv.FormatInt(id, 10) }

// topicLog is about the logs of a build's attempts.
func topicLog(build int64) string { return "log/" + strconv.FormatInt(build, 10) }

// news makes hints of what the store and the logs say.
type news struct {
	hub   *hints.Hub
	store *store.Store

	mu      sync.Mutex // held while changes are taken, so that who asks next sees them
	changes *hints.Subscription[store.Change]
	grown   *hints.Subscription[[]int64]
	builds  *lru.Cache[int64, int64] // of attempts
}

func newNews(s *store.Store, logs *buildlog.Logs, now time.Time) *news {
	return &news{
		hub: hints.NewHub(now), store: s, changes: s.Watch(), grown: logs.WatchAll(), builds: lru.New[int64, int64](4096),
	}
}

// catchUp tells the hub of everything that was committed or written until now.
func (n *news) catchUp(ctx context.Context) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var topics []string
	unclear := false
	if change, ok := n.changes.Take(); ok {
		names, err := n.store.ChangedBuildspaces(ctx, change)
		unclear = err != nil || change.Everything
		topics = append(topics, topicAll)
		for _, name := range names {
			topics = append(topics, topicBuildspace(name))
		}
		for _, id := range change.Builds {
			topics = append(topics, topicBuild(id))
		}
	}
	if attempts, ok := n.grown.Take(); ok {
		for _, attempt := range attempts {
			build, ok := n.buildOf(ctx, attempt)
			unclear = unclear || !ok
			topics = append(topics, topicLog(build))
		}
	}
	if unclear {
		n.hub.ChangedAll()
		return
	}
	n.hub.Changed(topics...)
}

func (n *news) buildOf(ctx context.Context, attempt int64) (build int64, ok bool) {
	if build, ok := n.builds.Get(attempt); ok {
		return build, true
	}
	builds, err := n.store.BuildsOfAttempts(ctx, []int64{attempt})
	if err != nil {
		return 0, false
	}
	for _, build = range builds {
		n.builds.Put(attempt, build)
	}
	return build, true // of an attempt that is not in the store nobody shows a log
}

// gatherTime is how long news are gathered after some were told.
const gatherTime = 50 * time.Millisecond

// run catches up whenever there is something to tell, until ctx ends. Polls catch
// up themselves; it is for those who wait for hints.
func (n *news) run(ctx context.Context, log *slog.Logger) {
	defer n.changes.Cancel()
	defer n.grown.Cancel()
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		select {
		case <-ctx.Done():
			return
		case <-n.changes.C:
		case <-n.grown.C:
		}
		err := guard.Run(func() error {
			n.catchUp(ctx)
			return nil
		})
		if err != nil { // polls find out by themselves
			guard.Log(ctx, log, "what changed is not told to open pages", err)
		}
		pause.Reset(gatherTime)
	}
}

const (
	hintPing  = 15 * time.Second // a stream says something this often, or its end would not be noticed
	hintRetry = 3 * time.Second  // after which a browser connects again
)

// hints streams the topics that change, of those that the query names, as
// Server-Sent Events. It is for the pages: which topics there are is between them
// and this server.
func (a *App) hints(c *fiber.Ctx) error {
	var topics []string
	for _, topic := range c.Context().QueryArgs().PeekMulti("topic") {
		topics = append(topics, string(topic))
	}
	if len(topics) == 0 {
		return buildbtw.Invalid("name what to watch, for example ?topic=%s", topicAll)
	}
	since, _ := strconv.ParseUint(c.Query("since"), 10, 64) // none: everything is news
	if last, err := strconv.ParseUint(c.Get("Last-Event-ID"), 10, 64); err == nil {
		since = last
	}
	free, err := a.takeHints(c)
	if err != nil {
		return err
	}
	watcher, err := a.news.hub.Watch(topics, since)
	if err != nil {
		free()
		return err
	}
	a.begin()
	c.Set(fiber.HeaderCacheControl, "no-cache")
	c.Set("X-Accel-Buffering", "no") // nginx would hold hints back
	return transfer.SendStream(c, "text/event-stream", a.serving.Done(), func(ctx context.Context, w io.Writer) error {
		defer free()
		defer watcher.Close()
		if _, err := fmt.Fprintf(w, "retry: %d\n\n", hintRetry.Milliseconds()); err != nil {
			return err
		}
		hint := func(changed []string, at uint64) error {
			_, err := fmt.Fprintf(w, "id: %d\ndata: %s\n\n", at, strings.Join(changed, " "))
			return err
		}
		ping := func() error {
			_, err := io.WriteString(w, ": still here\n\n")
			return err
		}
		return watcher.Run(ctx, hintPing, hint, ping)
	}, nil)
}

// keepParameters takes all other parameters out of the request's address. They
// mean nothing, and links in the page repeat the address.
func keepParameters(c *fiber.Ctx, names []string) {
	_, query, _ := strings.Cut(selfWith(c, names), "?")
	c.Request().URI().SetQueryString(query)
}

// selfWith is the address of the request with these parameters only.
func selfWith(c *fiber.Ctx, names []string) string {
	args := c.Context().QueryArgs()
	kept := url.Values{}
	for _, name := range names {
		for _, value := range args.PeekMulti(name) {
			if len(value) > 0 {
				kept.Add(name, string(value))
			}
		}
	}
	if len(kept) == 0 {
		return c.Path()
	}
	return c.Path() + "?" + kept.Encode()
}
