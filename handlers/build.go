package handlers

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/buildlog"
	"buildbtw/catalog"
	"buildbtw/internal/reproduce"
	"buildbtw/progress"
	"buildbtw/store"
	"buildbtw/views"
)

const (
	maxBlockers       = 500 // failures of an iteration that are read to count what each of them blocks
	pageNeighbours    = 30  // builds of either side that the page of a build names
	neighboursPerPage = 200 // builds on a page of one side
	pageCuts          = 20  // ignored cycle edges at either end of a build
	explainedAttempts = 3   // newest attempts, shown with the first error line of their log
	pageHistory       = 50  // events of a build
)

// clock is a time of today as pages write it.
func clock(t time.Time) string { return t.UTC().Format("15:04:05 UTC") }

// buildPage shows a build with its attempts, neighbours, packages and history.
func (a *App) buildPage(c *fiber.Ctx) error {
	id, err := buildbtw.ParseBuildID(c.Params("id"))
	if err != nil {
		return err
	}
	row, err := a.Store.Build(c.UserContext(), id)
	if err != nil {
		return err
	}
	w := watched{topics: []string{topicOf(row)}, seconds: 3, period: time.Minute} // what it waits for are other builds; how long it takes, and when it starts, change with time
	mayChange := a.Auth.MayChangeBuild(c.UserContext(), user(c), id)
	return a.renderLive(c, w, func() (*livePage, error) {
		var row store.BuildRow
		var v views.BuildDetail
		err := a.Store.Snapshot(c.UserContext(), func(db *store.Reader) (err error) {
			if row, err = db.Build(c.UserContext(), id); err != nil {
				return err
			}
			v, err = a.buildView(c.UserContext(), db, row)
			return err
		})
		if err != nil {
			return nil, err
		}
		place, err := a.Forecasts.Place(c.UserContext(), a.Store, row, a.Now())
		if err != nil {
			return nil, err
		}
		v.Queue = a.queuePlace(row, place)
		v.Actions = buildActions(mayChange, a.Store.CanCompare(), row.Build, v.Newer != nil)
		if user(c).MayAdminister() == nil && len(v.Attempts) > 0 && v.Attempts[0].State == buildbtw.AttemptPublishing {
			v.Actions = append(v.Actions, views.BuildAction{Label: "Abandon publication", URL: views.BuildURL(id) + "/abandon", Class: "button danger"})
		}
		s := a.shell(c, views.NavBuildspaces, v.Title())
		s.Crumbs = views.BuildCrumbs(v.BuildLink, v.Buildspace, v.Iteration, views.Crumb{Label: v.Name()})
		if v.OfBase || v.Second {
			v.Actions, v.Chain = nil, nil // it was added by the server
		}
		s.Mood = views.BuildMood(v.Status)
		s.Preview = a.preview(views.BuildURL(id), v.Summary())
		return &livePage{shell: s, parts: v.Parts(), content: views.BuildContent(v)}, nil
	})
}

// changeBuild calls change for the build that the path names, wakes the
// scheduler, and redirects to the build's page, which begins with what was done.
func (a *App) changeBuild(change func(ctx context.Context, actor string, id int64) (store.BuildRow, error), done string) fiber.Handler {
	return func(c *fiber.Ctx) error {
		id, err := buildbtw.ParseBuildID(c.Params("id"))
		if err != nil {
			return err
		}
		row, err := change(c.UserContext(), user(c).Name, id)
		if err != nil {
			return err
		}
		a.Wake()
		return a.seeOtherWith(c, views.BuildURL(id), buildWord(row, done))
	}
}

// buildActions returns the buttons of a build; one that is not allowed now has the
// reason. mayChange is why whoever looks may change nothing of it, and canCompare why nothing
// is compared here, or nil.
// newer is whether something was pushed to its source since it failed: then a retry, which
// builds the old commit, is not what people want first.
func buildActions(mayChange, canCompare error, b buildbtw.Build, newer bool) []views.BuildAction {
	url := views.BuildURL(b.ID)
	compare := views.BuildAction{Label: "Compare with the base", URL: url + "/baseline", Class: "button", WhyNot: whyNot(mayChange, canCompare, b.CanCompare())}
	retry := views.BuildAction{Label: "Retry", URL: url + "/retry", Class: "button primary", WhyNot: whyNot(mayChange, b.CanRetry())}
	fix := views.BuildAction{Label: "Build with my fix", URL: url + "/fix", Class: "button", WhyNot: whyNot(mayChange, b.CanFix())}
	if newer {
		retry.Label, retry.Class, fix.Class = "Retry the old commit", "button", "button primary"
	}
	return []views.BuildAction{
		fix, retry, compare,
		{Label: "Rebuild this and its dependents", URL: url + "/rebuild", Class: "button", WhyNot: whyNot(mayChange, b.CanRebuild())},
		{Label: "Cancel", URL: url + "/cancel", Class: "button danger", WhyNot: whyNot(mayChange, b.CanCancel())},
	}
}

