package apiv1

import (
	"github.com/gofiber/fiber/v2"

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

func (a *API) wireWorker(row store.WorkerRow) api.Worker {
	return api.Worker{
		Name: row.Name, Architectures: names(row.Architectures), Runners: names(row.Runners), Labels: names(row.Labels),
		Version: row.Version, FirstSeen: row.FirstSeen.UTC(), LastSeen: row.LastSeen.UTC(), SetAside: row.SetAside,
		Running: list(row.Running, a.wireBuild),
	}
}
