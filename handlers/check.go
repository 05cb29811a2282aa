package handlers

import (
	"context"
	"strings"

	"buildbtw/store"
	"buildbtw/views"
)

// addChecks adds how the packages of a build differ from those that users have.
func (a *App) addChecks(ctx context.Context, db *store.Reader, v *views.BuildDetail, row store.BuildRow) error {
	all, err := a.Catalog.BuildChecks(ctx, db, row.ID)
	if err != nil {
		return err
	}
	for _, r := range all.Results {
		line := views.CheckLine{Finding: r.Finding, Blocks: r.Blocks}
		if len(r.Targets) < all.Targets {
			line.Users = strings.Join(r.Targets, ", ")
		}
		v.Checks.Lines = append(v.Checks.Lines, line)
	}
	for _, c := range all.Compared {
		v.Checks.Compared = append(v.Checks.Compared, views.ComparedWith{Target: c.View, Packages: c.Before.Versions(), Stale: c.Stale})
	}
	return nil
}
