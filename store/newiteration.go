package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/uptrace/bun"

	"buildbtw"
	"buildbtw/buildgraph"
)

// NewIteration is what CreateIteration writes.
type NewIteration struct {
	BuildspaceID int64
	Revision     int64 // of the buildspace when the plan was begun: a request that came later stays wanted
	Reason       buildbtw.IterationReason
	ReasonText   string
	Plan         *buildgraph.Plan
	Err          error // why there is no plan: the iteration becomes invalid

	// Changesets are what was tried when Plan is nil, with the commits as far
	// as they are known. A plan brings its own.
	Changesets []buildgraph.PlannedChangeset

	// Rows are the rows of Plan from FindReuse, when what they reuse is linked into
	// the iteration's repositories already: those builds are built from the first
	// moment. Without them everything is built.
	Rows *PlanRows

	// Base is what the plan's builds take from the base repositories, for plans
	// without Rows. May be nil: nothing is known of the base.
	Base PlanBase

	// Versions are those that the plan's builds have, and Bumps the commits that were
	// made for them.
	Versions []TakenVersion
	Bumps    []Bump

	// CutOff says that somebody will ask for CutoffCandidate builds. Else the
	// iteration has none.
	CutOff bool
}

// iterationChangeset is a changeset with the commit at which an iteration has
// it.
type iterationChangeset struct {
	bun.BaseModel `bun:"table:iteration_changesets"`
	IterationID   int64  `bun:"iteration_id"`
	Source        string `bun:"source"`
	Ref           string `bun:"ref"`
	Commit        string `bun:"commit_id"`
}

func (c iterationChangeset) planned() buildgraph.PlannedChangeset {
	return buildgraph.PlannedChangeset{Source: c.Source, Ref: c.Ref, Commit: c.Commit}
}

type iterationWarning struct {
	bun.BaseModel `bun:"table:iteration_warnings"`
	IterationID   int64                  `bun:"iteration_id"`
	Kind          buildgraph.WarningKind `bun:"kind"`
	Source        string                 `bun:"source"`
	Message       string                 `bun:"message"`
}

// CreateIteration writes a plan as the buildspace's next iteration and
// supersedes the one before: what of it has not been built is skipped, its
// running attempts are told to stop, except those that make what a build of
// the new iteration, or of any other, needs. An iteration without a plan becomes
// invalid and supersedes nothing: one bad push does not end the work that goes
// on.
func (s *Store) CreateIteration(ctx context.Context, n NewIteration) (IterationRow, error) {
	var number int
	var name string
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		b, err := t.buildspaceByID(ctx, n.BuildspaceID)
		if err != nil {
			return err
		}
		if b.Status != buildbtw.BuildspaceActive {
			return buildbtw.Conflict("buildspace %s is %s; it gets no iterations", b.Name, b.Status)
		}
		it, err := t.insertIteration(ctx, n)
		if err != nil {
			return err
		}
		name, number = b.Name, it.Number
		if err := t.fillIteration(ctx, it, n, b.Settings); err != nil {
			return err
		}
		if err := t.supersede(ctx, it); err != nil {
			return err
		}
		return t.clearWanted(ctx, n)
	})
	if err != nil {
		return IterationRow{}, fmt.Errorf("create iteration of buildspace %d: %w", n.BuildspaceID, err)
	}
	return s.Iteration(ctx, name, number)
}

func (t *tx) insertIteration(ctx context.Context, n NewIteration) (*buildbtw.Iteration, error) {
	it := &buildbtw.Iteration{
		BuildspaceID: n.BuildspaceID, State: buildbtw.IterationReady, Reason: n.Reason, ReasonText: n.ReasonText, CreatedAt: t.now,
	}
	switch {
	case n.Err != nil:
		it.State, it.Error = buildbtw.IterationInvalid, buildbtw.MessageOf(n.Err)
	case n.Plan == nil:
		return nil, fmt.Errorf("neither a plan nor an error was given")
	default:
		it.PlanDigest = PlanDigest(n.Plan)
	}
	err := t.get(ctx, &it.Number, "next_iteration_number", args{"buildspace": n.BuildspaceID})
	if err != nil {
		return nil, err
	}
	return it, t.insert(ctx, it)
}

// supersede ends the iterations before this one, unless it is invalid. Runs
// that something waits for go on.
func (t *tx) supersede(ctx context.Context, it *buildbtw.Iteration) error {
	if it.State != buildbtw.IterationReady {
		return nil
	}
	return t.endIterations(ctx, iterationEnd{
		buildspace: it.BuildspaceID, except: it.ID, state: buildbtw.IterationSuperseded,
		skip: change{
			cause: buildbtw.CauseSuperseded, actor: buildbtw.System, message: fmt.Sprintf("Replaced by iteration %d.", it.Number),
		},
	})
}

// iterationEnd is how a buildspace's ready iterations are taken out of work.
type iterationEnd struct {
	buildspace int64
	except     int64 // an iteration that stays
	state      buildbtw.IterationState
	everything bool // runs that others wait for, too
	skip       change
}

