package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/store"
)

// Preview returns the plan that Create would make a buildspace with, and stores
// nothing.
func (c *Catalog) Preview(ctx context.Context, changesets []buildbtw.Changeset, s buildbtw.Settings) (*buildgraph.Plan, error) {
	if err := c.offers(s); err != nil {
		return nil, err
	}
	return c.Plan(ctx, changesets, s)
}

// offers checks settings, and that the server builds for their architectures.
func (c *Catalog) offers(s buildbtw.Settings) error {
	if err := s.Validate(); err != nil {
		return err
	}
	for _, arch := range s.Architectures {
		if !slices.Contains(c.Architectures, arch) {
			return buildbtw.Invalid("this server does not build for %q, only for %s", arch, strings.Join(c.Architectures, ", "))
		}
	}
	return nil
}

// maxNumbered bounds the search for a free name.
const maxNumbered = 1000

// Create checks the request and its plan, and stores the buildspace. It is
// Unconfirmed when the plan has more than ConfirmAbove builds and n.Confirm is
// not set. Without a name it uses the first free one that can be made from the
// changesets.
func (c *Catalog) Create(ctx context.Context, u buildbtw.User, n buildbtw.NewBuildspace) (store.BuildspaceRow, error) {
	if err := n.Validate(); err != nil {
		return store.BuildspaceRow{}, err
	}
	plan, err := c.Preview(ctx, n.Changesets, n.Settings)
	if err != nil {
		return store.BuildspaceRow{}, err
	}
	builds := 0
	for _, arch := range plan.Architectures {
		builds += len(arch.Builds)
	}
	if builds > c.ConfirmAbove && !n.Confirm {
		return store.BuildspaceRow{}, buildbtw.Unconfirmed("this would make %d builds, and more than %d are made only when confirmed; "+
			"choose a smaller scope (direct: %d builds) or confirm", builds, c.ConfirmAbove, plan.Scopes[string(buildbtw.ScopeDirect)])
	}
	b := buildbtw.Buildspace{Name: n.Name, Settings: n.Settings}
	if n.Name != "" {
		return c.Store.CreateBuildspace(ctx, u.Name, b, n.Changesets)
	}
	name := buildbtw.DefaultBuildspaceName(n.Changesets)
	for number := 1; ; number++ {
		b.Name = name
		if number > 1 {
			b.Name = fmt.Sprintf("%s-%d", name, number)
		}
		row, err := c.Store.CreateBuildspace(ctx, u.Name, b, n.Changesets)
		if buildbtw.KindOf(err) != buildbtw.KindConflict || number == maxNumbered {
			return row, err
		}
	}
}

// Edit changes a buildspace. Everything is checked before anything is changed.
func (c *Catalog) Edit(ctx context.Context, u buildbtw.User, name string, e buildbtw.EditBuildspace) (store.BuildspaceRow, error) {
	row, err := c.Store.Buildspace(ctx, name)
	if err != nil {
		return row, err
	}
	if e.Status != nil && *e.Status != buildbtw.BuildspaceActive && *e.Status != buildbtw.BuildspaceStopped {
		return row, buildbtw.Invalid("unknown status %q; choose active or stopped", *e.Status)
	}
	edit := store.Edit{Changesets: e.Changesets}
	if e.Settings != nil {
		settings := row.Settings
		e.Settings(&settings)
		if err := c.offers(settings); err != nil {
			return row, err
		}
		edit.Settings = &settings
	}
	if e.Changesets != nil {
		for _, change := range *e.Changesets {
			if _, err := c.Resolve(ctx, change); err != nil {
				return row, err
			}
		}
	}
	if edit.Settings != nil || edit.Changesets != nil {
		if row, err = c.Store.EditBuildspace(ctx, u.Name, name, edit); err != nil {
			return row, err
		}
	}
	switch {
	case e.Status == nil:
		return row, nil
	case *e.Status == buildbtw.BuildspaceActive:
		return c.Store.StartBuildspace(ctx, u.Name, name)
	}
	return c.Store.StopBuildspace(ctx, u.Name, name)
}
