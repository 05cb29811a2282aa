package handlers

import (
	"cmp"
	"context"
	"slices"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/views"
)

// needs lists what does not go on unless a person does something: machines set
// aside, plans that could not be made, and failed builds, those first that hold
// most. more is how many failed builds are left out.
func (a *App) needs(ctx context.Context, buildspaces []store.BuildspaceRow, workers []store.WorkerRow) (list []views.Need, more int, err error) {
	var failed []views.Need
	for _, b := range buildspaces {
		switch {
		case b.Latest == nil:
		case b.Latest.State == buildbtw.IterationInvalid:
			list = append(list, views.Need{
				Buildspace: b.Name, Iteration: b.Latest.Number, Message: b.Latest.Error, Since: a.moment(b.Latest.CreatedAt),
			})
		case b.Latest.Counts[buildbtw.StatusFailed] > 0:
			some, err := a.failures(ctx, b)
			if err != nil {
				return nil, 0, err
			}
			failed = append(failed, some...)
			more += b.Latest.Counts[buildbtw.StatusFailed] - len(some)
		}
	}
	for _, w := range asideOf(workers) {
		list = append(list, views.Need{Machine: w.Name, Message: w.SetAside, Since: a.moment(w.LastSeen)})
	}
	slices.SortStableFunc(failed, func(x, y views.Need) int {
		return cmp.Or(cmp.Compare(y.Blocks, x.Blocks), y.Since.At.Compare(x.Since.At))
	})
	shown := failed[:min(len(failed), homeNeeds)]
	more += len(failed) - len(shown)
	err = a.addMessages(ctx, shown)
	return append(list, shown...), more, err
}

// asideOf gives the machines that get no work until a person looks at them.
func asideOf(workers []store.WorkerRow) []store.WorkerRow {
	return slices.DeleteFunc(slices.Clone(workers), func(w store.WorkerRow) bool { return w.SetAside == "" })
}

// failures lists failed builds of a buildspace's latest iteration with what they
// hold, the newest first.
func (a *App) failures(ctx context.Context, b store.BuildspaceRow) ([]views.Need, error) {
	blockers, err := a.Store.Blockers(ctx, b.Latest.ID, homeNeeds)
	if err != nil {
		return nil, err
	}
	blocks := make(map[int64]int, len(blockers))
	for _, blocker := range blockers {
		blocks[blocker.Build.ID] = blocker.Blocks
	}
	page, err := a.Store.BuildPage(ctx, store.BuildFilter{
		Buildspace: b.Name, Status: string(buildbtw.StatusFailed), Limit: 10 * homeNeeds,
	}, store.SortChanged, 0)
	var list []views.Need
	for _, row := range page.Rows {
		link := linkOf(row.Build)
		list = append(list, views.Need{
			Build: &link, Buildspace: b.Name, Iteration: b.Latest.Number, Blocks: blocks[row.ID], Since: a.moment(row.ChangedAt),
		})
	}
	return list, err
}

// addMessages says of failed builds what went wrong.
func (a *App) addMessages(ctx context.Context, list []views.Need) error {
	for i := range list {
		attempts, err := a.Store.Attempts(ctx, list[i].Build.ID)
		if err != nil {
			return err
		}
		if len(attempts) > 0 {
			list[i].Message = attempts[0].Message
		}
	}
	return nil
}
