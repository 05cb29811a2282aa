package handlers

import (
	"context"
	"fmt"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/views"
)

// stayPages registers the forms that keep an iteration, or remove something of it.
func (a *App) stayPages(r fiber.Router) {
	const one = "/buildspaces/:name/:number/"
	r.Post(one+"pin", a.allowBuildspace, a.keepIteration(a.pin(true), "is pinned: nothing of it is removed."))
	r.Post(one+"unpin", a.allowBuildspace, a.keepIteration(a.pin(false), "is not pinned any more: its age decides what is removed."))
	r.Post(one+"archive", a.allowBuildspace, a.keepIteration(a.remove(store.RemovePackages), "is archived: its packages and repositories are removed in a moment."))
	r.Post(one+"delete", a.allowBuildspace, a.keepIteration(a.remove(store.RemoveAll), "is deleted."))
}

// keepIteration calls do for the iteration that the path names, and redirects to its page, or to
// that of its buildspace when it is gone. The page begins with what was done.
func (a *App) keepIteration(do func(ctx context.Context, actor, name string, number int) error, done string) fiber.Handler {
	return func(c *fiber.Ctx) error {
		name, err := param(c, "name")
		if err != nil {
			return err
		}
		number, err := iterationNumber(c)
		if err == nil {
			err = do(c.UserContext(), user(c).Name, name, number)
		}
		if err != nil {
			return err
		}
		url := views.IterationURL(name, number)
		if _, err := a.Store.Iteration(c.UserContext(), name, number); buildbtw.KindOf(err) == buildbtw.KindNotFound {
			url = views.BuildspaceURL(name)
		}
		return a.seeOtherWith(c, url, views.Word{Text: fmt.Sprintf("%s #%d %s", name, number, done)})
	}
}

func (a *App) pin(pinned bool) func(context.Context, string, string, int) error {
	return func(ctx context.Context, actor, name string, number int) error {
		return a.Store.Pin(ctx, actor, name, number, pinned)
	}
}

func (a *App) remove(what store.Removal) func(context.Context, string, string, int) error {
	return func(ctx context.Context, actor, name string, number int) error {
		if a.Retention == nil {
			return buildbtw.Unavailable("this server removes nothing")
		}
		return a.Retention.Remove(ctx, actor, name, number, what)
	}
}

// addStay adds what is kept of an iteration, and for how long.
func (a *App) addStay(ctx context.Context, v *views.Iteration) error {
	if a.Retention == nil {
		return nil
	}
	s, err := a.Store.Stay(ctx, a.Retention.Policy, v.Buildspace, v.Number, a.Now())
	if err != nil {
		return err
	}
	v.Stay = views.Stay{
		Buildspace: v.Buildspace, Number: v.Number, Pinned: s.Pinned, SpacePinned: s.SpacePinned, GoesOn: s.GoesOn(), Newest: s.Newest, OfNewest: a.Retention.Policy.Newest,
		Packages: views.StayLine{Gone: s.ArchivedAt, By: s.RemovedBy, Until: s.Packages, Needed: s.PackagesNeeded},
		Logs:     views.StayLine{Gone: s.LogsRemovedAt, By: buildbtw.System, Until: s.Logs, Needed: s.LogsNeeded},
		History:  views.StayLine{Until: s.History, Needed: s.HistoryNeeded},
		Files:    s.Files, Bytes: s.Bytes, NoArchive: s.NoArchive, NoDelete: s.NoDelete, CanChange: v.CanChange,
	}
	return nil
}

// orGone returns err, which opening a file of an iteration's repository ended with, or in its
// place NotFound with when and why the packages were removed.
func (a *App) orGone(ctx context.Context, err error, buildspace string, number int) error {
	if buildbtw.KindOf(err) != buildbtw.KindNotFound {
		return err
	}
	switch gone, goneErr := a.Store.Gone(ctx, buildspace, number); {
	case goneErr != nil:
		return goneErr
	case gone.Packages != "":
		return buildbtw.NotFound("%s", gone.Packages)
	}
	return err
}

// logGone returns NotFound with when the log of an attempt was removed, when it is not there for
// that reason; nil else.
func (a *App) logGone(ctx context.Context, db *store.Reader, attempt buildbtw.Attempt, row store.BuildRow) error {
	if attempt.State != buildbtw.AttemptFinished {
		return nil
	}
	size, err := a.Logs.Size(ctx, attempt.Name())
	if err != nil || size > 0 {
		return err
	}
	gone, err := db.Gone(ctx, row.Buildspace, row.Iteration)
	if err != nil || gone.Logs == "" {
		return err
	}
	return buildbtw.NotFound("%s", gone.Logs)
}
