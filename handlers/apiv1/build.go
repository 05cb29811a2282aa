package apiv1

import (
	"cmp"
	"context"
	"io"
	"net/url"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/buildlog"
	"buildbtw/catalog"
	"buildbtw/handlers/transfer"
	"buildbtw/internal/reproduce"
	"buildbtw/progress"
	"buildbtw/store"
)

func (a *API) builds(c *fiber.Ctx) error {
	n, err := limit(c)
	if err != nil {
		return err
	}
	iteration, err := iterationNumber(c.Query("iteration"))
	if err != nil {
		return err
	}
	rows, next, err := a.Store.Builds(c.UserContext(), store.BuildFilter{
		Buildspace: c.Query("buildspace"), Iteration: iteration, Architecture: c.Query("arch"), Status: c.Query("status"),
		Pkgbase: c.Query("pkgbase"), Query: c.Query("q"), Verdict: c.Query("verdict"), Cursor: c.Query("cursor"), Limit: n,
	})
	if err != nil {
		return err
	}
	return send(c, api.Page[api.Build]{Items: list(rows, a.wireBuild), Cursor: next})
}

// build answers with a build, its neighbours, packages and pipelines.
func (a *API) build(c *fiber.Ctx) error {
	id, err := buildID(c)
	if err != nil {
		return err
	}
	row, err := a.Store.Build(c.UserContext(), id)
	if err != nil {
		return err
	}
	chain, err := a.Store.ReasonChain(c.UserContext(), row.ID)
	if err != nil {
		return err
	}
	dependencies, err := a.Store.Dependencies(c.UserContext(), row.ID)
	if err != nil {
		return err
	}
	dependents, err := a.Store.Dependents(c.UserContext(), row.ID)
	if err != nil {
		return err
	}
	cuts, err := a.Store.BuildCuts(c.UserContext(), row.ID)
	if err != nil {
		return err
	}
	packages, err := a.Store.BuildPackages(c.UserContext(), row.ID)
	if err != nil {
		return err
	}
	pipelines, err := a.Store.BuildPipelines(c.UserContext(), row.ID)
	if err != nil {
		return err
	}
	d := api.BuildDetail{Build: a.wireBuild(row)}
	commit := cmp.Or(row.SourceCommit, row.Commit)
	d.CommitInfo = a.commits(c.UserContext(), catalog.SourceCommit{Source: row.Source, Commit: commit})(row.Source, commit)
	place, err := a.Forecasts.Place(c.UserContext(), a.Store, row, a.Now())
	if err != nil {
		return err
	}
	d.Queue = wirePlace(place)
	if d.ReusedFrom != "" && d.Attempts == 0 {
		switch origin, err := a.Store.LogOrigin(c.UserContext(), row.ID); {
		case err != nil:
			return err
		case origin != 0:
			d.LogOf = formatID(origin)
		}
	}
	d.Pipelines = list(pipelines, func(p buildbtw.Pipeline) api.Pipeline {
		return api.Pipeline{
			Number: p.Number, Project: p.Project, Status: p.Status, Message: p.Message, URL: p.URL,
			JobURL: p.JobURL(), CommitURL: p.CommitURL(cmp.Or(row.SourceCommit, row.Commit)), CreatedAt: p.CreatedAt.UTC(), EndedAt: utc(p.EndedAt),
		}
	})
	d.Chain = list(chain, func(s store.ReasonStep) api.BuildRef { return wireRef(s.BuildRef) })
	d.WaitingFor = list(slices.DeleteFunc(dependencies, func(n store.Neighbour) bool { return n.Status.Satisfies(n.SkipReason) }), wireNeighbour)
	d.Dependents = list(dependents, wireNeighbour)
	d.Cuts = list(cuts, func(b store.BuildCut) api.Cut {
		return api.Cut{From: b.From.Pkgbase, To: b.To.Pkgbase, Kinds: b.Kinds.Names(), Cycle: names(b.Cycle)}
	})
	d.Packages = list(packages, func(p buildbtw.Package) api.Package { return a.wirePackage(row.ID, p) })
	if err := a.addChecks(c.UserContext(), &d, row.ID); err != nil {
		return err
	}
	if d.SinceBuilt, err = a.sinceBuilt(c.UserContext(), row); err != nil {
		return err
	}
	return send(c, d)
}

// addChecks adds how the packages of a build differ from those that users have, and from those of
// its second build.
func (a *API) addChecks(ctx context.Context, d *api.BuildDetail, build int64) error {
	checks, err := a.Catalog.BuildChecks(ctx, &a.Store.Reader, build)
	if err != nil {
		return err
	}
	if r := checks.Second; r != nil {
		d.SecondBuild = &api.SecondBuild{Result: string(r.Result), Words: r.Result.Words(), Lines: names(r.Lines)}
		if r.SecondID != 0 {
			d.SecondBuild.Build = formatID(r.SecondID)
		}
	}
	d.Checks = list(checks.Results, func(r catalog.BuildCheck) api.Check {
		return api.Check{Kind: string(r.Kind), Outcome: string(r.Outcome), Lines: names(r.Lines), Blocks: r.Blocks, Targets: names(r.Targets)}
	})
	d.ComparedWith = list(checks.Compared, func(o store.Comparison) api.ComparedWith {
		return api.ComparedWith{Target: o.View, Packages: names(o.Before.Versions()), Stale: o.Stale}
	})
	return nil
}

