package apiv1

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/buildgraph"
	"buildbtw/catalog"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/progress"
	"buildbtw/store"
)

const (
	maxBlockers   = 20  // of one iteration: the most blocking ones
	maxReasonText = 500 // bytes of what a person says about a new iteration
)

func (a *API) iterations(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	if _, err := a.Store.Buildspace(c.UserContext(), name); err != nil {
		return err
	}
	rows, err := a.Store.Iterations(c.UserContext(), name)
	if err != nil {
		return err
	}
	page, err := cut(c, rows, func(r store.IterationRow) string { return strconv.Itoa(r.Number) })
	if err != nil {
		return err
	}
	return send(c, api.Page[api.Iteration]{Items: list(page.Items, a.wireIteration), Cursor: page.Cursor})
}

func (a *API) newIteration(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	r, err := decodeOptional[api.NewIteration](c)
	if err != nil {
		return err
	}
	if len(r.Reason) > maxReasonText {
		return buildbtw.Invalid("the reason has %d bytes; at most %d are kept", len(r.Reason), maxReasonText)
	}
	ctx := c.UserContext()
	if err := a.Store.RequestIteration(ctx, a.User(c).Name, name, buildbtw.IterationRequested, r.Reason); err != nil {
		return err
	}
	a.Wake()
	row, err := a.Store.Buildspace(ctx, name)
	if err != nil {
		return err
	}
	c.Status(fiber.StatusAccepted)
	return send(c, a.wireBuildspace(row))
}

func (a *API) iteration(c *fiber.Ctx) error {
	row, err := a.namedIteration(c)
	if err != nil {
		return err
	}
	blockers, err := a.Store.Blockers(c.UserContext(), row.ID, maxBlockers)
	if err != nil {
		return err
	}
	architectures, err := a.Store.Architectures(c.UserContext(), row.ID)
	if err != nil {
		return err
	}
	blocked, err := a.Store.Blocked(c.UserContext(), []store.IterationRow{row})
	if err != nil {
		return err
	}
	w := a.wireIteration(row)
	if w.Changesets, err = a.changesets(c.UserContext(), row.ID); err != nil {
		return err
	}
	if c.Query("fix") != "" {
		var fixed []int64
		for _, text := range strings.Split(c.Query("fix"), ",") {
			id, err := buildbtw.ParseBuildID(text)
			if err != nil {
				return err
			}
			fixed = append(fixed, id)
		}
		freed, err := a.Store.Freed(c.UserContext(), row.ID, fixed)
		if err != nil {
			return err
		}
		w.Freed = &freed
	}
	w.Blocked = blocked[row.ID].Builds
	verdicts, err := a.Store.Verdicts(c.UserContext(), row.ID)
	if err != nil {
		return err
	}
	for v, n := range verdicts[row.ID] {
		if w.Failures == nil {
			w.Failures = map[string]int{}
		}
		w.Failures[v.Word()] = n
	}
	w.Blockers = list(blockers, func(b store.Blocker) api.Blocker {
		return api.Blocker{Build: wireRef(b.Build), Blocks: b.Blocks, Frees: b.Frees}
	})
	w.Repository = a.repositories(row.Buildspace, buildbtw.RepositoryName(row.Buildspace, row.Number), architectures)
	words, command := pacmanrepo.Upgrade(row.Buildspace, row.Bump)
	w.Upgrade = &api.Upgrade{Words: words, Command: command}
	_, complete, err := a.Store.LatestRepository(c.UserContext(), row.Buildspace)
	if err != nil {
		return err
	}
	if complete != 0 {
		w.Latest = &api.LatestRepository{
			Iteration: complete, Repository: a.repositories(row.Buildspace, pacmanrepo.Latest(row.Buildspace), architectures),
		}
	}
	return send(c, w)
}