// endIterations takes the buildspace's ready iterations out of work.
func (t *tx) endIterations(ctx context.Context, o iterationEnd) error {
	var builds []int64
	err := t.list(ctx, &builds, "builds_that_end", args{"buildspace": o.buildspace, "except": o.except, "everything": o.everything})
	if err != nil {
		return err
	}
	if _, err := t.skip(ctx, builds, o.skip); err != nil {
		return err
	}
	var over []buildbtw.Iteration
	err = t.list(ctx, &over, "end_iterations", args{"buildspace": o.buildspace, "except": o.except, "state": o.state})
	for i := 0; err == nil && i < len(over); i++ {
		err = t.record(ctx, buildbtw.Event{
			Actor: o.skip.actor, BuildspaceID: o.buildspace, IterationID: over[i].ID, Kind: buildbtw.EventIteration,
			Message: fmt.Sprintf("Iteration %d is %s. %s", over[i].Number, o.state, o.skip.message),
		})
	}
	if err != nil {
		return err
	}
	return t.stopUnwanted(ctx)
}

func (t *tx) fillIteration(ctx context.Context, it *buildbtw.Iteration, n NewIteration, s buildbtw.Settings) error {
	message := fmt.Sprintf("Iteration %d was created. %s", it.Number, n.ReasonText)
	if it.State == buildbtw.IterationInvalid {
		message = fmt.Sprintf("Iteration %d could not be planned: %s", it.Number, it.Error)
	}
	err := t.record(ctx, buildbtw.Event{
		Actor: buildbtw.System, BuildspaceID: it.BuildspaceID, IterationID: it.ID, Kind: buildbtw.EventIteration, Message: message,
	})
	if err != nil {
		return err
	}
	if it.State == buildbtw.IterationInvalid {
		return t.insertPlannedChangesets(ctx, it.ID, n.Changesets)
	}
	if err := t.insertPlannedChangesets(ctx, it.ID, n.Plan.Changesets); err != nil {
		return err
	}
	warnings := n.Plan.Warnings
	if n.Rows != nil {
		warnings = slices.Concat(warnings, n.Rows.warnings)
	}
	if err := t.insertWarnings(ctx, it.ID, warnings); err != nil {
		return err
	}
	if err := t.takeVersions(ctx, it.BuildspaceID, n.Versions, n.Bumps); err != nil {
		return err
	}
	return t.insertGraph(ctx, it, n, s)
}

func (t *tx) insertPlannedChangesets(ctx context.Context, iteration int64, list []buildgraph.PlannedChangeset) error {
	rows := make([]iterationChangeset, len(list))
	for i, c := range list {
		rows[i] = iterationChangeset{IterationID: iteration, Source: c.Source, Ref: c.Ref, Commit: c.Commit}
	}
	return insertRows(ctx, t, rows)
}

func (t *tx) insertWarnings(ctx context.Context, iteration int64, list []buildgraph.Warning) error {
	rows := make([]iterationWarning, len(list))
	for i, w := range list {
		rows[i] = iterationWarning{IterationID: iteration, Kind: w.Kind, Source: w.Source, Message: w.Message}
	}
	return insertRows(ctx, t, rows)
}

// insertGraph writes builds, edges and cuts, and an event for each build.
func (t *tx) insertGraph(ctx context.Context, it *buildbtw.Iteration, n NewIteration, s buildbtw.Settings) error {
	var first int64
	if err := t.get(ctx, &first, "next_build_id", nil); err != nil {
		return err
	}
	g := n.Rows
	if g == nil {
		rows, err := layOut(n.Plan, n.Base)
		if err != nil {
			return err
		}
		nothing := func([]string) (map[string]Result, error) { return nil, nil }
		if err := rows.reuseResults(nothing); err != nil {
			return err
		}
		g = rows
	}
	g.renumber(it.ID, first)
	if n.CutOff && s.Scope == buildbtw.ScopeAuto {
		g.markSkippable(s)
	}
	g.begin(t.now)
	if err := t.insertPlanRows(ctx, g); err != nil {
		return err
	}
	if _, err := t.exec(ctx, "begin_counts", args{"iteration": it.ID, "statuses": textList(buildbtw.Statuses())}); err != nil {
		return fmt.Errorf("count the builds: %w", err)
	}
	var pending, reused []int64
	for _, b := range g.builds {
		if b.Status == buildbtw.StatusPending {
			pending = append(pending, b.ID)
		}
		if b.ReusedFrom != 0 {
			reused = append(reused, b.ID)
		}
	}
	if err := t.takePackages(ctx, reused); err != nil {
		return err
	}
	if err := t.recordPlanned(ctx, it, g.builds); err != nil {
		return fmt.Errorf("record planned builds: %w", err)
	}
	return t.hold(ctx, pending)
}

