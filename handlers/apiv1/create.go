package apiv1

import (
	"context"
	"fmt"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/store"
)

// maxNumbered bounds the search for a free name.
const maxNumbered = 1000

// Create makes a buildspace for the JSON API and for the page: it checks the
// request, sees that its changesets can be planned, and asks back before very
// many builds.
func (a *API) Create(ctx context.Context, u buildbtw.User, r api.NewBuildspace) (store.BuildspaceRow, error) {
	changesets, err := buildbtw.ParseChangesets(r.Changesets)
	if err != nil {
		return store.BuildspaceRow{}, err
	}
	if r.Name != "" {
		if err := buildbtw.CheckBuildspaceName(r.Name); err != nil {
			return store.BuildspaceRow{}, err
		}
	}
	settings, err := a.settings(buildbtw.DefaultSettings(), r.Settings)
	if err != nil {
		return store.BuildspaceRow{}, err
	}
	if err := a.confirmed(ctx, changesets, settings, r.Confirm); err != nil {
		return store.BuildspaceRow{}, err
	}
	b := buildbtw.Buildspace{Name: r.Name, Settings: settings}
	row, err := a.createNamed(ctx, u, b, changesets)
	if err != nil {
		return store.BuildspaceRow{}, err
	}
	a.Wake()
	return row, nil
}

// confirmed plans, and refuses what would keep all machines busy for long unless
// somebody has seen the number.
func (a *API) confirmed(ctx context.Context, changesets []buildbtw.Changeset, s buildbtw.Settings, confirm bool) error {
	plan, err := a.Catalog.Plan(ctx, changesets, s)
	if err != nil {
		return err
	}
	if n := builds(plan); n > a.Settings.ConfirmAbove && !confirm {
		return buildbtw.Unconfirmed("this would make %d builds, and more than %d are made only when confirmed; "+
			"choose a smaller scope (direct: %d builds) or confirm", n, a.Settings.ConfirmAbove, plan.Scopes[string(buildbtw.ScopeDirect)])
	}
	return nil
}

// createNamed creates under the name that was given, or under the first free one
// that can be made from the changesets.
func (a *API) createNamed(ctx context.Context, u buildbtw.User, b buildbtw.Buildspace, changesets []buildbtw.Changeset) (store.BuildspaceRow, error) {
	if b.Name != "" {
		return a.Store.CreateBuildspace(ctx, u.Name, b, changesets)
	}
	name := buildbtw.DefaultBuildspaceName(changesets)
	for n := 1; ; n++ {
		b.Name = name
		if n > 1 {
			b.Name = fmt.Sprintf("%s-%d", name, n)
		}
		row, err := a.Store.CreateBuildspace(ctx, u.Name, b, changesets)
		if buildbtw.KindOf(err) != buildbtw.KindConflict || n == maxNumbered {
			return row, err
		}
	}
}
