package apiv1

import (
	"context"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/buildgraph"
)

// plan answers what would be built.
func (a *API) plan(c *fiber.Ctx) error {
	r, err := decode[api.PlanRequest](c)
	if err != nil {
		return err
	}
	plan, err := a.Preview(c.UserContext(), r)
	if err != nil {
		return err
	}
	return send(c, plan)
}

// Preview checks a request and computes its plan; the page for new buildspaces
// shows the same.
func (a *API) Preview(ctx context.Context, r api.PlanRequest) (*buildgraph.Plan, error) {
	changesets, err := buildbtw.ParseChangesets(r.Changesets)
	if err != nil {
		return nil, err
	}
	settings, err := a.settings(buildbtw.DefaultSettings(), r.Settings)
	if err != nil {
		return nil, err
	}
	return a.Catalog.Plan(ctx, changesets, settings)
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
	changesets, err := buildbtw.ParseChangesets(r.Changesets)
	if err != nil {
		return err
	}
	settings, err := a.settings(buildbtw.DefaultSettings(), r.Settings)
	if err != nil {
		return err
	}
	answer, err := a.Catalog.Explain(c.UserContext(), changesets, settings, r.Package)
	if err != nil {
		return err
	}
	return send(c, answer)
}

// settings applies what a request chose over what there was, and checks it.
func (a *API) settings(s buildbtw.Settings, chosen api.Settings) (buildbtw.Settings, error) {
	chosen.Apply(&s)
	if err := s.Validate(); err != nil {
		return s, err
	}
	for _, arch := range s.Architectures {
		if !slices.Contains(a.Settings.Architectures, arch) {
			return s, buildbtw.Invalid("this server does not build for %q, only for %s", arch, strings.Join(a.Settings.Architectures, ", "))
		}
	}
	return s, nil
}

// builds counts what a plan would build, over all architectures.
func builds(p *buildgraph.Plan) int {
	n := 0
	for _, arch := range p.Architectures {
		n += len(arch.Builds)
	}
	return n
}
