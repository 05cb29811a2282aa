package handlers

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/catalog"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
	"buildbtw/views"
)

const (
	pageBlockers   = 10
	pageBuilds     = 60
	pageIterations = 12
	pageEvents     = 12
	listedCuts     = 40
	pageWarnings   = 100 // that are not about unreadable sources, which are all shown
	pageChain      = 12  // builds of the longest chain

	// cachedDiffs bounds the diffs of iterations, which never change; some kilobytes
	// each. A page that is polled would otherwise compare two graphs of 7,000 builds
	// every time.
	cachedDiffs = 128
)

// buildspacePage shows a buildspace at its latest iteration.
func (a *App) buildspacePage(c *fiber.Ctx) error { return a.showIteration(c, 0) }

// iterationPage shows a buildspace at one of its iterations.
func (a *App) iterationPage(c *fiber.Ctx) error {
	number, err := iterationNumber(c)
	if err != nil {
		return err
	}
	return a.showIteration(c, number)
}

func iterationNumber(c *fiber.Ctx) (int, error) {
	number, err := strconv.Atoi(c.Params("number"))
	if err != nil || number < 1 {
		return 0, buildbtw.NotFound("%.40q is no iteration; iterations are numbered from 1", c.Params("number"))
	}
	return number, nil
}

// showIteration shows one iteration; 0 is the latest, if there is one.
func (a *App) showIteration(c *fiber.Ctx, number int) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	w := watched{
		topics: []string{topicBuildspace(name)}, query: []string{"q", "status", "verdict", "arch", "sort", "from", "fix"}, seconds: 3,
		period: time.Minute, // what is left to do shrinks with time, not only with events
	}
	return a.renderLive(c, w, func() (*livePage, error) {
		v, err := a.iterationView(c, name, number)
		if err != nil {
			return nil, err
		}
		s := a.shell(c, views.NavBuildspaces, v.Title())
		s.Crumbs = views.BuildspaceCrumbs(name)
		if number != 0 {
			s.Crumbs = views.IterationCrumbs(name, number)
		}
		s.Mood = views.IterationMood(v.Status, v.Counts)
		s.Feed = views.BuildspaceURL(name, "feed.atom")
		s.Preview = a.preview(c.Path(), v.Summary())
		if v.Counts.Total() > 0 {
			s.Skip = views.Crumb{Label: "Skip to builds", URL: "#builds"}
		}
		return &livePage{shell: s, parts: v.Parts(), content: views.IterationContent(v)}, nil
	})
}

// iterationView reads what the page of a buildspace shows at one of its iterations.
func (a *App) iterationView(c *fiber.Ctx, name string, number int) (views.Iteration, error) {
	row, err := a.Store.Buildspace(c.UserContext(), name)
	if err != nil {
		return views.Iteration{}, err
	}
	v := a.buildspaceView(row)
	if err := user(c).MayChangeOf(row.CreatedBy); err != nil {
		v.WhyNot = buildbtw.MessageOf(err)
	} else {
		v.CanChange = true
	}
	if v.Follow, err = a.followOf(c, row); err != nil {
		return v, err
	}
	if number != 0 || row.Latest != nil {
		if err := a.addIteration(c.UserContext(), &v, number, c.Context().QueryArgs().PeekMulti("fix")); err != nil {
			return v, err
		}
		f := views.BuildFilter{Query: c.Query("q"), Status: c.Query("status"), Verdict: c.Query("verdict"), Architecture: c.Query("arch"), Sort: c.Query("sort")}
		start := max(0, c.QueryInt("from"))
		page, err := a.Store.BuildPage(c.UserContext(), store.BuildFilter{
			Buildspace: name, Iteration: v.Number, Architecture: f.Architecture, Status: f.Status, Verdict: f.Verdict, Query: f.Query, Limit: pageBuilds, Now: a.Now(),
		}, store.BuildSort(f.Sort), start)
		if err != nil {
			return v, err
		}
		v.Builds = views.BuildList{Filter: f, Base: c.Path(), Start: start, Size: pageBuilds, Total: page.Total}
		for _, b := range page.Rows {
			v.Builds.Lines = append(v.Builds.Lines, a.buildLine(b))
		}
		if v.Number > 1 && v.Counts.Total() > 0 {
			diff, err := a.diff(c.UserContext(), name, v.Number-1, v.Number)
			if err != nil {
				return v, err
			}
			diff = a.withCommits(c.UserContext(), diff)
			v.Diff = &diff
		}
		iterations, err := a.Store.Iterations(c.UserContext(), name)
		if err != nil {
			return v, err
		}
		v.Iterations = a.iterationLines(iterations[:min(len(iterations), pageIterations)])
	}
	v.Events, err = a.events(c.UserContext(), &a.Store.Reader, store.EventFilter{
		Buildspace: name, Limit: pageEvents, Newest: true, Without: byItself(),
	})
	return v, err
}