// whyNot returns the message of the first error, or nothing.
func whyNot(rules ...error) string {
	for _, err := range rules {
		if err != nil {
			return buildbtw.MessageOf(err)
		}
	}
	return ""
}

// buildView reads everything that the page of a build shows from one snapshot.
func (a *App) buildView(ctx context.Context, db *store.Reader, row store.BuildRow) (views.BuildDetail, error) {
	v := views.BuildDetail{
		BuildLink: linkOf(row), Buildspace: row.Buildspace, Iteration: row.Iteration, Source: row.Source,
		Version: row.VersionWords(), Pkgnames: row.Pkgnames, NotOwned: row.NotOwned, Level: row.Level, NoCheck: row.NoCheck,
		First: row.RepeatOf, TwinOf: row.TwinOf, Changed: a.moment(row.ChangedAt), Retry: row.RetryWords(row.LastTry, a.Now(), clock),
		Held: row.Held.String(), Reproduce: a.recipes(row),
	}
	commit := cmp.Or(row.SourceCommit, row.Commit)
	v.Commit = a.commitLines(ctx, catalog.SourceCommit{Source: row.Source, Commit: commit})(row.Source, commit)
	v.Times.Started, v.Times.Finished = a.momentOf(row.StartedAt), a.momentOf(row.FinishedAt)
	v.Times.Took, v.Times.TimesUsual = a.tookSoFar(row), row.TimesUsual(row.Usual(), a.Now())
	if row.Status.Running() {
		v.Times.Finished = views.Moment{} // that of the attempt before
	}
	if row.UsualSeconds > 0 {
		v.Times.Usual = took(row.UsualSeconds)
	}
	if row.ReusedFrom != 0 && row.Status == buildbtw.StatusBuilt {
		from, err := db.Build(ctx, row.ReusedFrom)
		if err != nil {
			return v, err
		}
		v.Reused = &views.ReusedBuild{ID: from.ID, Buildspace: from.Buildspace, Iteration: from.Iteration, SameInput: row.InputKey != ""}
	}
	for _, add := range []func(context.Context, *store.Reader, *views.BuildDetail, store.BuildRow) error{
		a.addCauses, a.addNeighbours, a.addAttempts, a.addFailure, a.addBaselineCheck, a.addSince, a.addPackages, a.addChecks,
	} {
		if err := add(ctx, db, &v, row); err != nil {
			return v, err
		}
	}
	var err error
	v.Events, err = a.events(ctx, db, store.EventFilter{BuildID: v.ID, Limit: pageHistory, Newest: true})
	return v, err
}

// startsSoon is the time before its start from which a build is said to start soon.
const startsSoon = time.Minute

// queuePlace returns where a pending build stands among those that wait for a machine.
func (a *App) queuePlace(row store.BuildRow, p *progress.Place) *views.QueuePlace {
	if p == nil {
		return nil
	}
	v := views.QueuePlace{Number: p.Number, Of: p.Of, Higher: p.Higher, Why: p.Why}
	if p.Number > 0 {
		wait := p.Start.Sub(a.Now())
		v.More, v.Soon, v.Start = p.Number-1-len(p.Before), wait < startsSoon, a.moment(roundEnd(a.Now(), wait.Seconds()))
	}
	for _, b := range p.Before {
		line := views.QueuedBuild{BuildLink: views.BuildLink{ID: b.ID, Pkgbase: b.Pkgbase, Architecture: b.Architecture, Stage: b.Stage, Status: buildbtw.StatusPending}}
		if b.Buildspace != row.Buildspace {
			line.Buildspace = b.Buildspace
		}
		v.Before = append(v.Before, line)
	}
	return &v
}

