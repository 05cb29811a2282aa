package apiv1

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/progress"
	"buildbtw/store"
)

// workers lists the build machines with what they do now.
func (a *API) workers(c *fiber.Ctx) error {
	rows, err := a.Store.Workers(c.UserContext())
	if err != nil {
		return err
	}
	busy, err := progress.Busy(c.UserContext(), &a.Store.Reader, rows, a.Now())
	if err != nil {
		return err
	}
	return send(c, api.Page[api.Worker]{Items: list(rows, func(row store.WorkerRow) api.Worker {
		w := a.wireWorker(row)
		w.Busy = busy[row.Name]
		return w
	})})
}

// changeWorker answers a call that drains or resumes a worker. Doing it again
// changes nothing.
func (a *API) changeWorker(change func(ctx context.Context, actor, name string) error) fiber.Handler {
	return func(c *fiber.Ctx) error {
		name, err := param(c, "worker")
		if err != nil {
			return err
		}
		if err := change(c.UserContext(), a.User(c).Name, name); err != nil {
			return err
		}
		rows, err := a.Store.Workers(c.UserContext())
		if err != nil {
			return err
		}
		i := slices.IndexFunc(rows, func(w store.WorkerRow) bool { return w.Name == name })
		if i < 0 {
			return buildbtw.NotFound("there is no worker %.80q", name)
		}
		busy, err := progress.Busy(c.UserContext(), &a.Store.Reader, rows[i:i+1], a.Now())
		if err != nil {
			return err
		}
		w := a.wireWorker(rows[i])
		w.Busy = busy[name]
		return send(c, w)
	}
}

// workerAttempts answers GET /workers/{worker}/attempts.
func (a *API) workerAttempts(c *fiber.Ctx) error {
	name, err := param(c, "worker")
	if err != nil {
		return err
	}
	before, err := count(c, "cursor")
	if err != nil {
		return err
	}
	n, err := limit(c)
	if err != nil {
		return err
	}
	n = cmp.Or(n, defaultLimit)
	rows, err := a.Store.WorkerAttempts(c.UserContext(), name, before, n)
	if err != nil {
		return err
	}
	page := api.Page[api.WorkerAttempt]{Items: list(rows, func(t store.WorkerAttempt) api.WorkerAttempt {
		return api.WorkerAttempt{
			BuildID: formatID(t.BuildID), Number: t.Number, Pkgbase: t.Pkgbase, OfBase: t.OfBase, Second: t.Second, Buildspace: t.Buildspace, Iteration: t.Iteration,
			Slot: t.Slot, Runner: t.Runner, Outcome: t.Outcome, StartedAt: t.StartedAt.UTC(), FinishedAt: utc(t.FinishedAt), URL: a.page("builds", formatID(t.BuildID)),
		}
	})}
	if len(rows) == n {
		page.Cursor = formatID(rows[n-1].ID)
	}
	return send(c, page)
}

// forgetWorker removes a worker that is gone.
func (a *API) forgetWorker(c *fiber.Ctx) error {
	name, err := param(c, "worker")
	if err != nil {
		return err
	}
	if err := a.Store.ForgetWorker(c.UserContext(), a.User(c).Name, name); err != nil {
		return err
	}
	return c.SendStatus(fiber.StatusNoContent)
}

// workerTime answers GET /workers/time: the attempts on each slot of the workers between two
// times, and a forecast for the part of the time that is in the future.
func (a *API) workerTime(c *fiber.Ctx) error {
	r := progress.TimeRequest{Buildspace: c.Query("buildspace")}
	var err error
	if r.Until, err = timeQuery(c, "until", a.Now()); err != nil {
		return err
	}
	if r.From, err = timeQuery(c, "from", r.Until.Add(-24*time.Hour)); err != nil {
		return err
	}
	if !r.From.Before(r.Until) {
		return buildbtw.Invalid("from is not before until")
	}
	t, err := a.Forecasts.Timeline(c.UserContext(), &a.Store.Reader, r, a.Now())
	if err != nil {
		return err
	}
	wire := func(b progress.Bar) api.Bar {
		w := api.Bar{
			Lane: b.Lane, BuildID: formatID(b.BuildID), Attempt: b.Attempt, Pkgbase: b.Pkgbase, OfBase: b.OfBase, Second: b.Second, Buildspace: b.Buildspace, Iteration: b.Iteration,
			Outcome: b.Outcome, Start: b.Start.UTC().Truncate(time.Millisecond),
		}
		if !b.End.IsZero() {
			end := b.End.UTC().Truncate(time.Millisecond)
			w.End = &end
		}
		return w
	}
	return send(c, api.WorkerTime{
		From: t.From, Until: t.Until, Now: t.Now, Lanes: list(t.Lanes, func(l progress.Lane) api.Lane { return api.Lane(l) }),
		Bars: list(t.Bars, wire), Ahead: list(t.Ahead, wire), More: t.More,
	})
}

// timeQuery returns the time of a query parameter in RFC 3339, or otherwise when there is
// no such parameter. The error is Invalid.
func timeQuery(c *fiber.Ctx, name string, otherwise time.Time) (time.Time, error) {
	text := c.Query(name)
	if text == "" {
		return otherwise, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, buildbtw.Invalid("%s is no time as 2026-03-01T12:00:00Z: %.40q", name, text)
	}
	return at, nil
}

func (a *API) wireWorker(row store.WorkerRow) api.Worker {
	w := api.Worker{
		Name: row.Name, Architectures: names(row.Architectures), Runners: names(row.Runners), Labels: names(row.Labels),
		Version: row.Version, FirstSeen: row.FirstSeen.UTC(), LastSeen: row.LastSeen.UTC(), SetAside: row.SetAside,
		Running: list(row.Running, a.wireBuild), NoBuilds: row.NoBuilds(),
	}
	if row.DrainingSince != nil {
		since := row.DrainingSince.UTC()
		w.DrainingSince = &since
	}
	if row.MeasuredAt != nil {
		machine, at := api.Machine(row.MachineState), row.MeasuredAt.UTC()
		w.Machine, w.MeasuredAt = &machine, &at
	}
	return w
}
