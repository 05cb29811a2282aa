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
	homeNeeds      = 10
	homeRunning    = 12
	homeFinished   = 8
	homeEvents     = 20_000           // newest ones among which the finished builds are sought
	presencePeriod = 10 * time.Second // after which a page looks again which machines are there
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
	rows, err := a.Store.ActiveOverview(ctx)
	if err != nil {
		return views.Home{}, err
	}
	var v views.Home
	for _, row := range rows {
		card := a.buildspaceCard(row.BuildspaceRow, row.Blocked)
		card.Changed = a.moment(row.Changed)
		v.Add(card)
	}
	var running []views.RunningBuild
	for _, w := range workers {
		switch {
		case len(w.Running) > 0: // while all its slots are busy it does not ask for work
			v.Workers++
		case !w.Present(a.Now()):
		case w.NoBuilds() != "":
			v.Resting++
		default:
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
	if v.Verdicts, err = a.verdicts(ctx, rows); err != nil {
		return v, err
	}
	v.Finished, err = a.finished(ctx)
	return v, err
}

// verdicts counts the failed builds of the latest iterations by whose fault it is.
func (a *App) verdicts(ctx context.Context, buildspaces []store.ActiveRow) (views.Verdicts, error) {
	var failed []int64
	for _, b := range buildspaces {
		if b.Latest != nil && b.Latest.Counts[buildbtw.StatusFailed] > 0 {
			failed = append(failed, b.Latest.ID)
		}
	}
	counts, err := a.Store.Verdicts(ctx, failed...)
	all := views.Verdicts{}
	for _, of := range counts {
		for v, n := range of {
			all[v] += n
		}
	}
	return all, err
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

// buildspaceCard returns a buildspace as lists show it, with what of its latest
// iteration is blocked.
func (a *App) buildspaceCard(row store.BuildspaceRow, blocked store.Blocked) views.BuildspaceCard {
	card := views.BuildspaceCard{
		Name: row.Name, Stopped: row.Status == buildbtw.BuildspaceStopped, Scope: row.Scope,
		Created: a.moment(row.CreatedAt), CreatedBy: row.CreatedBy, GivenUp: blocked.GivenUp,
	}
	for _, changeset := range row.Changesets {
		card.Changesets = append(card.Changesets, changeset.String())
	}
	if row.Latest != nil {
		card.Iteration, card.Status, card.Counts = row.Latest.Number, row.Latest.Status(), row.Latest.Counts.Shown(blocked.Builds)
	}
	return card
}

// buildspaceCards returns buildspaces as lists show them.
func (a *App) buildspaceCards(ctx context.Context, rows []store.BuildspaceRow) ([]views.BuildspaceCard, error) {
	var latest []store.IterationRow
	for _, row := range rows {
		if row.Latest != nil {
			latest = append(latest, *row.Latest)
		}
	}
	blocked, err := a.Store.Blocked(ctx, latest)
	if err != nil {
		return nil, err
	}
	cards := make([]views.BuildspaceCard, len(rows))
	for i, row := range rows {
		if row.Latest != nil {
			cards[i] = a.buildspaceCard(row, blocked[row.Latest.ID])
		} else {
			cards[i] = a.buildspaceCard(row, store.Blocked{})
		}
	}
	return cards, nil
}

// buildLink returns a link to a build that a row refers to. Stuck are the builds of its
// iteration that are blocked, ascending.
func buildLink(r store.BuildRef, stuck ...int64) views.BuildLink {
	_, is := slices.BinarySearch(stuck, r.ID)
	return views.BuildLink{
		ID: r.ID, Pkgbase: r.Pkgbase, Architecture: r.Architecture, Stage: r.Stage, Status: r.Status.Shown(is), SkipReason: r.SkipReason, Verdict: r.Verdict,
	}
}

// linkOf returns a link to a build.
func linkOf(b store.BuildRow) views.BuildLink {
	return views.BuildLink{
		ID: b.ID, Pkgbase: b.Pkgbase, Architecture: b.Architecture, Stage: b.Stage,
		Status: b.Status.Shown(len(b.RootCauses) > 0), SkipReason: b.SkipReason, Verdict: b.Verdict, OfBase: b.BaselineID != 0, Second: b.RepeatOf != 0,
	}
}

// buildLine returns a build as lists show it.
func (a *App) buildLine(b store.BuildRow) views.BuildLine {
	line := views.BuildLine{
		BuildLink: linkOf(b), Version: b.VersionWords(), Reason: b.Reason.String(), Level: b.Level, Attempts: b.Attempts,
		Changed: a.moment(b.ChangedAt), Took: a.tookSoFar(b), TimesUsual: b.TimesUsual(b.Usual(), a.Now()), Waiting: b.Waiting,
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
func (a *App) needs(ctx context.Context, buildspaces []store.ActiveRow, workers []store.WorkerRow) (list []views.Need, more int, err error) {
	var iterations []int64
	var blockers []store.Blocker
	failed := 0
	for _, b := range buildspaces {
		switch {
		case b.Latest == nil:
		case b.Latest.State == buildbtw.IterationInvalid:
			list = append(list, views.Need{
				Buildspace: b.Name, Iteration: b.Latest.Number, Message: b.Latest.Error, Since: a.moment(b.Latest.CreatedAt),
			})
		case b.Latest.Counts[buildbtw.StatusFailed] > 0:
			failed += b.Latest.Counts[buildbtw.StatusFailed]
			iterations = append(iterations, b.Latest.ID)
			blockers = append(blockers, b.Blocked.Blockers...)
		}
	}
	for _, w := range workers {
		if w.SetAside != "" {
			list = append(list, views.Need{Machine: w.Name, Message: w.SetAside, Since: a.moment(w.LastSeen)})
		}
	}
	shown, err := a.failures(ctx, iterations, blockers)
	if err != nil {
		return nil, 0, err
	}
	more = max(0, failed-len(shown))
	shown, err = a.addFixes(ctx, shown)
	return append(list, shown...), more, err
}

// theirs is 0 for failures that a packager's change has caused, or may have, and 1 for others.
func theirs(v buildbtw.Verdict) int {
	if v == buildbtw.VerdictYours || v == buildbtw.VerdictNone {
		return 0
	}
	return 1
}

// failures lists the failed builds of iterations that block most, and the newest that
// block none.
func (a *App) failures(ctx context.Context, iterations []int64, blockers []store.Blocker) ([]views.Need, error) {
	slices.SortStableFunc(blockers, func(x, y store.Blocker) int { return cmp.Compare(y.Blocks, x.Blocks) })
	blocks := make(map[int64]int, len(blockers))
	var worst []int64
	for _, b := range blockers {
		blocks[b.Build.ID] = b.Blocks
		if len(worst) < homeNeeds {
			worst = append(worst, b.Build.ID)
		}
	}
	rows, err := a.Store.FailedBuilds(ctx, iterations, worst, homeNeeds)
	var list []views.Need
	for _, row := range rows {
		if row.Status != buildbtw.StatusFailed {
			continue // cancelled, by a person who knows
		}
		link := linkOf(row.BuildRow)
		list = append(list, views.Need{
			Build: &link, Buildspace: row.Buildspace, Iteration: row.Iteration, Blocks: blocks[row.ID], Message: row.Message,
			Since: a.moment(row.ChangedAt),
		})
	}
	slices.SortStableFunc(list, func(x, y views.Need) int { // what a change has broken stands first
		return cmp.Or(cmp.Compare(theirs(x.Build.Verdict), theirs(y.Build.Verdict)), cmp.Compare(y.Blocks, x.Blocks), y.Since.At.Compare(x.Since.At))
	})
	return list, err
}
