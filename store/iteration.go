package store

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"buildbtw"
	"buildbtw/buildgraph"
)

// IterationRow is an iteration with its buildspace's name and the number of its
// builds by status.
type IterationRow struct {
	buildbtw.Iteration
	Buildspace string          `bun:"buildspace"`
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

const iterationRow = `SELECT i.*, s.name AS buildspace FROM iterations AS i JOIN buildspaces AS s ON s.id = i.buildspace_id `

// iterationID finds an iteration by its number; 0 is the latest.
func iterationID(ctx context.Context, q *sqlx.Tx, buildspace string, number int) (int64, error) {
	it, err := iterationOf(ctx, q, buildspace, number)
	return it.ID, err
}

func iterationOf(ctx context.Context, q *sqlx.Tx, buildspace string, number int) (IterationRow, error) {
	var row IterationRow
	err := q.GetContext(ctx, &row, iterationRow+`WHERE s.name = ? AND (i.number = ? OR ? = 0) ORDER BY i.number DESC LIMIT 1`, buildspace, number, number)
	if err == nil {
		return row, nil
	}
	var known bool
	if err := notFound(err, "buildspace %s has no iteration %d", buildspace, number); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		return row, err
	}
	if err := q.GetContext(ctx, &known, `SELECT EXISTS (SELECT 1 FROM buildspaces WHERE name = ?)`, buildspace); err != nil {
		return row, err
	}
	switch {
	case !known:
		return row, noBuildspace(buildspace)
	case number == 0:
		return row, buildbtw.NotFound("buildspace %s has no iteration yet", buildspace)
	}
	return row, buildbtw.NotFound("buildspace %s has no iteration %d", buildspace, number)
}

// Iteration gives one iteration by number; 0 is the latest.
func (s *Store) Iteration(ctx context.Context, buildspace string, number int) (IterationRow, error) {
	rows := make([]IterationRow, 1)
	err := s.view(ctx, func(q *sqlx.Tx) (err error) {
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
func (s *Store) Iterations(ctx context.Context, buildspace string) ([]IterationRow, error) {
	rows := []IterationRow{}
	err := s.view(ctx, func(q *sqlx.Tx) error {
		if err := q.SelectContext(ctx, &rows, iterationRow+`WHERE s.name = ? ORDER BY i.number DESC`, buildspace); err != nil {
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
func (s *Store) IterationChangesets(ctx context.Context, iterationID int64) ([]buildgraph.PlannedChangeset, error) {
	var rows []iterationChangeset
	err := s.lists.SelectContext(ctx, &rows, `SELECT * FROM iteration_changesets WHERE iteration_id = ? ORDER BY source`, iterationID)
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
func (s *Store) Warnings(ctx context.Context, iterationID int64) ([]buildgraph.Warning, error) {
	var rows []iterationWarning
	err := s.lists.SelectContext(ctx, &rows, `SELECT iteration_id, kind, source, message FROM iteration_warnings WHERE iteration_id = ? ORDER BY id`, iterationID)
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
func (s *Store) Architectures(ctx context.Context, iterationID int64) ([]string, error) {
	list := []string{}
	// From one to the next over the index; DISTINCT would go through all builds.
	err := s.lists.SelectContext(ctx, &list, `WITH RECURSIVE a (architecture) AS (
    SELECT min(architecture) FROM builds WHERE iteration_id = ?
    UNION ALL SELECT (SELECT min(b.architecture) FROM builds AS b WHERE b.iteration_id = ? AND b.architecture > a.architecture) FROM a WHERE a.architecture IS NOT NULL)
SELECT architecture FROM a WHERE architecture IS NOT NULL`, iterationID, iterationID)
	if err != nil {
		return nil, fmt.Errorf("list architectures of iteration %d: %w", iterationID, err)
	}
	return list, nil
}

// Graph gives the build graph of one architecture.
func (s *Store) Graph(ctx context.Context, iterationID int64, arch string) (Graph, error) {
	g := Graph{Builds: []buildbtw.Build{}, Edges: []buildbtw.Edge{}, Cuts: []buildbtw.Cut{}}
	err := s.view(ctx, func(q *sqlx.Tx) error {
		return g.load(ctx, q, iterationID, arch)
	})
	if err != nil {
		return Graph{}, fmt.Errorf("load graph of iteration %d for %s: %w", iterationID, arch, err)
	}
	return g, nil
}

// load reads edges by the range of ids of the builds: the builds of one
// architecture were numbered in one go (layOut).
func (g *Graph) load(ctx context.Context, q *sqlx.Tx, iterationID int64, arch string) error {
	err := q.SelectContext(ctx, &g.Builds, `SELECT * FROM builds WHERE iteration_id = ? AND architecture = ? ORDER BY id`, iterationID, arch)
	if err != nil || len(g.Builds) == 0 {
		return err
	}
	first, last := g.Builds[0].ID, g.Builds[len(g.Builds)-1].ID
	err = q.SelectContext(ctx, &g.Edges, `SELECT * FROM edges WHERE from_build BETWEEN ? AND ? ORDER BY from_build, to_build`, first, last)
	if err != nil {
		return err
	}
	return q.SelectContext(ctx, &g.Cuts, `SELECT * FROM cuts WHERE from_build BETWEEN ? AND ? ORDER BY from_build, to_build`, first, last)
}
