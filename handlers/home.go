package handlers

import (
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

// home shows what needs somebody, what runs, how far every active buildspace is,
// and what was finished lately.
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
	v := views.Home{Workers: a.present(workers)}
	for _, row := range rows {
		v.Buildspaces = append(v.Buildspaces, a.buildspaceCard(row))
		if row.Latest != nil {
			v.Pending += row.Latest.Counts[buildbtw.StatusPending]
		}
	}
	running := a.running(workers)
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

// present counts the machines that asked for work lately.
func (a *App) present(workers []store.WorkerRow) int {
	n := 0
	for _, w := range workers {
		if w.Present(a.Now()) {
			n++
		}
	}
	return n
}

// running lists what machines build now, the longest running first.
func (a *App) running(workers []store.WorkerRow) []views.RunningBuild {
	var all []views.RunningBuild
	for _, w := range workers {
		all = append(all, a.runningOn(w)...)
	}
	slices.SortStableFunc(all, func(x, y views.RunningBuild) int { return x.Started.At.Compare(y.Started.At) })
	return all
}

func (a *App) runningOn(w store.WorkerRow) []views.RunningBuild {
	var list []views.RunningBuild
	for _, b := range w.Running {
		list = append(list, views.RunningBuild{BuildLine: a.buildLine(b), Worker: w.Name, Started: a.momentOf(b.StartedAt)})
	}
	return list
}

// buildspaceCard is a buildspace as lists show it.
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

// buildLink names a build.
func buildLink(r store.BuildRef) views.BuildLink {
	return views.BuildLink{
		ID: r.ID, Pkgbase: r.Pkgbase, Architecture: r.Architecture, Stage: r.Stage, Status: r.Status, SkipReason: r.SkipReason,
	}
}

func buildLinks(refs []store.BuildRef) []views.BuildLink {
	var links []views.BuildLink
	for _, r := range refs {
		links = append(links, buildLink(r))
	}
	return links
}

// linkOf names a whole build.
func linkOf(b buildbtw.Build) views.BuildLink {
	return views.BuildLink{
		ID: b.ID, Pkgbase: b.Pkgbase, Architecture: b.Architecture, Stage: b.Stage, Status: b.Status, SkipReason: b.SkipReason,
	}
}

// buildLine is a build as lists show it.
func (a *App) buildLine(b store.BuildRow) views.BuildLine {
	return views.BuildLine{
		BuildLink: linkOf(b.Build), Version: b.Version, Reason: b.Reason.String(), Level: b.Level, Attempts: b.Attempts,
		Changed: a.moment(b.ChangedAt), Roots: buildLinks(b.RootCauses), Waiting: b.Waiting,
		Buildspace: b.Buildspace, Iteration: b.Iteration,
	}
}

func (a *App) buildLines(rows []store.BuildRow) []views.BuildLine {
	var lines []views.BuildLine
	for _, row := range rows {
		lines = append(lines, a.buildLine(row))
	}
	return lines
}