// sinceBuilt returns what changed since the package of a build was last built; nil when it has
// no result of its own.
func (a *API) sinceBuilt(ctx context.Context, row store.BuildRow) (*api.SinceBuilt, error) {
	since, err := a.Catalog.SinceBuilt(ctx, &a.Store.Reader, row)
	if since == nil || err != nil {
		return nil, err
	}
	w := &api.SinceBuilt{
		LastBuilt: wireResult(since.Last), FirstFailure: wireResult(since.FirstFailure), Commit: since.This.Commit,
		Recorded: since.Recorded(), Packages: slices.Concat([]buildbtw.PackageChange{}, since.Packages),
	}
	if since.Last != nil {
		w.CommitBefore = since.Last.Commit
		a.addSpan(ctx, row.Source, w)
	}
	return w, nil
}

func wireResult(t *store.EndedAttempt) *api.Result {
	if t == nil {
		return nil
	}
	return &api.Result{
		Build: formatID(t.BuildID), Attempt: t.Number, Buildspace: t.Buildspace, Iteration: t.Iteration, Outcome: t.Outcome, FinishedAt: t.FinishedAt.UTC(),
	}
}

func wirePlace(p *progress.Place) *api.QueuePlace {
	if p == nil {
		return nil
	}
	w := &api.QueuePlace{Place: p.Number, Of: p.Of, Higher: p.Higher, Why: p.Why}
	if p.Number > 0 {
		w.StartsAt = utc(&p.Start)
	}
	w.Before = list(p.Before, func(t progress.Turn) api.QueuedBuild {
		return api.QueuedBuild{ID: formatID(t.ID), Pkgbase: t.Pkgbase, Buildspace: t.Buildspace, StartsAt: t.Start.UTC()}
	})
	return w
}

// changeBuild calls change for the build that the path names, and answers with the
// build as it is then.
func (a *API) changeBuild(change func(ctx context.Context, actor string, id int64) (store.BuildRow, error)) fiber.Handler {
	return func(c *fiber.Ctx) error {
		id, err := buildID(c)
		if err != nil {
			return err
		}
		row, err := change(c.UserContext(), a.User(c).Name, id)
		if err != nil {
			return err
		}
		a.Wake()
		return send(c, a.wireBuild(row))
	}
}

// wireBuild returns the JSON form of a build in a list.
func (a *API) wireBuild(row store.BuildRow) api.Build {
	reused := ""
	if row.ReusedFrom != 0 && row.Status == buildbtw.StatusBuilt {
		reused = formatID(row.ReusedFrom)
	}
	built := row.BuiltVersion
	if built == row.Version {
		built = ""
	}
	if row.OnlyCompared() {
		row.Buildspace, row.Iteration = "", 0
	}
	return api.Build{
		ID: formatID(row.ID), OfBase: row.BaselineID != 0, Second: row.RepeatOf != 0, Buildspace: row.Buildspace, Iteration: row.Iteration, Architecture: row.Architecture,
		Pkgbase: row.Pkgbase, Source: row.Source, Commit: row.Commit, Version: row.Version, BumpedFrom: row.BumpedFrom, SourceCommit: row.SourceCommit,
		Stage: row.Stage, Level: row.Level, Pkgnames: names(row.Pkgnames), NotOwned: row.NotOwned, Reason: row.Reason,
		Status: row.Status, SkipReason: row.SkipReason, Attempts: row.Attempts, Retries: row.Retries, LastTry: row.LastTry, NotBefore: utc(row.NotBefore),
		Held: row.Held, ReusedFrom: reused, BuiltVersion: built,
		ChangedAt: row.ChangedAt.UTC(), StartedAt: utc(row.StartedAt), FinishedAt: utc(row.FinishedAt),
		TookSeconds: row.Took(a.Now()).Seconds(), UsualSeconds: row.UsualSeconds, TimesUsual: row.TimesUsual(row.Usual(), a.Now()),
		Error:      wireError(row.FirstError),
		Failure:    a.wireFailure(row),
		RootCauses: list(row.RootCauses, wireRef),
		URL:        a.page("builds", formatID(row.ID)),
	}
}

func (a *API) wireFailure(row store.BuildRow) *api.Failure {
	a.Store.AddWhyNotCompared(&row)
	words := row.VerdictWords()
	if words == "" {
		return nil
	}
	f := &api.Failure{Verdict: row.Verdict.Word(), Words: words, NotCompared: row.NotCompared, BaseAt: utc(row.BaseAt)}
	if row.BaselineBuild != 0 {
		f.Baseline = formatID(row.BaselineBuild)
	}
	return f
}

