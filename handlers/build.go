package handlers

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/handlers/apiv1"
	"buildbtw/store"
	"buildbtw/views"
)

// buildPage shows all that is known of a build.
func (a *App) buildPage(c *fiber.Ctx) error {
	id, err := buildID(c)
	if err != nil {
		return err
	}
	row, err := a.Store.Build(c.UserContext(), id)
	if err != nil {
		return err
	}
	event, err := a.lastEvent(c, row.Buildspace) // what it waits for is other builds' state
	if err != nil {
		return err
	}
	if a.unchanged(c, event) {
		return notModified(c)
	}
	v, err := a.buildView(c.UserContext(), row)
	if err != nil {
		return err
	}
	if user(c).MayChange() != nil {
		v.CanRetry, v.CanCancel, v.CanRebuild = false, false, false
	}
	s := a.shell(c, views.NavBuildspaces, v.Title())
	s.Crumbs = views.IterationCrumbs(v.Buildspace, v.Iteration, views.Crumb{Label: v.Name()})
	s.Mood = views.BuildMood(v.Status)
	s.Live = live(c, 3)
	return a.render(c, s, views.BuildContent(v))
}

// buildID reads the id of a build; what cannot be one names nothing.
func buildID(c *fiber.Ctx) (int64, error) {
	id, err := strconv.ParseInt(c.Params("id"), 10, 64)
	if err != nil || id <= 0 {
		return 0, buildbtw.NotFound("there is no build %.40q", c.Params("id"))
	}
	return id, nil
}

func (a *App) retryBuild(c *fiber.Ctx) error { return a.changeBuild(c, a.Store.RetryBuild) }

func (a *App) rebuildBuild(c *fiber.Ctx) error { return a.changeBuild(c, a.Store.RebuildBuild) }

func (a *App) cancelBuild(c *fiber.Ctx) error { return a.changeBuild(c, a.Store.CancelBuild) }

func (a *App) changeBuild(c *fiber.Ctx, change func(ctx context.Context, actor string, id int64) (store.BuildRow, error)) error {
	id, err := buildID(c)
	if err != nil {
		return err
	}
	if _, err := change(c.UserContext(), user(c).Name, id); err != nil {
		return err
	}
	a.Wake()
	return seeOther(c, views.BuildURL(id))
}

// buildView gathers what the page shows.
func (a *App) buildView(ctx context.Context, row store.BuildRow) (views.BuildDetail, error) {
	v := views.BuildDetail{
		BuildLink: linkOf(row.Build), Buildspace: row.Buildspace, Iteration: row.Iteration, Source: row.Source,
		Commit: row.Commit, Version: row.Version, Pkgnames: row.Pkgnames, Level: row.Level, NoCheck: row.NoCheck,
		TwinOf: row.TwinOf, Changed: a.moment(row.ChangedAt), NotBefore: a.momentOf(row.NotBefore),
		Roots: buildLinks(row.RootCauses), CanRetry: row.CanRetry() == nil, CanCancel: row.CanCancel() == nil,
		CanRebuild: row.CanRebuild() == nil, Held: row.Held.String(), ReusedFrom: row.ReusedFrom,
	}
	fill := []func(context.Context, *views.BuildDetail) error{
		a.addChain, a.addNeighbours, a.addCuts, a.addAttempts, a.addPackages, a.addHistory,
	}
	for _, f := range fill {
		if err := f(ctx, &v); err != nil {
			return v, err
		}
	}
	return v, nil
}

func (a *App) addChain(ctx context.Context, v *views.BuildDetail) error {
	chain, err := a.Store.ReasonChain(ctx, v.ID)
	for _, step := range chain {
		v.Chain = append(v.Chain, views.ReasonLink{BuildLink: buildLink(step.BuildRef), Reason: step.Reason.String()})
	}
	return err
}

func (a *App) addNeighbours(ctx context.Context, v *views.BuildDetail) error {
	dependencies, err := a.Store.Dependencies(ctx, v.ID)
	if err != nil {
		return err
	}
	for _, d := range dependencies {
		v.Dependencies = append(v.Dependencies, buildLink(d.BuildRef))
		if v.Status == buildbtw.StatusBlocked && !apiv1.Settled(d) {
			v.WaitingFor = append(v.WaitingFor, buildLink(d.BuildRef))
		}
	}
	dependents, err := a.Store.Dependents(ctx, v.ID)
	for _, d := range dependents {
		v.Dependents = append(v.Dependents, buildLink(d.BuildRef))
	}
	return err
}

func (a *App) addCuts(ctx context.Context, v *views.BuildDetail) error {
	cuts, err := a.Store.BuildCuts(ctx, v.ID)
	for _, cut := range cuts {
		v.Cuts = append(v.Cuts, views.NewCutLine(cut.From.Pkgbase, cut.To.Pkgbase, cut.Kinds.Names(), cut.Cycle))
	}
	return err
}

// addAttempts lists attempts, newest first, and the end of the newest one's log.
func (a *App) addAttempts(ctx context.Context, v *views.BuildDetail) error {
	attempts, err := a.Store.Attempts(ctx, v.ID)
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
	if len(attempts) > 0 {
		v.Log, err = a.logEnd(attempts[0])
	}
	return err
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
		Started: a.moment(t.StartedAt), Took: views.Took(end.Sub(t.StartedAt)),
		LogURL: views.LogURL(t.BuildID, t.Number, -1), LogBytes: size,
	}, nil
}

func (a *App) addPackages(ctx context.Context, v *views.BuildDetail) error {
	packages, err := a.Store.BuildPackages(ctx, v.ID)
	for _, p := range packages {
		v.Packages = append(v.Packages, views.PackageLine{
			Pkgname: p.Pkgname, Version: p.Version, Architecture: p.Architecture, Filename: p.Filename, SHA256: p.SHA256, Size: p.Size,
			URL: strings.Join([]string{api.Prefix, "builds", strconv.FormatInt(v.ID, 10), "packages", url.PathEscape(p.Filename)}, "/"),
		})
	}
	return err
}

func (a *App) addHistory(ctx context.Context, v *views.BuildDetail) (err error) {
	v.Events, err = a.events(ctx, store.EventFilter{BuildID: v.ID, Limit: pageEvents, Newest: true})
	return err
}