// addCauses adds how many builds a failed one blocks, the root causes of a blocked
// one, with how many each of them blocks, and why the build is in the iteration.
func (a *App) addCauses(ctx context.Context, db *store.Reader, v *views.BuildDetail, row store.BuildRow) error {
	if row.Status == buildbtw.StatusFailed || len(row.RootCauses) > 0 {
		blockers, err := db.Blockers(ctx, row.IterationID, maxBlockers)
		if err != nil {
			return err
		}
		blocks := map[int64]int{}
		for _, b := range blockers {
			blocks[b.Build.ID] = b.Blocks
			if b.Build.ID == v.ID {
				v.Blocks, v.Frees = b.Blocks, b.Frees
			}
		}
		for _, r := range row.RootCauses {
			v.Roots = append(v.Roots, views.RootCause{BuildLink: buildLink(r), Blocks: blocks[r.ID]})
		}
	}
	stuck, err := db.BlockedBuilds(ctx, row.IterationID)
	if err != nil {
		return err
	}
	chain, err := db.ReasonChain(ctx, v.ID)
	for _, step := range chain {
		v.Chain = append(v.Chain, views.ReasonLink{BuildLink: buildLink(step.BuildRef, stuck...), Reason: step.Reason.String()})
	}
	return err
}

// addNeighbours adds a build's dependencies and dependents, which of them it waits
// for, and the edges that were ignored because they close a cycle.
func (a *App) addNeighbours(ctx context.Context, db *store.Reader, v *views.BuildDetail, row store.BuildRow) (err error) {
	for _, side := range []struct {
		side store.Side
		list *views.NeighbourList
	}{{store.SideDependencies, &v.Dependencies}, {store.SideDependents, &v.Dependents}} {
		if *side.list, _, err = a.neighbours(ctx, db, row.IterationID, store.NeighbourFilter{BuildID: v.ID, Side: side.side, Limit: pageNeighbours}); err != nil {
			return err
		}
	}
	if row.Status == buildbtw.StatusBlocked {
		dependencies, err := db.Dependencies(ctx, v.ID)
		if err != nil {
			return err
		}
		stuck, err := db.BlockedBuilds(ctx, row.IterationID)
		if err != nil {
			return err
		}
		for _, d := range dependencies {
			if !d.Status.Satisfies(d.SkipReason) && len(v.WaitingFor) < pageNeighbours {
				v.WaitingFor = append(v.WaitingFor, buildLink(d.BuildRef, stuck...))
			}
		}
	}
	to, err := db.BuildCuts(ctx, v.ID)
	if err != nil {
		return err
	}
	from, err := db.CutsFrom(ctx, v.ID)
	v.Cuts, v.CutsFrom = cutLines(to), cutLines(from)
	return err
}

func cutLines(cuts []store.BuildCut) []views.CutLine {
	var lines []views.CutLine
	for _, cut := range cuts[:min(len(cuts), pageCuts)] {
		lines = append(lines, views.NewCutLine(cut.From.Pkgbase, cut.To.Pkgbase, cut.Kinds.Names(), cut.Cycle))
	}
	return lines
}

// addAttempts adds the attempts, newest first, the end of the newest one's log, and
// the pipelines that GitLab was asked for.
func (a *App) addAttempts(ctx context.Context, db *store.Reader, v *views.BuildDetail, row store.BuildRow) error {
	attempts, err := db.Attempts(ctx, v.ID)
	if err != nil {
		return err
	}
	for i, t := range attempts {
		size, err := a.Logs.Size(ctx, t.Name())
		if err != nil {
			return err
		}
		end := a.Now()
		if t.FinishedAt != nil {
			end = *t.FinishedAt
		}
		line := views.AttemptLine{
			Number: t.Number, Worker: t.Worker, Runner: t.Runner, State: t.State, Outcome: t.Outcome, Message: t.Message, OfBase: v.OfBase,
			Started: a.moment(t.StartedAt), Finished: a.momentOf(t.FinishedAt), Took: views.Took(end.Sub(t.StartedAt)),
			LogURL: views.LogURL(t.BuildID, t.Number), LogBytes: size,
		}
		if i == 0 && t.KeptUntil != nil && t.KeptUntil.After(a.Now()) { // the shell is that of the newest
			line.Kept, line.Build = a.moment(*t.KeptUntil), strconv.FormatInt(t.BuildID, 10)
		}
		if i < explainedAttempts {
			a.explain(ctx, &line, t)
		}
		v.Attempts = append(v.Attempts, line)
	}
	if len(attempts) > 0 {
		v.NotChecked = attempts[0].NotChecked
		switch gone := a.logGone(ctx, db, attempts[0], row); {
		case buildbtw.KindOf(gone) == buildbtw.KindNotFound && gone != nil:
			v.LogGone = buildbtw.MessageOf(gone)
		case gone != nil:
			return gone
		default:
			v.Log, err = a.logEnd(ctx, attempts[0])
			switch kind := buildbtw.KindOf(err); {
			case err == nil:
			case kind == buildbtw.KindUnavailable || kind == buildbtw.KindNotFound: // it lies in object storage
				v.LogGone = buildbtw.MessageOf(err)
			default:
				return err
			}
		}
	}
	pipelines, err := db.BuildPipelines(ctx, v.ID)
	for _, p := range pipelines {
		v.Pipelines = append(v.Pipelines, views.PipelineLine{
			Number: p.Number, Project: p.Project, State: p.State, Status: p.Status, Message: p.Message,
			URL: p.URL, JobURL: p.JobURL(), CommitURL: p.CommitURL(cmp.Or(row.SourceCommit, row.Commit)), Created: a.moment(p.CreatedAt),
		})
	}
	return err
}

