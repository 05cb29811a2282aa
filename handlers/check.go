package handlers

import (
	"context"

	"buildbtw/catalog"
	"buildbtw/release/check"
	"buildbtw/store"
	"buildbtw/views"
)

// addChecks adds how the packages of a build differ from those of the base.
func (a *App) addChecks(ctx context.Context, db *store.Reader, v *views.BuildDetail, row store.BuildRow) error {
	checks, err := db.Checks(ctx, []int64{row.ID})
	if err != nil {
		return err
	}
	policy := a.Catalog.Checks
	repeats, err := db.Repeats(ctx, []int64{row.ID})
	if err != nil {
		return err
	}
	if r, ok := repeats[row.ID]; ok && policy[check.Reproducible] != check.Off {
		f, known := catalog.RepeatFinding(r)
		v.SecondBuild = &views.SecondBuild{ID: r.SecondID, Words: r.Result.Words(), Lines: r.Lines, Blocks: known && policy.Blocks(f)}
	}
	for _, f := range policy.Shows(checks[row.ID]) {
		v.Checks = append(v.Checks, views.CheckLine{Finding: f, Blocks: policy.Blocks(f)})
	}
	return nil
}