// recordPlanned writes the first event of each build: one row for all that begin alike.
func (t *tx) recordPlanned(ctx context.Context, it *buildbtw.Iteration, builds []buildbtw.Build) error {
	var reused []struct {
		ID    int64  `bun:"id"`
		Words string `bun:"words"`
	}
	if err := t.list(ctx, &reused, "reused_builds", args{"iteration": it.ID}); err != nil {
		return err
	}
	words := make(map[int64]string, len(reused))
	for _, r := range reused {
		words[r.ID] = r.Words
	}
	var begins []buildbtw.Event // in the order of their first builds
	alike := map[buildbtw.Event][]int64{}
	for _, b := range builds {
		e := buildbtw.Event{
			Actor: buildbtw.System, BuildspaceID: it.BuildspaceID, IterationID: it.ID, To: b.Status,
			Cause: buildbtw.CausePlanned, Message: fmt.Sprintf("Planned in iteration %d.", it.Number),
		}
		if b.Status == buildbtw.StatusBuilt {
			e.Cause, e.Message = buildbtw.CauseReused, cmp.Or(words[b.ID], togetherWords)
		}
		if alike[e] == nil {
			begins = append(begins, e)
		}
		alike[e] = append(alike[e], b.ID)
	}
	t.seen.saved(buildbtw.CauseReused, len(reused))
	for _, e := range begins {
		t.seen.moves = append(t.seen.moves, movedBuilds{e.To, e.Cause, len(alike[e])})
		if err := t.recordMany(ctx, alike[e], e); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) insertPlanRows(ctx context.Context, g *PlanRows) error {
	if err := insertRows(ctx, t, g.builds); err != nil {
		return fmt.Errorf("insert builds: %w", err)
	}
	return t.insertGraphRows(ctx, g)
}

// graphEdge is an edge by the places of its builds.
type graphEdge struct {
	bun.BaseModel `bun:"table:graph_edges"`
	GraphID       int64              `bun:"graph_id"`
	From          int64              `bun:"from_place"`
	To            int64              `bun:"to_place"`
	Kinds         buildbtw.EdgeKinds `bun:"kinds"`
	Through       buildbtw.Names     `bun:"through"`
}

// graphCut is a cut by the places of its builds.
type graphCut struct {
	bun.BaseModel `bun:"table:graph_cuts"`
	GraphID       int64              `bun:"graph_id"`
	From          int64              `bun:"from_place"`
	To            int64              `bun:"to_place"`
	Kinds         buildbtw.EdgeKinds `bun:"kinds"`
	Cycle         buildbtw.Names     `bun:"cycle"`
}

// insertGraphRows gives an iteration its graph: the one that an earlier iteration has,
// when it is the same, or a new one.
func (t *tx) insertGraphRows(ctx context.Context, g *PlanRows) error {
	if len(g.builds) == 0 {
		return nil
	}
	graph, known, err := t.graph(ctx, g.digest())
	if err != nil {
		return fmt.Errorf("look for the graph: %w", err)
	}
	if _, err := t.exec(ctx, "set_graph", args{"iteration": g.builds[0].IterationID, "graph": graph, "first": g.first}); err != nil || known {
		return err
	}
	edges, cuts := make([]graphEdge, len(g.edges)), make([]graphCut, len(g.cuts))
	for i, e := range g.edges {
		edges[i] = graphEdge{GraphID: graph, From: e.From - g.first, To: e.To - g.first, Kinds: e.Kinds, Through: e.Through}
	}
	for i, c := range g.cuts {
		cuts[i] = graphCut{GraphID: graph, From: c.From - g.first, To: c.To - g.first, Kinds: c.Kinds, Cycle: c.Cycle}
	}
	if err := insertRows(ctx, t, edges); err != nil {
		return fmt.Errorf("insert edges: %w", err)
	}
	if err := insertRows(ctx, t, cuts); err != nil {
		return fmt.Errorf("insert cuts: %w", err)
	}
	return nil
}

// graph finds the graph with a digest, or makes an empty one.
func (t *tx) graph(ctx context.Context, digest string) (id int64, known bool, err error) {
	err = t.get(ctx, &id, "graph_of_digest", args{"digest": digest})
	if errors.Is(err, sql.ErrNoRows) {
		return id, false, t.get(ctx, &id, "new_graph", args{"digest": digest})
	}
	return id, true, err
}

// rowsPerStatement keeps a statement's text within about half a megabyte.
const rowsPerStatement = 1000

func insertRows[T any](ctx context.Context, t *tx, rows []T) error {
	for chunk := range slices.Chunk(rows, rowsPerStatement) {
		if _, err := t.NewInsert().Model(&chunk).Returning("NULL").Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}

// clearWanted takes the request back that this iteration answers. One that came
// after the plan was begun has a higher revision and stays.
func (t *tx) clearWanted(ctx context.Context, n NewIteration) error {
	_, err := t.exec(ctx, "answer_request", args{"buildspace": n.BuildspaceID, "revision": n.Revision})
	return err
}
