package store

import (
	"context"
	"fmt"

	"buildbtw"
	"buildbtw/internal/graph"
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
func (q *Reader) GraphShape(ctx context.Context, iterationID int64, arch string) (GraphShape, error) {
	var g GraphShape
	err := q.Snapshot(ctx, func(q *Reader) error { return g.load(ctx, q, iterationID, arch) })
	if err != nil {
		return GraphShape{}, fmt.Errorf("load the shape of the graph of iteration %d for %s: %w", iterationID, arch, err)
	}
	return g, nil
}

func (g *GraphShape) load(ctx context.Context, q *Reader, iterationID int64, arch string) error {
	err := q.list(ctx, &g.Builds, "graph_shape", args{"iteration": iterationID, "architecture": arch})
	if err != nil || len(g.Builds) == 0 {
		return err
	}
	span := args{"iteration": iterationID, "first": g.Builds[0].ID, "last": g.Builds[len(g.Builds)-1].ID}
	if err := g.loadEdges(ctx, q, span); err != nil {
		return err
	}
	return q.list(ctx, &g.Cuts, "graph_cuts", span)
}

// loadEdges reads row by row: there are tens of thousands, and nearly none has
// anything in through.
func (g *GraphShape) loadEdges(ctx context.Context, q *Reader, span args) error {
	rows, err := q.rows(ctx, "graph_edges", span)
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
func (q *Reader) GraphStates(ctx context.Context, iterationID int64, arch string) ([]GraphState, error) {
	rows, err := q.rows(ctx, "graph_states", args{"iteration": iterationID, "architecture": arch})
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

// iterationGraph is what waits for what in an iteration. Builds are numbered from
// 0: the ids of an iteration's builds follow one another. A twin waits for the
// build that does its work.
type iterationGraph struct {
	first   int64 // id of build 0
	in, out graph.CSR
	order   []int32 // all builds, dependencies first
}

// bytes is about the memory that a graph takes.
func (g *iterationGraph) bytes() int64 { return 256 + 12*int64(g.size()) + 8*int64(len(g.out.To)) }

func (g *iterationGraph) size() int { return int(g.out.Nodes()) }

// graphOf returns an iteration's graph. Edges never change once an iteration is
// there, and its id is never used again.
func (q *Reader) graphOf(ctx context.Context, iteration int64) (*iterationGraph, error) {
	if g, found := q.graphs.Get(iteration); found {
		return g, nil
	}
	g, err := loadGraph(ctx, q, iteration)
	if err == nil && g.size() > 0 { // an iteration that is not there yet may come
		q.graphs.Put(iteration, g)
	}
	return g, err
}

func loadGraph(ctx context.Context, q *Reader, iteration int64) (*iterationGraph, error) {
	var span struct {
		First int64 `bun:"first"`
		Last  int64 `bun:"last"`
	}
	if err := q.get(ctx, &span, "build_span", args{"iteration": iteration}); err != nil {
		return nil, err
	}
	rows, err := q.rows(ctx, "order_of_iteration", args{"iteration": iteration, "first": span.First, "last": span.Last})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var from, to []int32
	for rows.Next() {
		var f, t int64
		if err := rows.Scan(&f, &t); err != nil {
			return nil, err
		}
		from, to = append(from, int32(f-span.First)), append(to, int32(t-span.First))
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	g := &iterationGraph{first: span.First, out: graph.New(int(span.Last-span.First+1), from, to)}
	g.in = g.out.Reversed()
	g.order, _, err = graph.TopologicalOrder(&g.out)
	return g, err
}
