package apiv1

import (
	"context"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
)

const (
	maxBlockers   = 20  // of one iteration: the most blocking ones
	maxReasonText = 500 // bytes of what a person says about a new iteration
)

func (a *API) iterations(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	rows, err := a.Store.Iterations(c.UserContext(), name)
	if err != nil {
		return err
	}
	page, err := cut(c, rows, func(r store.IterationRow) string { return strconv.Itoa(r.Number) })
	if err != nil {
		return err
	}
	return send(c, api.Page[api.Iteration]{Items: list(page.Items, a.wireIteration), Cursor: page.Cursor})
}

func (a *API) newIteration(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	r, err := decodeOptional[api.NewIteration](c)
	if err != nil {
		return err
	}
	if len(r.Reason) > maxReasonText {
		return buildbtw.Invalid("the reason has %d bytes; at most %d are kept", len(r.Reason), maxReasonText)
	}
	ctx := c.UserContext()
	if err := a.Store.RequestIteration(ctx, a.User(c).Name, name, buildbtw.IterationRequested, r.Reason); err != nil {
		return err
	}
	a.Wake()
	row, err := a.Store.Buildspace(ctx, name)
	if err != nil {
		return err
	}
	c.Status(fiber.StatusAccepted)
	return send(c, a.wireBuildspace(row))
}

func (a *API) iteration(c *fiber.Ctx) error {
	row, err := a.namedIteration(c)
	if err != nil {
		return err
	}
	w := a.wireIteration(row)
	if err := a.addDetails(c.UserContext(), &w, row); err != nil {
		return err
	}
	return send(c, w)
}

// forecast says when an iteration will be done.
func (a *API) forecast(c *fiber.Ctx) error {
	row, err := a.namedIteration(c)
	if err != nil {
		return err
	}
	f, err := a.Forecaster.Forecast(c.UserContext(), row)
	if err != nil {
		return err
	}
	return send(c, f)
}

// namedIteration loads the iteration that the path names.
func (a *API) namedIteration(c *fiber.Ctx) (store.IterationRow, error) {
	name, err := param(c, "name")
	if err != nil {
		return store.IterationRow{}, err
	}
	number, err := iterationNumber(c.Params("number"))
	if err != nil {
		return store.IterationRow{}, err
	}
	return a.Store.Iteration(c.UserContext(), name, number)
}

// addDetails adds what only the view of one iteration shows.
func (a *API) addDetails(ctx context.Context, w *api.Iteration, row store.IterationRow) error {
	blockers, err := a.Store.Blockers(ctx, row.ID, maxBlockers)
	if err != nil {
		return err
	}
	architectures, err := a.Store.Architectures(ctx, row.ID)
	if err != nil {
		return err
	}
	w.Blockers = list(blockers, func(b store.Blocker) api.Blocker {
		return api.Blocker{Build: wireRef(b.Build), Blocks: b.Blocks}
	})
	repository := buildbtw.RepositoryName(row.Buildspace, row.Number)
	for _, arch := range architectures {
		w.Repository = append(w.Repository, api.ArchRepository{
			Architecture: arch,
			Repository:   a.repository(row.Buildspace, repository, arch),
			PacmanConf:   pacmanrepo.PacmanConf(row.Buildspace, a.Settings.ServerURL, repository),
		})
	}
	return nil
}

// repository says where an iteration's pacman repository is served.
func (a *API) repository(buildspace, repository, arch string) api.Repository {
	return api.Repository{Name: buildspace, URL: a.page("repo", repository, "os", arch)}
}

// wireIteration gives the JSON form of an iteration in a list.
func (a *API) wireIteration(row store.IterationRow) api.Iteration {
	counts := row.Counts
	if counts == nil {
		counts = buildbtw.Counts{}
	}
	return api.Iteration{
		Number: row.Number, Status: row.Status(), Reason: row.Reason, ReasonText: row.ReasonText, Error: row.Error,
		CreatedAt: row.CreatedAt.UTC(), Counts: counts, Total: counts.Total(),
		URL: a.page("buildspaces", row.Buildspace, strconv.Itoa(row.Number)),
	}
}
