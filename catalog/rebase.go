package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"buildbtw"
	"buildbtw/store"
)

// Rebase asks for a new iteration of a buildspace, on the base and the sources as they are
// now. What has the same inputs is reused, as in every iteration. The reason names what
// has moved.
func (c *Catalog) Rebase(ctx context.Context, u buildbtw.User, name string) (store.BuildspaceRow, error) {
	o, err := c.Overlaps(ctx, name)
	if err != nil {
		return store.BuildspaceRow{}, err
	}
	if err := c.Store.RequestIteration(ctx, u.Name, name, buildbtw.IterationRequested, o.rebased(u.Name)); err != nil {
		return store.BuildspaceRow{}, err
	}
	return c.Store.Buildspace(ctx, name)
}

// rebased is the reason of an iteration on what has moved.
func (o Overlaps) rebased(actor string) string {
	var parts []string
	if n := len(o.Outdated); n > 0 {
		newer := make(buildbtw.Names, n)
		for i, b := range o.Outdated {
			newer[i] = b.Pkgbase + " " + b.Base
		}
		parts = append(parts, newer.Summary()+" of the base")
	}
	if len(o.Stale) > 0 {
		parts = append(parts, "newer commits of "+buildbtw.Names(o.Stale).Summary())
	}
	if len(parts) == 0 {
		parts = append(parts, "the base and the sources of now")
	}
	return fmt.Sprintf("Rebased on %s, asked for by %s.", strings.Join(parts, " and on "), actor)
}

// Merge takes the changesets of another buildspace over, with what it builds in addition,
// and stops that one. It is a Conflict when both change a source at different refs: a
// person decides which counts. Made again after half of it was done, it does the rest.
func (c *Catalog) Merge(ctx context.Context, u buildbtw.User, name, other string) (store.BuildspaceRow, error) {
	into, err := c.Store.Buildspace(ctx, name)
	if err != nil {
		return into, err
	}
	from, err := c.Store.Buildspace(ctx, other)
	switch {
	case err != nil:
		return into, err
	case from.ID == into.ID:
		return into, buildbtw.Invalid("%s cannot be merged with itself", name)
	case into.Status != buildbtw.BuildspaceActive:
		return into, buildbtw.Conflict("buildspace %s is %s; start it first", name, into.Status)
	}
	if err := u.MayChangeOf(from.CreatedBy); err != nil {
		return into, err
	}
	changesets := slices.Clone(into.Changesets)
	for _, change := range from.Changesets {
		i := slices.IndexFunc(changesets, func(x buildbtw.Changeset) bool { return x.Source == change.Source })
		switch {
		case i < 0:
			changesets = append(changesets, change)
		case changesets[i].Ref != change.Ref:
			return into, buildbtw.Conflict("both change %s: %s at %s, %s at %s; decide for one with bbtw edit", change.Source, name, changesets[i], other, change)
		}
	}
	edit := buildbtw.EditBuildspace{Changesets: &changesets, Settings: func(s *buildbtw.Settings) {
		for _, pkgbase := range from.Add {
			if !slices.Contains(s.Add, pkgbase) {
				s.Add = append(slices.Clone(s.Add), pkgbase)
			}
		}
		s.Exclude = slices.DeleteFunc(slices.Clone(s.Exclude), func(pkgbase string) bool { return slices.Contains(from.Add, pkgbase) })
	}}
	if into, err = c.Edit(ctx, u, name, edit); err != nil {
		return into, err
	}
	if from.Status == buildbtw.BuildspaceActive {
		if _, err := c.Store.StopBuildspace(ctx, u.Name, other); err != nil {
			return into, fmt.Errorf("%s has the changesets of %s, which could not be stopped: %w", name, other, err)
		}
	}
	return into, nil
}
