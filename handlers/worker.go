package handlers

import (
	"context"
	"net/url"
	"slices"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/progress"
	"buildbtw/store"
	"buildbtw/views"
)

// workersPage lists the build machines with what they do now.
func (a *App) workersPage(c *fiber.Ctx) error {
	w := watched{topics: []string{topicAll}, period: presencePeriod, seconds: 5}
	return a.renderLive(c, w, func() (*livePage, error) {
		rows, err := a.Store.Workers(c.UserContext())
		if err != nil {
			return nil, err
		}
		history, err := a.Store.WorkerHistory(c.UserContext(), recentAttempts)
		if err != nil {
			return nil, err
		}
		busy, err := progress.Busy(c.UserContext(), &a.Store.Reader, rows, a.Now())
		if err != nil {
			return nil, err
		}
		v := views.Workers{CanManage: user(c).MayAdminister() == nil, ServerURL: a.Settings.ServerURL}
		for _, row := range rows {
			v.Machines = append(v.Machines, a.workerCard(row, history, busy[row.Name]))
		}
		return onePart(a.shell(c, views.NavWorkers, v.Title()), views.WorkersContent(v)), nil
	})
}

// recentAttempts is how many finished attempts the page shows of each machine.
const recentAttempts = 12

// workerAttempts is how many finished attempts the page of one machine shows.
const workerAttempts = 50

// workerPage shows one build machine.
func (a *App) workerPage(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	w := watched{topics: []string{topicAll}, period: presencePeriod, seconds: 5}
	return a.renderLive(c, w, func() (*livePage, error) {
		rows, err := a.Store.Workers(c.UserContext())
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(rows, func(w store.WorkerRow) bool { return w.Name == name })
		if i < 0 {
			return nil, buildbtw.NotFound("there is no worker %.80q", name)
		}
		history, err := a.Store.WorkerHistory(c.UserContext(), workerAttempts)
		if err != nil {
			return nil, err
		}
		busy, err := progress.Busy(c.UserContext(), &a.Store.Reader, rows[i:i+1], a.Now())
		if err != nil {
			return nil, err
		}
		v := views.WorkerPage{WorkerCard: a.workerCard(rows[i], history, busy[name]), CanManage: user(c).MayAdminister() == nil}
		s := a.shell(c, views.NavWorkers, v.Title())
		s.Crumbs = []views.Crumb{{Label: "Workers", URL: "/workers"}, {Label: name}}
		return onePart(s, views.WorkerContent(v)), nil
	})
}

// changeWorker handles a form that drains, resumes or forgets a worker. done is the rest of
// the sentence that is shown afterwards, undo the call that takes it back, if there is one.
func (a *App) changeWorker(change func(ctx context.Context, actor, name string) error, done, undo string) fiber.Handler {
	return func(c *fiber.Ctx) error {
		name, err := param(c, "name")
		if err != nil {
			return err
		}
		if err := change(c.UserContext(), user(c).Name, name); err != nil {
			return err
		}
		word := views.Word{Text: name + " " + done + "."}
		if undo != "" {
			word.Undo = views.BuildAction{Label: "Take it back", URL: "/workers/" + url.PathEscape(name) + "/" + undo, Class: "button small"}
		}
		return a.seeOtherWith(c, "/workers", word)
	}
}

// workerCard returns a build machine with the builds that it leases now and those
// that it finished last.
func (a *App) workerCard(row store.WorkerRow, history store.WorkerHistory, busy float64) views.WorkerCard {
	card := views.WorkerCard{
		Name: row.Name, Architectures: row.Architectures, Runners: row.Runners, Labels: row.Labels, Version: row.Version,
		FirstSeen: a.moment(row.FirstSeen), SetAside: row.SetAside, Draining: a.momentOf(row.DrainingSince),
		Gone: !row.Present(a.Now()), Machine: row.MachineState, Measured: a.momentOf(row.MeasuredAt), Busy: busy,
	}
	for _, t := range history.Leases {
		if t.Worker == row.Name {
			card.Leases = append(card.Leases, views.WorkerLease{
				Pkgbase: t.Name(), URL: views.BuildURL(t.BuildID), Buildspace: t.Buildspace, Iteration: t.Iteration, Slot: t.Slot, Runner: t.Runner,
				Started: a.moment(t.StartedAt), Heartbeat: a.moment(t.HeartbeatAt), Publishing: t.State == buildbtw.AttemptPublishing,
				Late: t.State == buildbtw.AttemptRunning && a.Now().After(t.Deadline),
			})
			if t.HeartbeatAt.After(row.LastSeen) {
				row.LastSeen = t.HeartbeatAt // while all its slots are busy it does not ask for work
			}
		}
	}
	card.LastSeen = a.moment(row.LastSeen)
	for _, t := range history.Recent {
		if t.Worker == row.Name {
			card.Recent = append(card.Recent, views.WorkerAttempt{
				Pkgbase: t.Name(), URL: views.BuildURL(t.BuildID), Outcome: t.Outcome, Finished: a.momentOf(t.FinishedAt),
				Took: tookBetween(&t.StartedAt, t.FinishedAt),
			})
		}
	}
	return card
}