// repositories gives a pacman repository, by the name under which it is served, for
// architectures.
func (a *API) repositories(buildspace, served string, architectures []string) []api.ArchRepository {
	return list(architectures, func(arch string) api.ArchRepository {
		return api.ArchRepository{
			Architecture: arch,
			Repository:   api.Repository{Name: buildspace, URL: a.page(append(append([]string{"repo"}, strings.Split(served, "/")...), "os", arch)...)},
			PacmanConf:   pacmanrepo.PacmanConf(buildspace, a.Settings.ServerURL, served),
		}
	})
}

// forecast answers when an iteration will be done.
func (a *API) forecast(c *fiber.Ctx) error {
	row, err := a.namedIteration(c)
	if err != nil {
		return err
	}
	f, err := a.Forecasts.Of(c.UserContext(), &a.Store.Reader, row, a.Now())
	if err != nil {
		return err
	}
	return send(c, api.Forecast{
		At: f.At, Workers: f.Workers, Remaining: f.Remaining, Blocked: f.Blocked, Known: f.Known,
		WorkSeconds: f.WorkSeconds, ChainSeconds: f.ChainSeconds, Seconds: f.Seconds,
		Chain: list(f.Chain, func(s progress.ChainStep) api.ChainStep {
			return api.ChainStep{Build: wireRef(s.Build), Seconds: s.Seconds}
		}),
		BurnDown: list(f.BurnDown, func(p store.BurnPoint) api.BurnPoint {
			return api.BurnPoint{At: p.At.UTC(), Remaining: p.Remaining}
		}),
		Stops: list(f.Stops, func(s progress.Stop) api.BurnStop {
			stop := api.BurnStop{At: s.At.UTC(), Builds: s.Blocked.Builds, Actor: s.Actor}
			if s.Build != 0 {
				ref := wireRef(s.Blocked.Build)
				stop.Build = &ref
			}
			return stop
		}),
		Blockers: list(f.Blockers, func(b progress.BlockedWork) api.HeldWork {
			return api.HeldWork{Build: wireRef(b.Build), Builds: b.Builds, Seconds: b.Seconds}
		}),
	})
}

// diff answers what changed from one iteration to another, the latest unless the
// request names one.
func (a *API) diff(c *fiber.Ctx) error {
	from, err := a.namedIteration(c)
	if err != nil {
		return err
	}
	number, err := iterationNumber(c.Query("to"))
	if err != nil {
		return err
	}
	to, err := a.Store.Iteration(c.UserContext(), from.Buildspace, number)
	if err != nil {
		return err
	}
	d, err := a.Store.Diff(c.UserContext(), from.Buildspace, from.Number, to.Number)
	if err != nil {
		return err
	}
	var wanted []catalog.SourceCommit
	for _, part := range d.Architectures {
		for _, b := range part.Changed[:min(len(part.Changed), namedCommits)] {
			wanted = append(wanted, catalog.SourceCommit{Source: b.Source, Commit: b.ToCommit})
		}
	}
	known := a.commits(c.UserContext(), wanted...)
	w := api.Diff{From: d.From, To: d.To, Architectures: make(map[string]api.DiffArch, len(d.Architectures))}
	edge := func(e store.EdgeChange) api.DiffEdge {
		return api.DiffEdge{From: e.From, To: e.To, Kinds: e.Kinds.Names()}
	}
	for arch, part := range d.Architectures {
		w.Architectures[arch] = api.DiffArch{
			Added: names(part.Added), Removed: names(part.Removed),
			Changed:    wireChanges(part.Changed, known),
			EdgesAdded: list(part.EdgesAdded, edge), EdgesRemoved: list(part.EdgesRemoved, edge),
		}
	}
	return send(c, w)
}

