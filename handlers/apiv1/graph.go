package apiv1

import (
	"slices"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/store"
)

// graph gives the builds and edges of one architecture of an iteration.
func (a *API) graph(c *fiber.Ctx) error {
	row, err := a.namedIteration(c)
	if err != nil {
		return err
	}
	architectures, err := a.Store.Architectures(c.UserContext(), row.ID)
	if err != nil {
		return err
	}
	arch, err := chosenArchitecture(c.Query("arch"), architectures)
	if err != nil {
		return err
	}
	g, err := a.Store.Graph(c.UserContext(), row.ID, arch)
	if err != nil {
		return err
	}
	return send(c, a.wireGraph(row, g))
}

// chosenArchitecture gives the wanted architecture, or the first one; an
// iteration without builds has none, and an empty graph.
func chosenArchitecture(wanted string, all []string) (string, error) {
	switch {
	case wanted == "" && len(all) == 0:
		return "", nil
	case wanted == "":
		return all[0], nil
	case !slices.Contains(all, wanted):
		return "", buildbtw.NotFound("the iteration has no builds for %.40q", wanted)
	}
	return wanted, nil
}

func (a *API) wireGraph(row store.IterationRow, g store.Graph) api.Graph {
	pkgbase := make(map[int64]string, len(g.Builds))
	for _, b := range g.Builds {
		pkgbase[b.ID] = b.Pkgbase
	}
	return api.Graph{
		Builds: list(g.Builds, func(b buildbtw.Build) api.Build {
			return a.wireBuild(store.BuildRow{Build: b, Buildspace: row.Buildspace, Iteration: row.Number})
		}),
		Edges: list(g.Edges, func(e buildbtw.Edge) api.GraphEdge {
			return api.GraphEdge{From: formatID(e.From), To: formatID(e.To), Kinds: e.Kinds.Names()}
		}),
		Cuts: list(g.Cuts, func(e buildbtw.Cut) api.Cut {
			return api.Cut{From: pkgbase[e.From], To: pkgbase[e.To], Kinds: e.Kinds.Names(), Cycle: names(e.Cycle)}
		}),
	}
}
