package handlers

import (
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw/store"
	"buildbtw/views"
)

// workersPage lists the build machines with what they do now.
func (a *App) workersPage(c *fiber.Ctx) error {
	rows, err := a.Store.Workers(c.UserContext())
	if err != nil {
		return err
	}
	v := views.Workers{CanResume: user(c).MayAdminister() == nil}
	for _, row := range rows {
		v.Machines = append(v.Machines, a.workerCard(row))
	}
	if a.unchanged(c, machineStates(v.Machines)) {
		return notModified(c)
	}
	s := a.shell(c, views.NavWorkers, v.Title())
	s.Live = live(c, 5)
	return a.render(c, s, views.WorkersContent(v))
}

// resumeWorker gives a worker that was set aside builds again.
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

func (a *App) workerCard(row store.WorkerRow) views.WorkerCard {
	return views.WorkerCard{
		Name: row.Name, Architectures: row.Architectures, Runners: row.Runners, Labels: row.Labels, Version: row.Version,
		FirstSeen: a.moment(row.FirstSeen), LastSeen: a.moment(row.LastSeen), SetAside: row.SetAside,
		Gone: a.Now().Sub(row.LastSeen) >= seenLately, Running: a.runningOn(row),
	}
}

// machineState is what a card shows of a machine besides ages.
type machineState struct {
	name, setAside string
	gone           bool
	seen           time.Time
	running        []int64
}

func machineStates(cards []views.WorkerCard) []machineState {
	var states []machineState
	for _, card := range cards {
		state := machineState{name: card.Name, setAside: card.SetAside, gone: card.Gone, seen: card.LastSeen.At}
		for _, b := range card.Running {
			state.running = append(state.running, b.ID)
		}
		states = append(states, state)
	}
	return states
}