// haltOf answers static/src/notify.js whether a buildspace still builds, and if not, why it
// stopped.
func (a *App) haltOf(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	_, v, err := a.halted(c.UserContext(), name)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderCacheControl, "no-cache")
	return c.JSON(v.Halt())
}

// halted returns what tells of a buildspace whether it goes on.
func (a *App) halted(ctx context.Context, name string) (row store.BuildspaceRow, v views.Iteration, err error) {
	row, err = a.Store.Buildspace(ctx, name)
	if err != nil {
		return row, v, err
	}
	v = a.buildspaceView(row)
	it := row.Latest
	if it == nil {
		return row, v, nil
	}
	blocked, err := a.Store.Blocked(ctx, []store.IterationRow{*it})
	if err != nil {
		return row, v, err
	}
	v.Number, v.Status, v.Counts = it.Number, it.Status(), it.Counts.Shown(blocked[it.ID].Builds)
	blockers, err := a.Store.Blockers(ctx, it.ID, pageBlockers)
	if err != nil {
		return row, v, err
	}
	for _, b := range blockers {
		v.Blockers = append(v.Blockers, views.Blocker{Build: buildLink(b.Build), Blocks: b.Blocks})
	}
	return row, v, nil
}

// byItself returns the causes of changes that follow from other changes: there are
// thousands, and nobody made them.
func byItself() []buildbtw.Cause { return []buildbtw.Cause{buildbtw.CausePlanned, buildbtw.CauseReady} }

// buildspaceView returns what the page shows of a buildspace without an iteration.
func (a *App) buildspaceView(row store.BuildspaceRow) views.Iteration {
	v := views.Iteration{
		Buildspace: row.Name, Stopped: row.Status == buildbtw.BuildspaceStopped, Settings: row.Settings,
		Created: a.moment(row.CreatedAt), CreatedBy: row.CreatedBy, Status: buildbtw.IterationStatusCalculating,
	}
	v.Lost = row.Lost
	if row.Wanted != "" {
		v.Wanted = reasonWords(row.Wanted, row.WantedText)
	}
	if row.Latest != nil {
		v.Latest = row.Latest.Number
	}
	for _, changeset := range row.Changesets {
		v.Changesets = append(v.Changesets, views.IterationChangeset{Source: changeset.Source, Ref: changeset.Ref})
	}
	return v
}

// reasonWords returns why an iteration is made: the recorded text, else words for the
// kind of reason.
func reasonWords(reason buildbtw.IterationReason, text string) string {
	if text != "" {
		return strings.TrimSuffix(text, ".")
	}
	switch reason {
	case buildbtw.IterationCreated:
		return "the buildspace was created"
	case buildbtw.IterationPushed:
		return "a changeset moved"
	case buildbtw.IterationEdited:
		return "changesets or settings were edited"
	case buildbtw.IterationRequested:
		return "started by a packager"
	case buildbtw.IterationStarted:
		return "the buildspace was started again"
	case buildbtw.IterationFollowed:
		return "the graph changed"
	}
	return string(reason)
}

