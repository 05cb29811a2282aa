package store

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"buildbtw"
)

// GraphShape is what never changes of the build graph of one architecture.
type GraphShape struct {
	Builds []GraphBuild // by ID
	Edges  []buildbtw.Edge
	Cuts   []buildbtw.Cut
}

// GraphBuild is the part of a build that never changes.
type GraphBuild struct {
	ID      int64           `bun:"id"`
	Pkgbase string          `bun:"pkgbase"`
	Version string          `bun:"version"`
	Stage   int             `bun:"stage"`
	Level   int             `bun:"level"`
	Reason  buildbtw.Reason `bun:"reason"`
}

// GraphShape gives the build graph of one architecture without what changes. It
// may be kept: an iteration's graph never changes, and its ID is never used
// again.
func (s *Store) GraphShape(ctx context.Context, iterationID int64, arch string) (GraphShape, error) {
	var g GraphShape
	err := s.view(ctx, func(q *sqlx.Tx) error { return g.load(ctx, q, iterationID, arch) })
	if err != nil {
		return GraphShape{}, fmt.Errorf("load the shape of the graph of iteration %d for %s: %w", iterationID, arch, err)
	}
	return g, nil
}

func (g *GraphShape) load(ctx context.Context, q *sqlx.Tx, iterationID int64, arch string) error {
	err := q.SelectContext(ctx, &g.Builds, `SELECT id, pkgbase, version, stage, level, reason
FROM builds WHERE iteration_id = ? AND architecture = ? ORDER BY id`, iterationID, arch)
	if err != nil || len(g.Builds) == 0 {
		return err
	}
	// The builds of one architecture were numbered in one go.
	first, last := g.Builds[0].ID, g.Builds[len(g.Builds)-1].ID
	if err := g.loadEdges(ctx, q, first, last); err != nil {
		return err
	}
	return q.SelectContext(ctx, &g.Cuts, `SELECT * FROM cuts WHERE from_build BETWEEN ? AND ? ORDER BY from_build, to_build`, first, last)
}

// loadEdges reads row by row: there are tens of thousands, and nearly none has
// anything in through.
func (g *GraphShape) loadEdges(ctx context.Context, q *sqlx.Tx, first, last int64) error {
	rows, err := q.QueryContext(ctx, `SELECT from_build, to_build, kinds, through FROM edges
WHERE from_build BETWEEN ? AND ? ORDER BY from_build, to_build`, first, last)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var e buildbtw.Edge
		var through string
		if err := rows.Scan(&e.From, &e.To, &e.Kinds, &through); err != nil {
			return err
		}
		if through != "[]" {
			if err := e.Through.Scan(through); err != nil {
				return err
			}
		}
		g.Edges = append(g.Edges, e)
	}
	return rows.Err()
}

// GraphState is the part of a build that changes.
type GraphState struct {
	ID         int64           `bun:"id"`
	Status     buildbtw.Status `bun:"status"`
	SkipReason buildbtw.Cause  `bun:"skip_reason"`
	Priority   float64         `bun:"priority"`
}

// GraphStates tells where the builds of a graph stand, by ID.
func (s *Store) GraphStates(ctx context.Context, iterationID int64, arch string) ([]GraphState, error) {
	rows, err := s.lists.QueryContext(ctx, `SELECT id, status, skip_reason, priority
FROM builds WHERE iteration_id = ? AND architecture = ? ORDER BY id`, iterationID, arch)
	if err != nil {
		return nil, fmt.Errorf("list the states of iteration %d for %s: %w", iterationID, arch, err)
	}
	defer rows.Close()
	var states []GraphState
	for rows.Next() {
		var g GraphState
		if err := rows.Scan(&g.ID, &g.Status, &g.SkipReason, &g.Priority); err != nil {
			return nil, fmt.Errorf("list the states of iteration %d for %s: %w", iterationID, arch, err)
		}
		states = append(states, g)
	}
	return states, rows.Err()
}