// errorContext is how many lines before and after the one that says why it failed the page of a
// build quotes.
const errorContext = 2

// addFailure adds why a failed build failed, by its log, and what was pushed to its source since.
func (a *App) addFailure(ctx context.Context, db *store.Reader, v *views.BuildDetail, row store.BuildRow) error {
	if row.Status != buildbtw.StatusFailed || len(v.Attempts) == 0 {
		return nil
	}
	failed, err := db.FixableBuildsOf(ctx, []int64{row.ID})
	if err != nil {
		return err
	}
	if f, ok := failed[row.ID]; ok {
		v.Newer = a.fixable(ctx, []store.FixableBuild{f})[0].Newer
	}
	attempts, err := db.Attempts(ctx, row.ID)
	if err != nil {
		return err
	}
	log, err := a.Logs.View(ctx, attempts[0].Name())
	if err != nil {
		return nil // the page is shown without it
	}
	defer log.Close()
	e := row.FirstError
	if m, ok := log.Cause(); ok && e.Line == 0 { // it failed before the server stored this
		e = store.FirstError{Attempt: attempts[0].Number, Line: m.Line, Text: m.Text}
	}
	if v.FirstError = errorLink(row.ID, e); v.FirstError == nil {
		return nil
	}
	lines, _ := log.From(max(1, e.Line-errorContext), 2*errorContext+1) // without them when they cannot be read
	for _, l := range lines {
		v.ErrorLines = append(v.ErrorLines, views.QuotedLine{Text: buildlog.Excerpt(l.Text), Error: l.Number == e.Line})
	}
	if len(lines) == 0 {
		v.ErrorLines = []views.QuotedLine{{Text: e.Text, Error: true}}
	}
	return nil
}

// addBaselineCheck adds whose fault it is that the build failed, and the build on the base alone
// that says so.
func (a *App) addBaselineCheck(ctx context.Context, db *store.Reader, v *views.BuildDetail, row store.BuildRow) error {
	a.Store.AddWhyNotCompared(&row)
	v.BaselineCheck = views.BaselineCheck{Words: row.VerdictWords(), Comparing: row.Comparing, NotCompared: row.NotCompared}
	if row.BaselineBuild == 0 {
		return nil
	}
	base, err := db.Build(ctx, row.BaselineBuild)
	if err != nil {
		return err
	}
	link := linkOf(base)
	v.BaselineCheck.Base, v.BaselineCheck.BaseError = &link, errorLink(base.ID, base.FirstError)
	return nil
}

// addSince adds the packages that changed since the build's package was last built.
func (a *App) addSince(ctx context.Context, db *store.Reader, v *views.BuildDetail, row store.BuildRow) error {
	since, err := a.Catalog.SinceBuilt(ctx, db, row)
	if since == nil || err != nil {
		return err
	}
	v.Since = &views.SinceBuilt{
		Last: a.resultLink(since.Last), FirstFailure: a.resultLink(since.FirstFailure), Commit: v.Commit,
		Recorded: since.Recorded(), Packages: since.Packages,
	}
	v.Since.First = since.FirstFailure != nil && since.FirstFailure.BuildID == row.ID
	if since.Last != nil && since.Last.Commit != since.This.Commit {
		before := a.commitLines(ctx, catalog.SourceCommit{Source: row.Source, Commit: since.Last.Commit})(row.Source, since.Last.Commit)
		v.Since.Before, v.Since.Span = &before, a.commitSpan(ctx, row.Source, since.Last.Commit, since.This.Commit)
	}
	return nil
}

func (a *App) resultLink(t *store.EndedAttempt) *views.ResultLink {
	if t == nil {
		return nil
	}
	return &views.ResultLink{BuildID: t.BuildID, Buildspace: t.Buildspace, Iteration: t.Iteration, At: a.moment(t.FinishedAt)}
}