// addPacman adds how machines use the iteration's repository, and the latest one.
func (a *App) addPacman(ctx context.Context, v *views.Iteration, row store.IterationRow) error {
	v.Pacman = a.pacmanView(row.Buildspace, row.Bump, buildbtw.RepositoryName(row.Buildspace, row.Number))
	_, complete, err := a.Store.LatestRepository(ctx, row.Buildspace)
	if err == nil && complete != 0 {
		latest := a.pacmanView(row.Buildspace, row.Bump, pacmanrepo.Latest(row.Buildspace))
		v.LatestPacman = &latest
	}
	return err
}

// addIteration adds what the planner wrote about an iteration, the failures that
// block most builds, and the forecast. fix are the builds of which it is asked what
// fixing them is worth.
func (a *App) addIteration(ctx context.Context, v *views.Iteration, number int, fix [][]byte) error {
	row, err := a.Store.Iteration(ctx, v.Buildspace, number)
	if err != nil {
		return err
	}
	blocked, err := a.Store.Blocked(ctx, []store.IterationRow{row})
	if err != nil {
		return err
	}
	v.Number, v.Status, v.Error = row.Number, row.Status(), row.Error
	v.Counts, v.GivenUp = row.Counts.Shown(blocked[row.ID].Builds), blocked[row.ID].GivenUp
	verdicts, err := a.Store.Verdicts(ctx, row.ID)
	if err != nil {
		return err
	}
	v.Verdicts = verdicts[row.ID]
	v.ReasonText, v.Made = reasonWords(row.Reason, row.ReasonText), a.moment(row.CreatedAt)
	if row.Counts[buildbtw.StatusSkipped] > 0 {
		if v.Cancelled, err = a.Store.Cancelled(ctx, row.ID); err != nil {
			return err
		}
	}
	planned, err := a.Store.IterationChangesets(ctx, row.ID)
	if err != nil {
		return err
	}
	if len(planned) > 0 { // else there is no plan, and v has the changesets of the buildspace
		v.Changesets = nil
	}
	a.addChangesets(ctx, v, planned)
	warnings, err := a.Store.Warnings(ctx, row.ID)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		switch {
		case w.Kind == buildgraph.WarnUnreadable:
			v.Unreadable = append(v.Unreadable, w)
		case len(v.Others) < pageWarnings:
			v.Others = append(v.Others, w)
		default:
			v.OthersLeft++
		}
	}
	cuts, total, err := a.Store.Cuts(ctx, row.ID, listedCuts)
	if err != nil {
		return err
	}
	for _, cut := range cuts {
		v.Cuts = append(v.Cuts, views.NewCutLine(cut.From, cut.To, cut.Kinds.Names(), cut.Cycle))
	}
	v.CutsLeft = total - len(cuts)
	if v.Architectures, err = a.Store.Architectures(ctx, row.ID); err != nil {
		return err
	}
	if len(v.Architectures) > 0 && row.ArchivedAt == nil {
		if err := a.addPacman(ctx, v, row); err != nil {
			return err
		}
	}
	if row.State != buildbtw.IterationSuperseded { // nobody needs to fix the failures of one that is
		if err := a.addBlockers(ctx, v, row.ID, fix); err != nil {
			return err
		}
	}
	return errors.Join(a.addOverlaps(ctx, v, row), a.addForecast(ctx, v, row), a.addStay(ctx, v))
}

// addChangesets adds the changesets of an iteration with their commits.
func (a *App) addChangesets(ctx context.Context, v *views.Iteration, planned []buildgraph.PlannedChangeset) {
	wanted := make([]catalog.SourceCommit, len(planned))
	for i, p := range planned {
		wanted[i] = catalog.SourceCommit{Source: p.Source, Commit: p.Commit}
	}
	line := a.commitLines(ctx, wanted...)
	for _, p := range planned {
		v.Changesets = append(v.Changesets, views.IterationChangeset{Source: p.Source, Ref: p.Ref, Commit: line(p.Source, p.Commit)})
	}
}

