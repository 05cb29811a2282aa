package apiv1

import (
	"slices"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/store"
)

// workers lists the build machines with what they do now.
func (a *API) workers(c *fiber.Ctx) error {
	rows, err := a.Store.Workers(c.UserContext())
	if err != nil {
		return err
	}
	return send(c, api.Page[api.Worker]{Items: list(rows, a.wireWorker)})
}

// resumeWorker gives a worker builds again. Doing it again changes nothing.
func (a *API) resumeWorker(c *fiber.Ctx) error {
	name, err := param(c, "worker")
	if err != nil {
		return err
	}
	if err := a.Store.ResumeWorker(c.UserContext(), a.User(c).Name, name); err != nil {
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
	return send(c, a.wireWorker(rows[i]))
}

func (a *API) wireWorker(row store.WorkerRow) api.Worker {
	return api.Worker{
		Name: row.Name, Architectures: names(row.Architectures), Runners: names(row.Runners), Labels: names(row.Labels),
		Version: row.Version, FirstSeen: row.FirstSeen.UTC(), LastSeen: row.LastSeen.UTC(), SetAside: row.SetAside,
		Running: list(row.Running, a.wireBuild),
	}
}
