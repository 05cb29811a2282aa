package apiv1

import (
	"github.com/gofiber/fiber/v2"

	"buildbtw/api"
	"buildbtw/store"
)

// diff gives what changed from one iteration to another, the latest unless the
// request names one.
func (a *API) diff(c *fiber.Ctx) error {
	from, err := a.namedIteration(c)
	if err != nil {
		return err
	}
	number, err := iterationNumber(c.Query("to"))
	if err != nil {
		return err
	}
	to, err := a.Store.Iteration(c.UserContext(), from.Buildspace, number)
	if err != nil {
		return err
	}
	d, err := a.Store.Diff(c.UserContext(), from.Buildspace, from.Number, to.Number)
	if err != nil {
		return err
	}
	return send(c, wireDiff(d))
}

func wireDiff(d store.Diff) api.Diff {
	w := api.Diff{From: d.From, To: d.To, Architectures: make(map[string]api.DiffArch, len(d.Architectures))}
	for arch, part := range d.Architectures {
		w.Architectures[arch] = api.DiffArch{
			Added: names(part.Added), Removed: names(part.Removed),
			Changed:      list(part.Changed, func(b store.BuildChange) api.DiffChange { return api.DiffChange(b) }),
			EdgesAdded:   list(part.EdgesAdded, wireEdgeChange),
			EdgesRemoved: list(part.EdgesRemoved, wireEdgeChange),
		}
	}
	return w
}

func wireEdgeChange(e store.EdgeChange) api.DiffEdge {
	return api.DiffEdge{From: e.From, To: e.To, Kinds: e.Kinds.Names()}
}
