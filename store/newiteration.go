package store

import (
	"context"
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
// running attempts are told to stop. An iteration without a plan becomes
// invalid and supersedes nothing: one bad push does not end the work that goes
// on.
func (s *Store) CreateIteration(ctx context.Context, n NewIteration) (IterationRow, error) {
	var number int
	var name string
	err := s.transact(ctx, func(ctx context.Context, t *tx) error {
		b := buildbtw.Buildspace{ID: n.BuildspaceID}
		if err := t.NewSelect().Model(&b).WherePK().Scan(ctx); err != nil {
			return notFound(err, "there is no buildspace %d", n.BuildspaceID)
		}
		if b.Status != buildbtw.BuildspaceActive {
			return buildbtw.Conflict("buildspace %s is %s; it gets no iterations", b.Name, b.Status)
		}
		it, err := t.insertIteration(ctx, n)
		if err != nil {
			return err
		}
		name, number = b.Name, it.Number
		if err := t.fillIteration(ctx, it, n); err != nil {
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
	}
	err := t.NewSelect().Model((*buildbtw.Iteration)(nil)).ColumnExpr("coalesce(max(number), 0) + 1").
		Where("buildspace_id = ?", n.BuildspaceID).Scan(ctx, &it.Number)
	if err != nil {
		return nil, err
	}
	if it.State == buildbtw.IterationReady {
		err := t.endIterations(ctx, n.BuildspaceID, buildbtw.IterationSuperseded, change{
			cause: buildbtw.CauseSuperseded, actor: buildbtw.System, message: fmt.Sprintf("Iteration %d took over.", it.Number),
		})
		if err != nil {
			return nil, err
		}
	}
	_, err = t.NewInsert().Model(it).Exec(ctx)
	return it, err
}

// endIterations takes the buildspace's ready iterations out of work.
func (t *tx) endIterations(ctx context.Context, buildspace int64, state buildbtw.IterationState, skip change) error {
	if _, err := t.skip(ctx, readyOf(buildspace), skip); err != nil {
		return err
	}
	var over []buildbtw.Iteration
	_, err := t.NewUpdate().Model((*buildbtw.Iteration)(nil)).Set("state = ?", state).
		Where("buildspace_id = ? AND state = ?", buildspace, buildbtw.IterationReady).Returning("id, number").Exec(ctx, &over)
	for i := 0; err == nil && i < len(over); i++ {
		err = t.record(ctx, buildbtw.Event{
			Actor: skip.actor, BuildspaceID: buildspace, IterationID: over[i].ID, Kind: buildbtw.EventIteration,
			Message: fmt.Sprintf("Iteration %d is %s. %s", over[i].Number, state, skip.message),
		})
	}
	return err
}

func (t *tx) fillIteration(ctx context.Context, it *buildbtw.Iteration, n NewIteration) error {
	message := fmt.Sprintf("Iteration %d was made (%s). %s", it.Number, n.Reason, n.ReasonText)
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
	if err := t.insertWarnings(ctx, it.ID, n.Plan.Warnings); err != nil {
		return err
	}
	return t.insertGraph(ctx, it, n.Plan)
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
func (t *tx) insertGraph(ctx context.Context, it *buildbtw.Iteration, plan *buildgraph.Plan) error {
	first, err := t.nextBuildID(ctx)
	if err != nil {
		return err
	}
	g, err := layOut(plan, it.ID, first)
	if err != nil {
		return err
	}
	for i := range g.builds {
		g.builds[i].ChangedAt = t.now
	}
	if err := insertRows(ctx, t, g.builds); err != nil {
		return fmt.Errorf("insert builds: %w", err)
	}
	if err := insertRows(ctx, t, g.edges); err != nil {
		return fmt.Errorf("insert edges: %w", err)
	}
	if err := insertRows(ctx, t, g.cuts); err != nil {
		return fmt.Errorf("insert cuts: %w", err)
	}
	return t.recordPlanned(ctx, it)
}

// nextBuildID is the id that the next build will have. Ids are given out here
// and not by the database, so that edges can be written without reading builds
// back; AUTOINCREMENT takes note of them.
func (t *tx) nextBuildID(ctx context.Context) (id int64, err error) {
	err = t.NewRaw("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'builds'), 0) + 1").Scan(ctx, &id)
	return id, err
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

// recordPlanned writes the first event of each build.
func (t *tx) recordPlanned(ctx context.Context, it *buildbtw.Iteration) error {
	_, err := t.NewRaw(`INSERT INTO events (at, actor, buildspace_id, iteration_id, build_id, kind, from_status, to_status, cause, message)
SELECT ?, ?, ?, ?, b.id, ?, ?, b.status, ?, ? FROM builds AS b WHERE b.iteration_id = ?`,
		t.now, buildbtw.System, it.BuildspaceID, it.ID, buildbtw.EventBuild, buildbtw.StatusNew, buildbtw.CausePlanned,
		fmt.Sprintf("Planned in iteration %d.", it.Number), it.ID).Exec(ctx)
	if err != nil {
		return fmt.Errorf("record planned builds: %w", err)
	}
	return nil
}

// clearWanted takes the request back that this iteration answers. One that came
// after the plan was begun has a higher revision and stays.
func (t *tx) clearWanted(ctx context.Context, n NewIteration) error {
	_, err := t.NewUpdate().Model((*buildbtw.Buildspace)(nil)).
		Set("wanted = ''").Set("wanted_text = ''").Set("wanted_at = NULL").
		Where("id = ? AND revision = ?", n.BuildspaceID, n.Revision).Exec(ctx)
	return err
}