// graph answers with the builds and edges of one architecture of an iteration;
// one without builds has no architecture, and an empty graph.
func (a *API) graph(c *fiber.Ctx) error {
	row, err := a.namedIteration(c)
	if err != nil {
		return err
	}
	architectures, err := a.Store.Architectures(c.UserContext(), row.ID)
	if err != nil {
		return err
	}
	arch := c.Query("arch")
	switch {
	case arch == "" && len(architectures) > 0:
		arch = architectures[0]
	case arch != "" && !slices.Contains(architectures, arch):
		return buildbtw.NotFound("the iteration has no builds for %.40q", arch)
	}
	g, err := a.Store.Graph(c.UserContext(), row.ID, arch)
	if err != nil {
		return err
	}
	times, unmeasured, err := a.Grids.BuildTimes(c.UserContext(), &a.Store.Reader, row, arch)
	if err != nil {
		return err
	}
	pkgbase := make(map[int64]string, len(g.Builds))
	for _, b := range g.Builds {
		pkgbase[b.ID] = b.Pkgbase
	}
	return send(c, api.Graph{
		Builds: list(g.Builds, func(b buildbtw.Build) api.Build {
			return a.wireBuild(store.BuildRow{Build: b, Buildspace: row.Buildspace, Iteration: row.Number})
		}),
		Edges: list(g.Edges, func(e buildbtw.Edge) api.GraphEdge {
			return api.GraphEdge{From: formatID(e.From), To: formatID(e.To), Kinds: e.Kinds.Names()}
		}),
		Cuts: list(g.Cuts, func(e buildbtw.Cut) api.Cut {
			return api.Cut{From: pkgbase[e.From], To: pkgbase[e.To], Kinds: e.Kinds.Names(), Cycle: names(e.Cycle)}
		}),
		Times: list(times, func(t progress.BuildTime) api.BuildTime {
			return api.BuildTime{Build: formatID(t.ID), Seconds: t.Time, Expected: t.Expected}
		}),
		Unmeasured: unmeasured,
	})
}

// namedIteration loads the iteration that the path names.
func (a *API) namedIteration(c *fiber.Ctx) (store.IterationRow, error) {
	name, err := param(c, "name")
	if err != nil {
		return store.IterationRow{}, err
	}
	number, err := iterationNumber(c.Params("number"))
	if err != nil {
		return store.IterationRow{}, err
	}
	return a.Store.Iteration(c.UserContext(), name, number)
}

// wireIteration gives the JSON form of an iteration in a list.
func (a *API) wireIteration(row store.IterationRow) api.Iteration {
	counts := row.Counts
	if counts == nil {
		counts = buildbtw.Counts{}
	}
	return api.Iteration{
		Number: row.Number, Status: row.Status(), Reason: row.Reason, ReasonText: row.ReasonText, Error: row.Error,
		CreatedAt: row.CreatedAt.UTC(), Counts: counts, Total: counts.Total(),
		URL: a.page("buildspaces", row.Buildspace, strconv.Itoa(row.Number)),
	}
}

// wireChanges returns the builds whose commits moved, the first ones with what is known of the
// commit that they have now.
func wireChanges(changed []store.BuildChange, known func(source, commit string) api.Commit) []api.DiffChange {
	moved := list(changed, func(b store.BuildChange) api.DiffChange {
		return api.DiffChange{
			Pkgbase: b.Pkgbase, Source: b.Source, FromCommit: b.FromCommit, ToCommit: b.ToCommit, FromVersion: b.FromVersion, ToVersion: b.ToVersion,
		}
	})
	for i := range moved[:min(len(moved), namedCommits)] {
		to := known(moved[i].Source, moved[i].ToCommit)
		moved[i].To = &to
	}
	return moved
}

// changesets returns the changesets of an iteration with their commits.
func (a *API) changesets(ctx context.Context, iteration int64) ([]api.ChangesetCommit, error) {
	planned, err := a.Store.IterationChangesets(ctx, iteration)
	if err != nil {
		return nil, err
	}
	wanted := list(planned, func(p buildgraph.PlannedChangeset) catalog.SourceCommit {
		return catalog.SourceCommit{Source: p.Source, Commit: p.Commit}
	})
	known := a.commits(ctx, wanted...)
	return list(planned, func(p buildgraph.PlannedChangeset) api.ChangesetCommit {
		return api.ChangesetCommit{Source: p.Source, Ref: p.Ref, Commit: known(p.Source, p.Commit)}
	}), nil
}
