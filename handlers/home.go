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
	homeFailures    = 10
	seenLately      = 2 * time.Minute // a waiting machine asks at least every api.MaxWait seconds
)

// home shows what runs now, how far every active buildspace is, and what failed.
func (a *App) home(c *fiber.Ctx) error {
	workers, err := a.Store.Workers(c.UserContext())
	if err != nil {
		return err
	}
	event, err := a.lastEvent(c, "")
	if err != nil {
		return err
	}
	present := a.present(workers)
	if a.unchanged(c, event, present) {
		return notModified(c)
	}
	rows, _, err := a.Store.Buildspaces(c.UserContext(), store.BuildspaceFilter{
		Status: string(buildbtw.BuildspaceActive), Limit: homeBuildspaces,
	})
	if err != nil {
		return err
	}
	v := views.Home{Workers: present, CanChange: user(c).MayChange() == nil, Running: a.running(workers)}
	for _, row := range rows {
		v.Buildspaces = append(v.Buildspaces, a.buildspaceCard(row))
	}
	if v.Failures, err = a.recentFailures(c.UserContext(), rows); err != nil {
		return err
	}
	s := a.shell(c, views.NavHome, v.Title())
	s.Live = live(c, 5)
	return a.render(c, s, views.HomeContent(v))
}

// present counts the machines that asked for work lately.
func (a *App) present(workers []store.WorkerRow) int {
	n := 0
	for _, w := range workers {
		if a.Now().Sub(w.LastSeen) < seenLately {
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

// recentFailures lists the newest failed builds of the latest iterations.
func (a *App) recentFailures(ctx context.Context, buildspaces []store.BuildspaceRow) ([]views.BuildLine, error) {
	var failed []store.BuildRow
	for _, b := range buildspaces {
		if b.Latest == nil || b.Latest.Counts[buildbtw.StatusFailed] == 0 {
			continue
		}
		rows, _, err := a.Store.Builds(ctx, store.BuildFilter{
			Buildspace: b.Name, Status: string(buildbtw.StatusFailed), Limit: homeFailures,
		})
		if err != nil {
			return nil, err
		}
		failed = append(failed, rows...)
	}
	slices.SortFunc(failed, func(x, y store.BuildRow) int {
		return cmp.Or(y.ChangedAt.Compare(x.ChangedAt), cmp.Compare(x.ID, y.ID))
	})
	return a.buildLines(failed[:min(len(failed), homeFailures)]), nil
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
