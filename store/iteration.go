package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"buildbtw"
	"buildbtw/buildgraph"
)

// IterationRow is an iteration with its buildspace's name and the number of its
// builds by status.
type IterationRow struct {
	buildbtw.Iteration
	Buildspace string          `bun:"buildspace"`
	Bump       bool            `bun:"bump"` // the buildspace's setting; of a single iteration only
	Counts     buildbtw.Counts `bun:"-"`
}

// Status is what people see of the iteration.
func (r IterationRow) Status() buildbtw.IterationStatus { return r.State.DeriveStatus(r.Counts) }

// Graph is the build graph of one architecture, as rows.
type Graph struct {
	Builds []buildbtw.Build // in the plan's order
	Edges  []buildbtw.Edge  // by from, then to
	Cuts   []buildbtw.Cut
}

// iterationID finds an iteration by its number; 0 is the latest.
func iterationID(ctx context.Context, q *Reader, buildspace string, number int) (int64, error) {
	it, err := iterationOf(ctx, q, buildspace, number)
	return it.ID, err
}

func iterationOf(ctx context.Context, q *Reader, buildspace string, number int) (IterationRow, error) {
	var row IterationRow
	err := q.get(ctx, &row, "iteration", args{"buildspace": buildspace, "number": number})
	if err == nil {
		return row, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return row, err
	}
	var known buildbtw.Buildspace
	err = q.get(ctx, &known, "buildspace", args{"name": buildspace})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return row, noBuildspace(buildspace)
	case err != nil:
		return row, err
	case number == 0:
		return row, buildbtw.NotFound("buildspace %s has no iteration yet", buildspace)
	}
	return row, buildbtw.NotFound("buildspace %s has no iteration %d", buildspace, number)
}

// addCounts adds the numbers of builds by status; a status that no build has is
// left out.
func addCounts(ctx context.Context, q *Reader, rows []IterationRow) error {
	ids := make([]int64, len(rows))
	place := map[int64]int{}
	for i := range rows {
		rows[i].Counts = buildbtw.Counts{}
		ids[i], place[rows[i].ID] = rows[i].ID, i
	}
	var counts []struct {
		IterationID int64           `bun:"iteration_id"`
		Status      buildbtw.Status `bun:"status"`
		Builds      int             `bun:"builds"`
	}
	err := q.list(ctx, &counts, "counts_of_iterations", args{"iterations": idList(ids)})
	for _, c := range counts {
		rows[place[c.IterationID]].Counts[c.Status] = c.Builds
	}
	return err
}

// Iteration gives one iteration by number; 0 is the latest.
func (q *Reader) Iteration(ctx context.Context, buildspace string, number int) (IterationRow, error) {
	rows := make([]IterationRow, 1)
	err := q.Snapshot(ctx, func(q *Reader) (err error) {
		if rows[0], err = iterationOf(ctx, q, buildspace, number); err != nil {
			return err
		}
		return addCounts(ctx, q, rows)
	})
	if err != nil {
		return IterationRow{}, fmt.Errorf("load iteration %d of %s: %w", number, buildspace, err)
	}
	return rows[0], nil
}

// Iterations lists a buildspace's iterations, newest first.
func (q *Reader) Iterations(ctx context.Context, buildspace string) ([]IterationRow, error) {
	rows := []IterationRow{}
	err := q.Snapshot(ctx, func(q *Reader) error {
		if err := q.list(ctx, &rows, "iterations", args{"buildspace": buildspace}); err != nil {
			return err
		}
		return addCounts(ctx, q, rows)
	})
	if err != nil {
		return nil, fmt.Errorf("list iterations of %s: %w", buildspace, err)
	}
	return rows, nil
}

// IterationChangesets lists the changesets of an iteration with the commits
// they stood at, by source.
func (q *Reader) IterationChangesets(ctx context.Context, iterationID int64) ([]buildgraph.PlannedChangeset, error) {
	var rows []iterationChangeset
	err := q.list(ctx, &rows, "changesets_of_iterations", args{"iterations": idList([]int64{iterationID})})
	if err != nil {
		return nil, fmt.Errorf("list changesets of iteration %d: %w", iterationID, err)
	}
	list := make([]buildgraph.PlannedChangeset, len(rows))
	for i, r := range rows {
		list[i] = r.planned()
	}
	return list, nil
}

// Warnings lists what the plan of an iteration warned of, in the plan's order.
func (q *Reader) Warnings(ctx context.Context, iterationID int64) ([]buildgraph.Warning, error) {
	var rows []iterationWarning
	err := q.list(ctx, &rows, "warnings", args{"iteration": iterationID})
	if err != nil {
		return nil, fmt.Errorf("list warnings of iteration %d: %w", iterationID, err)
	}
	list := make([]buildgraph.Warning, len(rows))
	for i, r := range rows {
		list[i] = buildgraph.Warning{Kind: r.Kind, Source: r.Source, Message: r.Message}
	}
	return list, nil
}

