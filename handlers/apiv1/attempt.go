package apiv1

import (
	"cmp"
	"slices"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
)

func (a *API) attempts(c *fiber.Ctx) error {
	id, err := buildID(c)
	if err != nil {
		return err
	}
	attempts, err := a.Store.Attempts(c.UserContext(), id)
	if err != nil {
		return err
	}
	slices.SortFunc(attempts, func(a, b buildbtw.Attempt) int { return cmp.Compare(a.Number, b.Number) })
	page := api.Page[api.Attempt]{Items: make([]api.Attempt, 0, len(attempts))}
	for _, t := range attempts {
		size, err := a.Logs.Size(t.ID)
		if err != nil {
			return err
		}
		page.Items = append(page.Items, wireAttempt(t, size))
	}
	return send(c, page)
}

// wireAttempt leaves out the lease: it is the worker's secret.
func wireAttempt(t buildbtw.Attempt, logSize int64) api.Attempt {
	return api.Attempt{
		Number: t.Number, Worker: t.Worker, Runner: t.Runner, State: t.State, Outcome: t.Outcome, Message: t.Message,
		StartedAt: t.StartedAt.UTC(), FinishedAt: utc(t.FinishedAt), LogSize: logSize,
	}
}
