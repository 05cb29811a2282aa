package handlers

import (
	"context"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/views"
)

// buildPage shows all that is known of a build.
func (a *App) buildPage(c *fiber.Ctx) error {
	id, err := buildbtw.ParseBuildID(c.Params("id"))
	if err != nil {
		return err
	}
	row, err := a.Store.Build(c.UserContext(), id)
	if err != nil {
		return err
	}
	w := watched{topics: []string{topicBuildspace(row.Buildspace)}, seconds: 3} // what it waits for are other builds
	return a.renderLive(c, w, func() (*livePage, error) { return a.buildLive(c, id) })
}

func (a *App) buildLive(c *fiber.Ctx, id int64) (*livePage, error) {
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
	v.Actions = buildActions(user(c), row.Build)
	s := a.shell(c, views.NavBuildspaces, v.Title())
	s.Crumbs = views.IterationCrumbs(v.Buildspace, v.Iteration, views.Crumb{Label: v.Name()})
	s.Mood = views.BuildMood(v.Status)
	s.Preview = a.preview(views.BuildURL(id), v.Summary())
	return &livePage{shell: s, parts: v.Parts(), content: views.BuildContent(v)}, nil
}

// changeBuild does something to a build, and leads back to its page.
func (a *App) changeBuild(change func(ctx context.Context, actor string, id int64) (store.BuildRow, error)) fiber.Handler {
	return func(c *fiber.Ctx) error {
		id, err := buildbtw.ParseBuildID(c.Params("id"))
		if err != nil {
			return err
		}
		if _, err := change(c.UserContext(), user(c).Name, id); err != nil {
			return err
		}
		a.Wake()
		return seeOther(c, views.BuildURL(id))
	}
}

// buildActions lists what can be done to a build, with the reasons why not.
func buildActions(u buildbtw.User, b buildbtw.Build) []views.BuildAction {
	url := views.BuildURL(b.ID)
	actions := []views.BuildAction{
		{Label: "Retry", URL: url + "/retry", Class: "button primary", WhyNot: whyNot(u.MayChange(), b.CanRetry())},
		{Label: "Rebuild this and its dependents", URL: url + "/rebuild", Class: "button", WhyNot: whyNot(u.MayChange(), b.CanRebuild())},
		{Label: "Cancel", URL: url + "/cancel", Class: "button danger", WhyNot: whyNot(u.MayChange(), b.CanCancel())},
	}
	return actions
}

// whyNot gives the words of the first rule that forbids something.
func whyNot(rules ...error) string {
	for _, err := range rules {
		if err != nil {
			return buildbtw.MessageOf(err)
		}
	}
	return ""
}

// buildView gathers what the page shows, from one snapshot.
func (a *App) buildView(ctx context.Context, db *store.Reader, row store.BuildRow) (views.BuildDetail, error) {
	v := views.BuildDetail{
		BuildLink: linkOf(row.Build), Buildspace: row.Buildspace, Iteration: row.Iteration, Source: row.Source,
		Commit: row.Commit, Version: row.Version, Pkgnames: row.Pkgnames, Level: row.Level, NoCheck: row.NoCheck,
		TwinOf: row.TwinOf, Changed: a.moment(row.ChangedAt), NotBefore: a.momentOf(row.NotBefore),
		Held: row.Held.String(), Reproduce: a.recipes(row),
	}
	fill := []func(context.Context, *store.Reader, *views.BuildDetail, store.BuildRow) error{
		a.addTimes, a.addReused, a.addRoots, a.addChain, a.addNeighbours, a.addCuts, a.addAttempts, a.addPipelines, a.addPackages, a.addHistory,
	}
	for _, f := range fill {
		if err := f(ctx, db, &v, row); err != nil {
			return v, err
		}
	}
	return v, nil
}

func (a *App) addTimes(ctx context.Context, db *store.Reader, v *views.BuildDetail, row store.BuildRow) error {
	v.Times.Started, v.Times.Finished = a.momentOf(row.StartedAt), a.momentOf(row.FinishedAt)
	switch {
	case row.StartedAt == nil:
	case row.Status.Running():
		v.Times.Finished = views.Moment{} // that of the attempt before
		v.Times.Took = views.Took(a.Now().Sub(*row.StartedAt)) + " so far"
	case row.FinishedAt != nil:
		v.Times.Took = views.Took(row.FinishedAt.Sub(*row.StartedAt))
	}
	seconds, known, err := db.Duration(ctx, row.Pkgbase, row.Architecture)
	if known {
		v.Times.Usual = took(seconds)
	}
	return err
}

// addReused names the earlier build whose packages a build has.
func (a *App) addReused(ctx context.Context, db *store.Reader, v *views.BuildDetail, row store.BuildRow) error {
	if row.ReusedFrom == 0 || row.Status != buildbtw.StatusBuilt {
		return nil
	}
	from, err := db.Build(ctx, row.ReusedFrom)
	if err != nil {
		return err
	}
	v.Reused = &views.ReusedBuild{ID: from.ID, Buildspace: from.Buildspace, Iteration: from.Iteration, SameInput: row.InputKey != ""}
	return nil
}

// addRoots names the root causes of a blocked build, with how many builds each
// of them blocks.
func (a *App) addRoots(ctx context.Context, db *store.Reader, v *views.BuildDetail, row store.BuildRow) error {
	if len(row.RootCauses) == 0 {
		return nil
	}
	blockers, err := db.Blockers(ctx, row.IterationID, maxBlockers)
	if err != nil {
		return err
	}
	blocks := map[int64]int{}
	for _, b := range blockers {
		blocks[b.Build.ID] = b.Blocks
	}
	for _, r := range row.RootCauses {
		v.Roots = append(v.Roots, views.RootCause{BuildLink: buildLink(r), Blocks: blocks[r.ID]})
	}
	return nil
}