// Architectures lists the architectures for which an iteration builds, sorted.
func (q *Reader) Architectures(ctx context.Context, iterationID int64) ([]string, error) {
	list := []string{}
	err := q.list(ctx, &list, "architectures_of_iteration", args{"iteration": iterationID})
	if err != nil {
		return nil, fmt.Errorf("list architectures of iteration %d: %w", iterationID, err)
	}
	return list, nil
}

// Cancelled counts the builds of an iteration that a person cancelled.
func (q *Reader) Cancelled(ctx context.Context, iterationID int64) (n int, err error) {
	if err := q.get(ctx, &n, "count_cancelled", args{"iteration": iterationID}); err != nil {
		return 0, fmt.Errorf("count what was cancelled of iteration %d: %w", iterationID, err)
	}
	return n, nil
}

// Graph gives the build graph of one architecture.
func (q *Reader) Graph(ctx context.Context, iterationID int64, arch string) (Graph, error) {
	g := Graph{Builds: []buildbtw.Build{}, Edges: []buildbtw.Edge{}, Cuts: []buildbtw.Cut{}}
	err := q.Snapshot(ctx, func(q *Reader) error {
		return g.load(ctx, q, iterationID, arch)
	})
	if err != nil {
		return Graph{}, fmt.Errorf("load graph of iteration %d for %s: %w", iterationID, arch, err)
	}
	return g, nil
}

// load reads edges by the range of ids of the builds: the builds of one
// architecture were numbered in one go (layOut).
func (g *Graph) load(ctx context.Context, q *Reader, iterationID int64, arch string) error {
	err := q.list(ctx, &g.Builds, "graph_builds", args{"iteration": iterationID, "architecture": arch})
	if err != nil || len(g.Builds) == 0 {
		return err
	}
	span := args{"iteration": iterationID, "first": g.Builds[0].ID, "last": g.Builds[len(g.Builds)-1].ID}
	if err := q.list(ctx, &g.Edges, "graph_edges", span); err != nil {
		return err
	}
	return q.list(ctx, &g.Cuts, "graph_cuts", span)
}

// UnfinishedAttempts gives the attempts that run or publish: their staged files
// are still needed.
func (q *Reader) UnfinishedAttempts(ctx context.Context) ([]buildbtw.AttemptName, error) {
	names := []buildbtw.AttemptName{}
	if err := q.list(ctx, &names, "unfinished_attempts", nil); err != nil {
		return nil, fmt.Errorf("list the unfinished attempts: %w", err)
	}
	return names, nil
}

// ReadyRepositories gives the names of the repositories that builds still go
// into.
func (q *Reader) ReadyRepositories(ctx context.Context) ([]string, error) {
	var rows []struct {
		Buildspace string `bun:"buildspace"`
		Iteration  int    `bun:"iteration"`
	}
	if err := q.list(ctx, &rows, "ready_iteration_numbers", nil); err != nil {
		return nil, fmt.Errorf("list the repositories in use: %w", err)
	}
	names := make([]string, len(rows))
	for i, r := range rows {
		names[i] = buildbtw.RepositoryName(r.Buildspace, r.Iteration)
	}
	return names, nil
}

// ArchRepository is the pacman repository of an iteration for one architecture.
type ArchRepository struct {
	Buildspace   string `bun:"buildspace"`
	Iteration    int    `bun:"iteration"`
	Architecture string `bun:"architecture"`
}

// ArchRepositories lists the repositories of ReadyRepositories for each architecture.
func (q *Reader) ArchRepositories(ctx context.Context) ([]ArchRepository, error) {
	var rows []ArchRepository
	if err := q.list(ctx, &rows, "ready_repositories", nil); err != nil {
		return nil, fmt.Errorf("list the repositories in use: %w", err)
	}
	return rows, nil
}

// ChangesetCommit is a commit at which an iteration has a changeset.
type ChangesetCommit struct {
	Buildspace string `bun:"name"`
	Iteration  int    `bun:"number"`
	Source     string `bun:"source"`
	Commit     string `bun:"commit_id"`
}

// ChangesetCommits lists the changesets of iterations whose commit begins with
// a prefix, newest iteration first.
func (q *Reader) ChangesetCommits(ctx context.Context, prefix string, limit int) ([]ChangesetCommit, error) {
	limit, err := pageLimit(limit)
	if err != nil {
		return nil, err
	}
	rows := []ChangesetCommit{}
	err = q.list(ctx, &rows, "changeset_commits", args{"prefix": prefix, "length": len(prefix), "limit": limit})
	if err != nil {
		return nil, fmt.Errorf("look for commit %s: %w", prefix, err)
	}
	return rows, nil
}

// Diff is what changed from one iteration of a buildspace to another.
type Diff struct {
	From, To      int // iteration numbers
	Architectures map[string]ArchDiff
}