// addBlockers adds the failed builds that block most, what fixing them is worth and
// how each can be fixed, and those that failed alike.
func (a *App) addBlockers(ctx context.Context, v *views.Iteration, iteration int64, fix [][]byte) error {
	blockers, err := a.Store.Blockers(ctx, iteration, maxBlockers)
	if err != nil {
		return err
	}
	v.BlockersMore = max(0, len(blockers)-pageBlockers)
	for _, b := range blockers[:len(blockers)-v.BlockersMore] {
		v.Blockers = append(v.Blockers, views.Blocker{Build: buildLink(b.Build), Blocks: b.Blocks, Frees: b.Frees})
	}
	if err := a.addFreed(ctx, v, iteration, blockers, fix); err != nil {
		return err
	}
	failed, err := a.Store.FixableBuilds(ctx, iteration)
	if err != nil {
		return err
	}
	fixable := a.fixable(ctx, failed)
	v.SameCauses = views.SameCauses(fixable)
	for i, b := range v.Blockers {
		at := slices.IndexFunc(fixable, func(f views.FixableBuild) bool { return f.Build.ID == b.Build.ID })
		if at >= 0 {
			v.Blockers[i].Fix = &fixable[at]
		}
	}
	return nil
}

// addFreed counts the builds that fixing the ticked blockers would free, and those that
// fixing all blockers would.
func (a *App) addFreed(ctx context.Context, v *views.Iteration, iteration int64, blockers []store.Blocker, fix [][]byte) (err error) {
	if len(v.Blockers) < 2 {
		return nil
	}
	var all, ticked []int64
	for _, b := range blockers {
		all = append(all, b.Build.ID)
	}
	for i, b := range v.Blockers {
		if slices.ContainsFunc(fix, func(id []byte) bool { return string(id) == strconv.FormatInt(b.Build.ID, 10) }) {
			ticked, v.Blockers[i].Ticked = append(ticked, b.Build.ID), true
		}
	}
	if v.Freed.All, err = a.Store.Freed(ctx, iteration, all); err != nil || len(ticked) == 0 {
		return err
	}
	v.Freed.Ticked, err = a.Store.Freed(ctx, iteration, ticked)
	return err
}

func (a *App) iterationLines(rows []store.IterationRow) []views.IterationLine {
	var lines []views.IterationLine
	for _, row := range rows {
		lines = append(lines, views.IterationLine{
			Number: row.Number, Status: row.Status(), ReasonText: reasonWords(row.Reason, row.ReasonText), Made: a.moment(row.CreatedAt),
		})
	}
	return lines
}

// events returns a part of the history as pages show it.
func (a *App) events(ctx context.Context, db *store.Reader, f store.EventFilter) ([]views.EventLine, error) {
	rows, err := db.Events(ctx, f)
	if err != nil {
		return nil, err
	}
	lines := a.eventLines(rows, f.BuildID == 0)
	return lines, a.addEventCommits(ctx, db, rows, lines)
}

// eventLines returns events as pages show them; with named each has a link to its
// build.
func (a *App) eventLines(rows []store.EventRow, named bool) []views.EventLine {
	lines := make([]views.EventLine, 0, len(rows))
	for _, row := range rows {
		line := views.EventLine{At: a.moment(row.At), Actor: row.Actor, From: row.From, To: row.To, Message: row.Message, Buildspace: row.Buildspace, Iteration: row.Iteration}
		if row.BuildID != 0 && named {
			line.Build = &views.BuildLink{ID: row.BuildID, Pkgbase: row.Pkgbase, Architecture: row.Architecture, Status: row.To}
		}
		lines = append(lines, line)
	}
	return lines
}

