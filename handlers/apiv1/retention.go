package apiv1

import (
	"context"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/retention"
	"buildbtw/store"
)

// Routes of what is kept and what is removed.
func (a *API) retentionRoutes() []route {
	one := []parameter{{"iteration", "number of one of its iterations; the whole buildspace when absent"}}
	const space = "/buildspaces/{name}/"
	return []route{
		{
			method: "GET", path: "/retention", summary: "What is kept, on how much disk, and what the policy would remove now",
			may: buildbtw.User.MayRead, handler: a.retention, answer: api.Retention{}, time: measureTime,
		},
		{
			method: "GET", path: "/retention/orphans", summary: "Files that nothing in the database names",
			may: buildbtw.User.MayAdminister, handler: a.orphans, answer: api.Orphans{}, time: measureTime,
		},
		{
			method: "POST", path: "/retention/remove-orphans", summary: "Remove files that nothing in the database names; 409 when they are not as many as was said",
			may: buildbtw.User.MayAdminister, handler: a.removeOrphans, body: api.RemoveOrphans{}, answer: api.Orphans{}, time: measureTime,
		},
		{
			method: "POST", path: space + "pin", summary: "Never remove anything of a buildspace, or of an iteration", query: one,
			may: buildbtw.User.MayChange, handler: a.keep(a.pin(true)), status: fiber.StatusNoContent,
		},
		{
			method: "POST", path: space + "unpin", summary: "Let the policy remove it again", query: one,
			may: buildbtw.User.MayChange, handler: a.keep(a.pin(false)), status: fiber.StatusNoContent,
		},
		{
			method: "POST", path: space + "archive", summary: "Remove packages and repositories of a stopped buildspace, or of an iteration, and keep its history; 409, in words, when something needs them", query: one,
			may: buildbtw.User.MayChange, handler: a.keep(a.remove(store.RemovePackages)), status: fiber.StatusNoContent,
		},
		{
			method: "POST", path: space + "delete", summary: "Remove a stopped buildspace, or an iteration, with all that is known of it; 409, in words, when something needs it", query: one,
			may: buildbtw.User.MayChange, handler: a.keep(a.remove(store.RemoveAll)), status: fiber.StatusNoContent,
		},
	}
}

// measureTime is how long looking through all files may take.
const measureTime = 5 * time.Minute

// keeper returns what removes things. A server for tests may have none.
func (a *API) keeper() (*retention.Keeper, error) {
	if a.Retention == nil {
		return nil, buildbtw.Unavailable("this server removes nothing")
	}
	return a.Retention, nil
}

// keep calls do for the buildspace that the path names, or for one of its iterations.
func (a *API) keep(do func(ctx context.Context, actor, name string, iteration int) error) fiber.Handler {
	return func(c *fiber.Ctx) error {
		name, err := param(c, "name")
		if err != nil {
			return err
		}
		number := 0
		if text := c.Query("iteration"); text != "" {
			if number, err = strconv.Atoi(text); err != nil || number < 1 {
				return buildbtw.Invalid("iteration=%.20q is no number of an iteration", text)
			}
		}
		if err := do(c.UserContext(), a.User(c).Name, name, number); err != nil {
			return err
		}
		return c.SendStatus(fiber.StatusNoContent)
	}
}

func (a *API) pin(pinned bool) func(context.Context, string, string, int) error {
	return func(ctx context.Context, actor, name string, iteration int) error {
		return a.Store.Pin(ctx, actor, name, iteration, pinned)
	}
}

func (a *API) remove(what store.Removal) func(context.Context, string, string, int) error {
	return func(ctx context.Context, actor, name string, iteration int) error {
		k, err := a.keeper()
		if err != nil {
			return err
		}
		return k.Remove(ctx, actor, name, iteration, what)
	}
}

func (a *API) retention(c *fiber.Ctx) error {
	k, err := a.keeper()
	if err != nil {
		return err
	}
	plan, err := k.DryRun(c.UserContext())
	if err != nil {
		return err
	}
	p, progress := k.Policy, k.Progress()
	r := api.Retention{
		Policy: api.RetentionPolicy{
			Newest: p.Newest, Packages: seconds(p.Packages), Logs: seconds(p.Logs), History: seconds(p.History), Workers: seconds(p.Workers),
			Baselines: seconds(p.Baselines), Installed: seconds(p.Installed),
		},
		Frees: plan.Frees, Shared: api.DueShared(plan.Shared),
		Progress: api.RetentionProgress{
			Doing: progress.Doing, Repositories: progress.Iterations, Logs: progress.Logs, Bytes: progress.Bytes, WriterHeldMS: progress.WriterHeld.Milliseconds(),
		},
		Due: list(plan.Iterations, func(d store.DueIteration) api.DueIteration {
			return api.DueIteration{
				Buildspace: d.Buildspace, Iteration: d.Number, Ended: d.Ended.UTC(), Remove: string(d.Remove), Builds: d.Builds, Packages: d.Packages, Bytes: d.Bytes,
			}
		}),
	}
	if !progress.Since.IsZero() {
		since := progress.Since.UTC()
		r.Progress.Since = &since
	}
	if kept, ok := k.Kept(); ok {
		r.Disk = &api.DiskUsage{
			At: kept.At.UTC(), Database: kept.Database, Repositories: kept.Repositories.Bytes, Targets: kept.Targets.Frees, Uploads: kept.Uploads.Bytes,
			Logs: kept.LogBytes, PlainLogs: kept.PlainLogs, Iterations: kept.Iterations, Archived: kept.Archived, Shared: api.SharedRows(kept.Shared), Orphans: wireOrphans(kept.Orphans),
		}
	}
	return send(c, r)
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

func wireOrphans(o retention.Orphans) api.Orphans {
	return api.Orphans{Repositories: append([]string{}, o.Repositories...), Logs: len(o.Logs), Frees: o.Frees}
}

func (a *API) orphans(c *fiber.Ctx) error {
	k, err := a.keeper()
	if err != nil {
		return err
	}
	o, err := k.Orphans(c.UserContext())
	if err != nil {
		return err
	}
	return send(c, wireOrphans(o))
}

func (a *API) removeOrphans(c *fiber.Ctx) error {
	k, err := a.keeper()
	if err != nil {
		return err
	}
	r, err := decode[api.RemoveOrphans](c)
	if err != nil {
		return err
	}
	o, err := k.RemoveOrphans(c.UserContext(), r.Repositories, r.Logs)
	if err != nil {
		return err
	}
	return send(c, wireOrphans(o))
}