func wireRef(b store.BuildRef) api.BuildRef {
	return api.BuildRef{ID: formatID(b.ID), Pkgbase: b.Pkgbase, Architecture: b.Architecture, Status: b.Status, Error: wireError(b.FirstError)}
}

func wireError(e store.FirstError) *api.FirstError {
	if e.Line == 0 {
		return nil
	}
	return &api.FirstError{Attempt: e.Attempt, Line: e.Line, Text: e.Text, Cause: buildlog.Summary(e.Text)}
}

func wireNeighbour(n store.Neighbour) api.BuildRef { return wireRef(n.BuildRef) }

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

// packageFile sends one published file of a build.
func (a *API) packageFile(c *fiber.Ctx) error {
	id, err := buildID(c)
	if err != nil {
		return err
	}
	file, err := param(c, "file")
	if err != nil {
		return err
	}
	row, err := a.Store.Build(c.UserContext(), id)
	if err != nil {
		return err
	}
	packages, err := a.Store.BuildPackages(c.UserContext(), id)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(packages, func(p buildbtw.Package) bool { return p.Filename == file })
	if i < 0 {
		return buildbtw.NotFound("build %d has no package file %.80q", id, file)
	}
	f, err := a.Repos.OpenFile(buildbtw.RepositoryName(row.Buildspace, row.Iteration), row.Architecture, file)
	if buildbtw.KindOf(err) == buildbtw.KindNotFound && err != nil {
		gone, goneErr := a.Store.Gone(c.UserContext(), row.Buildspace, row.Iteration)
		if goneErr != nil {
			return goneErr
		}
		if gone.Packages != "" {
			return buildbtw.NotFound("%s", gone.Packages)
		}
	}
	if err != nil {
		return err
	}
	c.Set(api.HeaderSHA256, packages[i].SHA256)
	return transfer.SendFile(c, f, fiber.MIMEOctetStream)
}

func (a *API) wirePackage(buildID int64, p buildbtw.Package) api.Package {
	return api.Package{
		Pkgname: p.Pkgname, Version: p.Version, Architecture: p.Architecture, Filename: p.Filename, SHA256: p.SHA256, Size: p.Size,
		URL: a.Settings.ServerURL + api.Prefix + "/builds/" + formatID(buildID) + "/packages/" + url.PathEscape(p.Filename),
	}
}

// reproduce returns commands by which a person builds it again.
func (a *API) reproduce(c *fiber.Ctx) error {
	id, err := buildID(c)
	if err != nil {
		return err
	}
	row, err := a.Store.Build(c.UserContext(), id)
	if err != nil {
		return err
	}
	if row.RepeatOf != 0 { // it has what the first one has
		if row, err = a.Store.Build(c.UserContext(), row.RepeatOf); err != nil {
			return err
		}
	}
	b := reproduce.Of(row, a.Settings.ServerURL, api.Prefix)
	return send(c, api.Reproduction{Makepkg: b.Makepkg(), Devtools: b.Devtools(), VM: b.VM()})
}

// buildSource streams the tree that a build is made from, for whoever wants to
// reproduce it.
func (a *API) buildSource(c *fiber.Ctx) error {
	id, err := buildID(c)
	if err != nil {
		return err
	}
	row, err := a.Store.Build(c.UserContext(), id)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentDisposition, `attachment; filename="`+row.Source+`.tar"`)
	return a.sendTree(c, row.Commit)
}

// sendTree streams the tree of a commit as a tar.
func (a *API) sendTree(c *fiber.Ctx, commit string) error {
	return a.stream(c, "application/x-tar", func(ctx context.Context, w io.Writer) error {
		return a.Sources.Archive(ctx, commit, w)
	})
}

// attempts lists attempts, the first one first. A lease is left out: it is the
// worker's secret.
func (a *API) attempts(c *fiber.Ctx) error {
	id, err := buildID(c)
	if err != nil {
		return err
	}
	attempts, err := a.Store.Attempts(c.UserContext(), id)
	if err != nil {
		return err
	}
	slices.SortFunc(attempts, func(a, b buildbtw.Attempt) int { return cmp.Compare(a.Number, b.Number) })
	page := api.Page[api.Attempt]{Items: make([]api.Attempt, 0, len(attempts))}
	for _, t := range attempts {
		size, err := a.Logs.Size(c.UserContext(), t.Name())
		if err != nil {
			return err
		}
		page.Items = append(page.Items, api.Attempt{
			Number: t.Number, Worker: t.Worker, Runner: t.Runner, State: t.State, Outcome: t.Outcome, Message: t.Message,
			StartedAt: t.StartedAt.UTC(), FinishedAt: utc(t.FinishedAt), LogSize: size, NotChecked: t.NotChecked, Memory: t.Memory, KeptUntil: utc(t.KeptUntil),
		})
	}
	return send(c, page)
}