// addForecast adds when the iteration will be done, and how much work each failure
// blocks. An iteration that is over has only its burn-down chart.
func (a *App) addForecast(ctx context.Context, v *views.Iteration, row store.IterationRow) error {
	if row.Counts.Total() == 0 {
		return nil
	}
	f, err := a.Forecasts.Of(ctx, &a.Store.Reader, row, a.Now())
	if err != nil {
		return err
	}
	for _, p := range f.BurnDown {
		v.Forecast.BurnDown.Points = append(v.Forecast.BurnDown.Points, views.BurnPoint{At: p.At, Remaining: p.Remaining})
	}
	for _, s := range f.Stops {
		stop := views.BurnStop{At: a.moment(s.At), Builds: s.Blocked.Builds, Actor: s.Actor}
		if s.Build != 0 {
			link := buildLink(s.Blocked.Build)
			stop.Build = &link
		}
		v.Forecast.BurnDown.Stops = append(v.Forecast.BurnDown.Stops, stop)
	}
	if row.State != buildbtw.IterationReady {
		return nil
	}
	v.Forecast.Workers, v.Forecast.Remaining, v.Forecast.Blocked, v.Forecast.Known = f.Workers, f.Remaining, f.Blocked, f.Known
	if f.Seconds != nil {
		v.Forecast.Left, v.Forecast.Early, v.Forecast.Late = about(f.Seconds.Likely), about(f.Seconds.Early), about(f.Seconds.Late)
		v.Forecast.End = a.moment(roundEnd(f.At, f.Seconds.Likely))
		burn := &v.Forecast.BurnDown
		burn.Now, burn.Blocked = f.At.Truncate(time.Minute), f.Blocked
		burn.Early, burn.Likely, burn.Late = roundEnd(f.At, f.Seconds.Early), v.Forecast.End.At, roundEnd(f.At, f.Seconds.Late)
	}
	v.Forecast.ChainLeft, v.Forecast.BlockedWork = about(f.ChainSeconds), about(f.BlockedSeconds)
	v.Forecast.ChainMore = max(0, len(f.Chain)-pageChain)
	for _, step := range f.Chain[:min(len(f.Chain), pageChain)] {
		v.Forecast.Chain = append(v.Forecast.Chain, buildLink(step.Build))
	}
	for i, blocker := range v.Blockers {
		for _, work := range f.Blockers {
			if work.Build.ID == blocker.Build.ID {
				v.Blockers[i].Takes = about(work.Seconds)
			}
		}
	}
	return nil
}

// about returns an uncertain duration in words.
func about(seconds float64) string {
	return views.Approximately(time.Duration(seconds * float64(time.Second)))
}

// roundEnd returns the time so many seconds after now, as exactly as it is worth: a
// forecast moves a little with every build.
func roundEnd(now time.Time, seconds float64) time.Time {
	step := time.Minute
	switch {
	case seconds > 3*3600:
		step = 10 * time.Minute
	case seconds > 20*60:
		step = 5 * time.Minute
	}
	return now.Add(time.Duration(seconds * float64(time.Second))).Round(step)
}

// tookSoFar returns in words the duration of a build's latest attempt; empty without one.
func (a *App) tookSoFar(b store.BuildRow) string {
	d := b.Took(a.Now())
	switch {
	case d == 0:
		return ""
	case b.Status == buildbtw.StatusBuilding:
		return views.Took(d) + " so far"
	}
	return views.Took(d)
}

func took(seconds float64) string {
	return views.Took(time.Duration(seconds * float64(time.Second)))
}

// diffKey names the two iterations of a diff.
type diffKey struct {
	buildspace string
	from, to   int
}

// diff compares two iterations of a buildspace.
func (a *App) diff(ctx context.Context, buildspace string, from, to int) (views.Diff, error) {
	key := diffKey{buildspace, from, to}
	if diff, ok := a.diffs.Get(key); ok {
		return diff, nil
	}
	d, err := a.Store.Diff(ctx, buildspace, from, to)
	if err != nil {
		return views.Diff{}, err
	}
	diff := views.Diff{From: d.From, To: d.To}
	for _, arch := range slices.Sorted(maps.Keys(d.Architectures)) {
		changes := d.Architectures[arch]
		one := views.DiffArch{
			Architecture: arch, Added: changes.Added, Removed: changes.Removed,
			EdgesAdded: len(changes.EdgesAdded), EdgesRemoved: len(changes.EdgesRemoved),
		}
		for _, c := range changes.Changed {
			one.Changed = append(one.Changed, views.DiffChange{
				Pkgbase: c.Pkgbase, Source: c.Source, FromCommit: c.FromCommit, ToCommit: c.ToCommit, FromVersion: c.FromVersion, ToVersion: c.ToVersion,
			})
		}
		diff.Architectures = append(diff.Architectures, one)
	}
	a.diffs.Put(key, diff)
	return diff, nil
}