// ArchDiff is the diff of one architecture's graph. Builds are named by
// pkgbase, "pkgbase@2" for a second stage; all lists are sorted.
type ArchDiff struct {
	Added, Removed           []string
	Changed                  []BuildChange
	EdgesAdded, EdgesRemoved []EdgeChange
}

// BuildChange is a build whose commit moved.
type BuildChange struct {
	Pkgbase     string
	Source      string
	FromCommit  string
	ToCommit    string
	FromVersion string
	ToVersion   string
}

// EdgeChange is an edge by the names of its builds.
type EdgeChange struct {
	From, To string
	Kinds    buildbtw.EdgeKinds
}

// Diff compares two iterations of a buildspace; 0 is the latest. Architectures
// without a difference are left out.
func (q *Reader) Diff(ctx context.Context, buildspace string, from, to int) (Diff, error) {
	d := Diff{Architectures: map[string]ArchDiff{}}
	err := q.Snapshot(ctx, func(q *Reader) error {
		before, err := iterationOf(ctx, q, buildspace, from)
		if err != nil {
			return err
		}
		after, err := iterationOf(ctx, q, buildspace, to)
		if err != nil {
			return err
		}
		d.From, d.To = before.Number, after.Number
		a, err := snapshots(ctx, q, before.ID)
		if err != nil {
			return err
		}
		b, err := snapshots(ctx, q, after.ID)
		if err != nil {
			return err
		}
		d.compare(a, b)
		return nil
	})
	if err != nil {
		return Diff{}, fmt.Errorf("compare iterations %d and %d of %s: %w", from, to, buildspace, err)
	}
	return d, nil
}

// snapshot is an architecture's graph by names, which mean the same in every
// iteration.
type snapshot struct {
	builds map[string]version
	edges  map[edgeName]buildbtw.EdgeKinds
}

type version struct{ source, commit, version string }

type edgeName struct{ from, to string }

func snapshots(ctx context.Context, q *Reader, iteration int64) (map[string]snapshot, error) {
	var builds []struct {
		ID           int64  `bun:"id"`
		Architecture string `bun:"architecture"`
		Name         string `bun:"name"`
		Source       string `bun:"source"`
		Commit       string `bun:"commit_id"`
		Version      string `bun:"version"`
	}
	err := q.list(ctx, &builds, "named_builds", args{"iteration": iteration})
	if err != nil {
		return nil, err
	}
	all := map[string]snapshot{}
	place := map[int64]int{}
	for i, b := range builds {
		if _, found := all[b.Architecture]; !found {
			all[b.Architecture] = snapshot{map[string]version{}, map[edgeName]buildbtw.EdgeKinds{}}
		}
		all[b.Architecture].builds[b.Name] = version{b.Source, b.Commit, b.Version}
		place[b.ID] = i
	}
	var edges []struct {
		From  int64              `bun:"from_build"`
		To    int64              `bun:"to_build"`
		Kinds buildbtw.EdgeKinds `bun:"kinds"`
	}
	err = q.list(ctx, &edges, "edges_of_iteration", args{"iteration": iteration})
	for _, e := range edges {
		from, to := builds[place[e.From]], builds[place[e.To]]
		all[from.Architecture].edges[edgeName{from.Name, to.Name}] = e.Kinds
	}
	return all, err
}

func (d *Diff) compare(before, after map[string]snapshot) {
	archs := maps.Clone(before)
	maps.Copy(archs, after)
	for arch := range archs {
		a := compare(before[arch], after[arch])
		if len(a.Added)+len(a.Removed)+len(a.Changed)+len(a.EdgesAdded)+len(a.EdgesRemoved) > 0 {
			d.Architectures[arch] = a
		}
	}
}

func compare(before, after snapshot) ArchDiff {
	d := ArchDiff{
		Added: missing(after.builds, before.builds), Removed: missing(before.builds, after.builds),
		EdgesAdded: missingEdges(after.edges, before.edges), EdgesRemoved: missingEdges(before.edges, after.edges),
	}
	for _, name := range slices.Sorted(maps.Keys(after.builds)) {
		a, b := before.builds[name], after.builds[name]
		if _, found := before.builds[name]; found && a.commit != b.commit {
			d.Changed = append(d.Changed, BuildChange{name, b.source, a.commit, b.commit, a.version, b.version})
		}
	}
	return d
}

// missing lists the keys of a that b does not have.
func missing(a, b map[string]version) []string {
	var list []string
	for name := range a {
		if _, found := b[name]; !found {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

func missingEdges(a, b map[edgeName]buildbtw.EdgeKinds) []EdgeChange {
	var list []EdgeChange
	for e, kinds := range a {
		if _, found := b[e]; !found {
			list = append(list, EdgeChange{e.from, e.to, kinds})
		}
	}
	slices.SortFunc(list, func(x, y EdgeChange) int {
		return cmp.Or(cmp.Compare(x.From, y.From), cmp.Compare(x.To, y.To))
	})
	return list
}
