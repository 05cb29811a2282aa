package apiv1

import (
	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
)

// plan answers what would be built.
func (a *API) plan(c *fiber.Ctx) error {
	r, err := decode[api.PlanRequest](c)
	if err != nil {
		return err
	}
	changesets, settings, err := wanted(r)
	if err != nil {
		return err
	}
	plan, err := a.Catalog.Preview(c.UserContext(), changesets, settings)
	if err != nil {
		return err
	}
	return send(c, plan)
}

// explain answers why a package would be built, or why not.
func (a *API) explain(c *fiber.Ctx) error {
	r, err := decode[api.ExplainRequest](c)
	if err != nil {
		return err
	}
	if err := buildbtw.CheckPkgname(r.Package); err != nil {
		return err
	}
	changesets, settings, err := wanted(r.PlanRequest)
	if err != nil {
		return err
	}
	answer, err := a.Catalog.Explain(c.UserContext(), changesets, settings, r.Package)
	if err != nil {
		return err
	}
	return send(c, answer)
}

// wanted reads changesets and settings; what a request does not choose is the
// default.
func wanted(r api.PlanRequest) ([]buildbtw.Changeset, buildbtw.Settings, error) {
	settings := buildbtw.DefaultSettings()
	r.Apply(&settings)
	changesets, err := buildbtw.ParseChangesets(r.Changesets)
	return changesets, settings, err
}
