package apiv1

import (
	"context"
	"io"
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/handlers/transfer"
)

// log sends the log of an attempt: as a file with ranges, or, with follow, as it
// grows until the attempt ends.
func (a *API) log(c *fiber.Ctx) error {
	attempt, err := a.namedAttempt(c)
	if err != nil {
		return err
	}
	follow, err := flag(c, "follow")
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderCacheControl, "no-cache")
	if follow {
		return a.followLog(c, attempt)
	}
	content, size, err := a.Logs.Reader(attempt.ID)
	if err != nil {
		return err
	}
	return transfer.Send(c, transfer.Content{Reader: content, Size: size, Type: fiber.MIMETextPlainCharsetUTF8})
}

// namedAttempt finds the attempt that the request names, or the latest one.
func (a *API) namedAttempt(c *fiber.Ctx) (buildbtw.Attempt, error) {
	id, err := buildID(c)
	if err != nil {
		return buildbtw.Attempt{}, err
	}
	number, err := count(c, "attempt")
	if err != nil {
		return buildbtw.Attempt{}, err
	}
	attempts, err := a.Store.Attempts(c.UserContext(), id)
	if err != nil {
		return buildbtw.Attempt{}, err
	}
	var latest buildbtw.Attempt
	for _, t := range attempts {
		if int64(t.Number) == number {
			return t, nil
		}
		if t.Number > latest.Number {
			latest = t
		}
	}
	switch {
	case number != 0:
		return latest, buildbtw.NotFound("build %d has no attempt %d", id, number)
	case latest.ID == 0:
		return latest, buildbtw.NotFound("build %d has not been started; there is no log yet", id)
	}
	return latest, nil
}

// followLog sends the log from where the Range header says on. The attempt may
// end without another byte, so its state is looked at after every change of the
// database.
func (a *API) followLog(c *fiber.Ctx, attempt buildbtw.Attempt) error {
	size, err := a.Logs.Size(attempt.ID)
	if err != nil {
		return err
	}
	start := transfer.Start(c, size)
	return a.stream(c, fiber.MIMETextPlainCharsetUTF8, func(ctx context.Context, w io.Writer) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go a.wakeFollowers(ctx, attempt.ID)
		finished := func() bool { return a.attemptOver(ctx, attempt) }
		for chunk, err := range a.Logs.Follow(ctx, attempt.ID, start, finished) {
			if err != nil {
				return err
			}
			if _, err := w.Write(chunk); err != nil {
				return err
			}
		}
		return nil
	})
}

// wakeFollowers lets the followers of a log look again whenever the database has
// changed, and now and then.
func (a *API) wakeFollowers(ctx context.Context, attempt int64) {
	changed, cancel := a.Store.Subscribe()
	defer cancel()
	tick := time.NewTicker(quiet)
	defer tick.Stop()
	a.Logs.Changed(attempt) // for what changed before the subscription
	for {
		select {
		case <-changed:
			a.Logs.Changed(attempt)
		case <-tick.C:
			a.Logs.Changed(attempt)
		case <-ctx.Done():
			return
		}
	}
}

// attemptOver reports whether nothing more will come. A database that does not
// answer decides nothing; the next change asks again.
func (a *API) attemptOver(ctx context.Context, attempt buildbtw.Attempt) bool {
	attempts, err := a.Store.Attempts(ctx, attempt.BuildID)
	if err != nil {
		return false
	}
	for _, t := range attempts {
		if t.ID == attempt.ID {
			return t.State == buildbtw.AttemptFinished
		}
	}
	return true // pruned
}