// maxBlockers is how many of an iteration's failures are looked at for what
// they hold.
const maxBlockers = 500

func (a *App) addChain(ctx context.Context, db *store.Reader, v *views.BuildDetail, _ store.BuildRow) error {
	chain, err := db.ReasonChain(ctx, v.ID)
	for _, step := range chain {
		v.Chain = append(v.Chain, views.ReasonLink{BuildLink: buildLink(step.BuildRef), Reason: step.Reason.String()})
	}
	return err
}

// pageNeighbours is how many builds of either side the page of a build names.
const pageNeighbours = 30

func (a *App) addNeighbours(ctx context.Context, db *store.Reader, v *views.BuildDetail, row store.BuildRow) (err error) {
	for _, side := range []struct {
		side store.Side
		list *views.NeighbourList
	}{{store.SideDependencies, &v.Dependencies}, {store.SideDependents, &v.Dependents}} {
		if *side.list, _, err = a.neighbours(ctx, db, store.NeighbourFilter{BuildID: v.ID, Side: side.side, Limit: pageNeighbours}); err != nil {
			return err
		}
	}
	if row.Status != buildbtw.StatusBlocked {
		return nil
	}
	dependencies, err := db.Dependencies(ctx, v.ID)
	for _, d := range dependencies {
		if !d.Status.Satisfies(d.SkipReason) && len(v.WaitingFor) < pageNeighbours {
			v.WaitingFor = append(v.WaitingFor, buildLink(d.BuildRef))
		}
	}
	return err
}

func (a *App) addCuts(ctx context.Context, db *store.Reader, v *views.BuildDetail, _ store.BuildRow) error {
	to, err := db.BuildCuts(ctx, v.ID)
	if err != nil {
		return err
	}
	from, err := db.CutsFrom(ctx, v.ID)
	v.Cuts, v.CutsFrom = cutLines(to), cutLines(from)
	return err
}

// pageCuts bounds the cut edges at either end of a build that the page shows.
const pageCuts = 20

func cutLines(cuts []store.BuildCut) []views.CutLine {
	var lines []views.CutLine
	for _, cut := range cuts[:min(len(cuts), pageCuts)] {
		lines = append(lines, views.NewCutLine(cut.From.Pkgbase, cut.To.Pkgbase, cut.Kinds.Names(), cut.Cycle))
	}
	return lines
}

// addAttempts lists attempts, newest first, and the end of the newest one's log.
func (a *App) addAttempts(ctx context.Context, db *store.Reader, v *views.BuildDetail, _ store.BuildRow) error {
	attempts, err := db.Attempts(ctx, v.ID)
	if err != nil {
		return err
	}
	for _, t := range attempts {
		line, err := a.attemptLine(t)
		if err != nil {
			return err
		}
		v.Attempts = append(v.Attempts, line)
	}
	for i := range attempts[:min(len(attempts), explainedAttempts)] {
		a.explain(ctx, &v.Attempts[i], attempts[i])
	}
	if len(attempts) > 0 {
		v.Log, err = a.logEnd(attempts[0])
	}
	return err
}

// addPipelines lists what GitLab was asked for, newest first.
func (a *App) addPipelines(ctx context.Context, db *store.Reader, v *views.BuildDetail, row store.BuildRow) error {
	pipelines, err := db.BuildPipelines(ctx, v.ID)
	for _, p := range pipelines {
		v.Pipelines = append(v.Pipelines, views.PipelineLine{
			Number: p.Number, Project: p.Project, State: p.State, Status: p.Status, Message: p.Message,
			URL: p.URL, JobURL: p.JobURL(), CommitURL: p.CommitURL(row.Commit), Created: a.moment(p.CreatedAt),
		})
	}
	return err
}

// explainedAttempts is how many of a build's attempts are shown with the line of
// their log that looks like the cause.
const explainedAttempts = 3

// explain adds the first error line of a failed attempt's log. It is only a
// help: when the log cannot be read, the page does without.
func (a *App) explain(ctx context.Context, line *views.AttemptLine, t buildbtw.Attempt) {
	if t.Outcome != buildbtw.OutcomeFailed || line.LogBytes == 0 {
		return
	}
	log, err := a.Logs.View(ctx, t.ID)
	if err != nil {
		return
	}
	defer log.Close()
	if marks, _ := log.Errors(); len(marks) > 0 {
		line.FirstError, line.FirstErrorURL = marks[0].Text, line.LogURL+"#L"+strconv.FormatInt(marks[0].Line, 10)
	}
}

func (a *App) attemptLine(t buildbtw.Attempt) (views.AttemptLine, error) {
	size, err := a.Logs.Size(t.ID)
	if err != nil {
		return views.AttemptLine{}, err
	}
	end := a.Now()
	if t.FinishedAt != nil {
		end = *t.FinishedAt
	}
	return views.AttemptLine{
		Number: t.Number, Worker: t.Worker, Runner: t.Runner, State: t.State, Outcome: t.Outcome, Message: t.Message,
		Started: a.moment(t.StartedAt), Finished: a.momentOf(t.FinishedAt), Took: views.Took(end.Sub(t.StartedAt)),
		LogURL: views.LogURL(t.BuildID, t.Number), LogBytes: size,
	}, nil
}

// pageHistory is how many events of a build its page shows.
const pageHistory = 50

func (a *App) addHistory(ctx context.Context, db *store.Reader, v *views.BuildDetail, _ store.BuildRow) (err error) {
	v.Events, err = a.events(ctx, db, store.EventFilter{BuildID: v.ID, Limit: pageHistory, Newest: true})
	return err
}