// explain adds the first error line of a failed attempt's log. When the
// log cannot be read, the page is shown without it.
func (a *App) explain(ctx context.Context, line *views.AttemptLine, t buildbtw.Attempt) {
	if t.Outcome != buildbtw.OutcomeFailed || line.LogBytes == 0 {
		return
	}
	log, err := a.Logs.View(ctx, t.Name())
	if err != nil {
		return
	}
	defer log.Close()
	if m, ok := log.Cause(); ok {
		line.FirstError, line.FirstErrorURL = m.Text, line.LogURL+"#L"+strconv.FormatInt(m.Line, 10)
	}
}

// neighbourPage lists all dependencies or dependents of a build, page by page.
func (a *App) neighbourPage(side store.Side) fiber.Handler {
	return func(c *fiber.Ctx) error {
		id, err := buildbtw.ParseBuildID(c.Params("id"))
		if err != nil {
			return err
		}
		row, err := a.Store.Build(c.UserContext(), id)
		if err != nil {
			return err
		}
		w := watched{topics: []string{topicOf(row)}, query: []string{"status", "cursor"}, seconds: 5}
		return a.renderLive(c, w, func() (*livePage, error) {
			f := store.NeighbourFilter{
				BuildID: row.ID, Side: side, Status: buildbtw.Status(c.Query("status")), Cursor: c.Query("cursor"), Limit: neighboursPerPage,
			}
			list, next, err := a.neighbours(c.UserContext(), &a.Store.Reader, row.IterationID, f)
			if err != nil {
				return nil, err
			}
			v := views.NeighbourPage{
				Build: views.BuildDetail{BuildLink: linkOf(row), Buildspace: row.Buildspace, Iteration: row.Iteration},
				List:  list, Status: f.Status, First: firstPage(c, f.Cursor), Next: nextPage(c, next),
			}
			s := a.shell(c, views.NavBuildspaces, v.Title())
			s.Crumbs = views.BuildCrumbs(v.Build.BuildLink, row.Buildspace, row.Iteration,
				views.Crumb{Label: v.Build.Name(), URL: views.BuildURL(row.ID)}, views.Crumb{Label: v.List.Title})
			return onePart(s, views.NeighbourContent(v)), nil
		})
	}
}

// neighbours returns a page of the dependencies or dependents of a build of an
// iteration, and the cursor of the next page.
func (a *App) neighbours(ctx context.Context, db *store.Reader, iteration int64, f store.NeighbourFilter) (list views.NeighbourList, next string, err error) {
	list = views.NeighbourList{
		ID: "h-" + string(f.Side), Title: "Builds that need it", URL: views.BuildURL(f.BuildID) + "/" + string(f.Side),
	}
	if f.Side == store.SideDependencies {
		list.Title = "Dependencies in this iteration"
	}
	stuck, err := db.BlockedBuilds(ctx, iteration)
	if err != nil {
		return list, "", err
	}
	f.Stuck = stuck
	page, err := db.Neighbours(ctx, f)
	list.Counts = page.Counts
	for _, n := range page.Rows {
		list.Lines = append(list.Lines, views.NeighbourLine{BuildLink: buildLink(n.BuildRef, stuck...), Kinds: n.Kinds.Names(), Through: n.Through})
	}
	return list, page.Next, err
}

// recipes returns commands that build again what the build builds, for people. Those of a second build are
// on the page of the first.
func (a *App) recipes(row store.BuildRow) []views.Recipe {
	if row.RepeatOf != 0 {
		return nil
	}
	id := strconv.FormatInt(row.ID, 10)
	b := reproduce.Of(row, a.Settings.ServerURL, apiPrefix)
	line := []string{"bbtw reproduce " + id, "bbtw why " + id, "bbtw log " + id, "bbtw download " + id, "bbtw retry " + id}
	if row.BaselineID != 0 { // nothing is published of it, and nobody retries it
		line = []string{"bbtw reproduce " + id, "bbtw log " + id}
	}
	return []views.Recipe{
		{ID: "recipe-chroot", Title: "In a clean chroot, with devtools", Commands: b.Devtools()},
		{ID: "recipe-makepkg", Title: "With makepkg, on a machine for tests", Commands: b.Makepkg()},
		{ID: "recipe-vm", Title: "In a virtual machine, with vmexec", Commands: b.VM()},
		{ID: "recipe-bbtw", Title: "From the command line", Commands: strings.Join(line, "\n")},
	}
}
