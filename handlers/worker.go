package handlers

import (
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/views"
)

// workersPage lists the build machines with what they do now.
func (a *App) workersPage(c *fiber.Ctx) error {
	rows, err := a.Store.Workers(c.UserContext())
	if err != nil {
		return err
	}
	history, err := a.Store.WorkerHistory(c.UserContext(), recentAttempts)
	if err != nil {
		return err
	}
	v := views.Workers{CanResume: user(c).MayAdminister() == nil, ServerURL: a.Settings.ServerURL}
	for _, row := range rows {
		v.Machines = append(v.Machines, a.workerCard(row, history))
	}
	if a.unchanged(c, machineStates(v.Machines)) {
		return notModified(c)
	}
	s := a.shell(c, views.NavWorkers, v.Title())
	s.Live = live(c, 5)
	return a.render(c, s, views.WorkersContent(v))
}

// recentAttempts is how many finished attempts the page shows of each machine.
const recentAttempts = 12

// resumeWorker ends a worker's quarantine.
func (a *App) resumeWorker(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	if err := a.Store.ResumeWorker(c.UserContext(), user(c).Name, name); err != nil {
		return err
	}
	return seeOther(c, "/workers")
}

func (a *App) workerCard(row store.WorkerRow, history store.WorkerHistory) views.WorkerCard {
	card := views.WorkerCard{
		Name: row.Name, Architectures: row.Architectures, Runners: row.Runners, Labels: row.Labels, Version: row.Version,
		FirstSeen: a.moment(row.FirstSeen), LastSeen: a.moment(row.LastSeen), SetAside: row.SetAside,
		Gone: !row.Present(a.Now()),
	}
	for _, t := range history.Leases {
		if t.Worker == row.Name {
			card.Leases = append(card.Leases, a.workerLease(t))
		}
	}
	for _, t := range history.Recent {
		if t.Worker == row.Name {
			card.Recent = append(card.Recent, views.WorkerAttempt{
				Pkgbase: t.Pkgbase, URL: views.BuildURL(t.BuildID), Outcome: t.Outcome, Finished: a.momentOf(t.FinishedAt),
				Took: tookBetween(&t.StartedAt, t.FinishedAt),
			})
		}
	}
	return card
}

func (a *App) workerLease(t store.WorkerAttempt) views.WorkerLease {
	return views.WorkerLease{
		Pkgbase: t.Pkgbase, URL: views.BuildURL(t.BuildID), Buildspace: t.Buildspace, Iteration: t.Iteration, Slot: t.Slot, Runner: t.Runner,
		Started: a.moment(t.StartedAt), Heartbeat: a.moment(t.HeartbeatAt), Publishing: t.State == buildbtw.AttemptPublishing,
		Late: t.State == buildbtw.AttemptRunning && a.Now().After(t.Deadline),
	}
}

// heartbeatStep is how exact a poll is about heartbeats: every new one would be a
// change of the page.
const heartbeatStep = 30 * time.Second

// machineState is what a card shows of a machine besides ages.
type machineState struct {
	name, setAside string
	gone           bool
	seen           time.Time
	leases         []leaseState
	newest         views.WorkerAttempt
}

type leaseState struct {
	url              string
	publishing, late bool
	heartbeat        time.Time
}

func machineStates(cards []views.WorkerCard) []machineState {
	var states []machineState
	for _, card := range cards {
		state := machineState{name: card.Name, setAside: card.SetAside, gone: card.Gone, seen: card.LastSeen.At}
		for _, l := range card.Leases {
			state.leases = append(state.leases, leaseState{l.URL, l.Publishing, l.Late, l.Heartbeat.At.Truncate(heartbeatStep)})
		}
		if len(card.Recent) > 0 {
			state.newest = card.Recent[0]
			state.newest.Finished.Now = time.Time{} // its age ticks in the browser
		}
		states = append(states, state)
	}
	return states
}
