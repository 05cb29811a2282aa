package handlers

import (
	"context"
	"strings"

	"buildbtw/release/check"
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
		if r.Kind == check.Reproducible { // has a section of its own
			continue
		}
		line := views.CheckLine{Finding: r.Finding, Blocks: r.Blocks}
		if len(r.Targets) < all.Targets {
			line.Users = strings.Join(r.Targets, ", ")
		}
		v.Checks.Lines = append(v.Checks.Lines, line)
	}
	for _, c := range all.Compared {
		v.Checks.Compared = append(v.Checks.Compared, views.ComparedWith{Target: c.View, Packages: c.Before.Versions(), Stale: c.Stale})
	}
	if r := all.Second; r != nil {
		v.SecondBuild = &views.SecondBuild{ID: r.SecondID, Words: r.Result.Words(), Lines: r.Lines, Blocks: all.SecondBlocks()}
	}
	return nil
}
