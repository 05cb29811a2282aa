package handlers

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/views"
)

const (
	homeBuildspaces = 12 // newest active ones on the home page
	homeNeeds       = 10
	homeRunning     = 12
	homeFinished    = 8
	homeEvents      = 20_000           // newest ones among which the finished builds are sought
	presencePeriod  = 10 * time.Second // after which a page looks again which machines are there
)

// home shows what needs attention, what runs, how far every active buildspace is,
// and which builds finished last.
func (a *App) home(c *fiber.Ctx) error {
	// Machines come and go without a transaction that says so.
	w := watched{topics: []string{topicAll}, period: presencePeriod, seconds: 5}
	return a.renderLive(c, w, func() (*livePage, error) {
		v, err := a.homeView(c.UserContext())
		if err != nil {
			return nil, err
		}
		v.CanChange = user(c).MayChange() == nil
		s := a.shell(c, views.NavHome, v.Title())
		s.Mood = v.Mood()
		return &livePage{shell: s, parts: v.Parts(), content: views.HomeContent(v)}, nil
	})
}

// homeView reads what the home page shows.
func (a *App) homeView(ctx context.Context) (views.Home, error) {
	workers, err := a.Store.Workers(ctx)
	if err != nil {
		return views.Home{}, err
	}
	rows, _, err := a.Store.Buildspaces(ctx, store.BuildspaceFilter{
		Status: string(buildbtw.BuildspaceActive), Limit: homeBuildspaces,
	})
	if err != nil {
		return views.Home{}, err
	}
	var v views.Home
	for _, row := range rows {
		v.Buildspaces = append(v.Buildspaces, a.buildspaceCard(row))
		if row.Latest != nil {
			v.Pending += row.Latest.Counts[buildbtw.StatusPending]
		}
	}
	var running []views.RunningBuild
	for _, w := range workers {
		if w.Present(a.Now()) || len(w.Running) > 0 { // while all its slots are busy it does not ask for work
			v.Workers++
		}
		for _, b := range w.Running {
			running = append(running, views.RunningBuild{BuildLine: a.buildLine(b), Worker: w.Name, Started: a.momentOf(b.StartedAt)})
		}
	}
	slices.SortStableFunc(running, func(x, y views.RunningBuild) int { return x.Started.At.Compare(y.Started.At) }) // longest first
	v.Running = running[:min(len(running), homeRunning)]
	v.RunningMore = len(running) - len(v.Running)
	if v.Needs, v.NeedsMore, err = a.needs(ctx, rows, workers); err != nil {
		return v, err
	}
	v.Finished, err = a.finished(ctx)
	return v, err
}

// finished lists the builds that ended last.
func (a *App) finished(ctx context.Context) ([]views.FinishedBuild, error) {
	newest, err := a.Store.Events(ctx, store.EventFilter{Limit: 1, Newest: true})
	if err != nil || len(newest) == 0 {
		return nil, err
	}
	events, err := a.Store.Events(ctx, store.EventFilter{
		Since: max(0, newest[0].ID-homeEvents), Limit: homeFinished, Newest: true,
		Only: []buildbtw.Cause{buildbtw.CauseFinished, buildbtw.CauseFailed},
	})
	var list []views.FinishedBuild
	for _, e := range events {
		list = append(list, views.FinishedBuild{
			Build:      views.BuildLink{ID: e.BuildID, Pkgbase: e.Pkgbase, Architecture: e.Architecture, Status: e.To},
			Buildspace: e.Buildspace, Iteration: e.Iteration, At: a.moment(e.At),
		})
	}
	return list, err
}

// buildspaceCard returns a buildspace as lists show it.
func (a *App) buildspaceCard(row store.BuildspaceRow) views.BuildspaceCard {
	card := views.BuildspaceCard{
		Name: row.Name, Stopped: row.Status == buildbtw.BuildspaceStopped, Scope: row.Scope,
		Created: a.moment(row.CreatedAt), CreatedBy: row.CreatedBy,
	}
	for _, changeset := range row.Changesets {
		card.Changesets = append(card.Changesets, changeset.String())
	}
	if row.Latest != nil {
		card.Iteration, card.Status, card.Counts = row.Latest.Number, row.Latest.Status(), row.Latest.Counts
	}
	return card
}

// buildLink returns a link to a build that a row refers to.
func buildLink(r store.BuildRef) views.BuildLink {
	return views.BuildLink{
		ID: r.ID, Pkgbase: r.Pkgbase, Architecture: r.Architecture, Stage: r.Stage, Status: r.Status, SkipReason: r.SkipReason,
	}
}

// linkOf returns a link to a build.
func linkOf(b buildbtw.Build) views.BuildLink {
	return views.BuildLink{
		ID: b.ID, Pkgbase: b.Pkgbase, Architecture: b.Architecture, Stage: b.Stage, Status: b.Status, SkipReason: b.SkipReason,
	}
}

// buildLine returns a build as lists show it.
func (a *App) buildLine(b store.BuildRow) views.BuildLine {
	line := views.BuildLine{
		BuildLink: linkOf(b.Build), Version: b.Version, Reason: b.Reason.String(), Level: b.Level, Attempts: b.Attempts,
		Changed: a.moment(b.ChangedAt), Waiting: b.Waiting,
		Buildspace: b.Buildspace, Iteration: b.Iteration,
	}
	for _, r := range b.RootCauses {
		line.Roots = append(line.Roots, buildLink(r))
	}
	return line
}

// needs lists what does not go on unless a person does something: quarantined
// machines, plans that could not be made, and failed builds, those first that block
// most. more is the number of failed builds left out.
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
	for _, w := range workers {
		if w.SetAside != "" {
			list = append(list, views.Need{Machine: w.Name, Message: w.SetAside, Since: a.moment(w.LastSeen)})
		}
	}
	slices.SortStableFunc(failed, func(x, y views.Need) int {
		return cmp.Or(cmp.Compare(y.Blocks, x.Blocks), y.Since.At.Compare(x.Since.At))
	})
	shown := failed[:min(len(failed), homeNeeds)]
	more += len(failed) - len(shown)
	for i := range shown {
		attempts, err := a.Store.Attempts(ctx, shown[i].Build.ID)
		if err != nil {
			return nil, 0, err
		}
		if len(attempts) > 0 {
			shown[i].Message = attempts[0].Message
		}
	}
	return append(list, shown...), more, nil
}

// failures lists failed builds of a buildspace's latest iteration with the number of
// builds that each blocks, the newest first.
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
