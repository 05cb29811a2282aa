package store

import (
	"context"
	"fmt"
	"slices"
	"sync"

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
	span := args{"first": g.Builds[0].ID, "last": g.Builds[len(g.Builds)-1].ID}
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

// adjacency is the edges of an iteration as lists of neighbours. Builds are
// numbered from 0: the ids of an iteration's builds follow one another
// (nextBuildID). A twin hangs on the build that does its work as on a
// dependency.
type adjacency struct {
	first   int64 // id of build 0
	in, out lists
	order   []int32 // all builds, dependencies first
}

// lists holds a list per build, one after the other in one slice.
type lists struct {
	start []int32 // one more than there are builds
	items []int32
}

func (l lists) of(build int32) []int32 { return l.items[l.start[build]:l.start[build+1]] }

func (g *adjacency) size() int { return len(g.in.start) - 1 }

// adjacencyOf gives an iteration's graph. Edges never change once an iteration
// is there, and its id is never used again.
func (q *Reader) adjacencyOf(ctx context.Context, iteration int64) (*adjacency, error) {
	if g := q.graphs.find(iteration); g != nil {
		return g, nil
	}
	g, err := loadAdjacency(ctx, q, iteration)
	if err == nil && g.size() > 0 { // an iteration that is not there yet may come
		q.graphs.keep(iteration, g)
	}
	return g, err
}

func loadAdjacency(ctx context.Context, q *Reader, iteration int64) (*adjacency, error) {
	var span struct {
		First int64 `bun:"first"`
		Last  int64 `bun:"last"`
	}
	if err := q.get(ctx, &span, "build_span", args{"iteration": iteration}); err != nil {
		return nil, err
	}
	rows, err := q.rows(ctx, "order_of_iteration", args{"first": span.First, "last": span.Last})
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
	n := int(span.Last - span.First + 1)
	g := &adjacency{first: span.First, in: newLists(n, to, from), out: newLists(n, from, to)}
	g.sort()
	return g, rows.Err()
}

// sort finds the order. A plan has no cycles: their edges are cut.
func (g *adjacency) sort() {
	waiting := make([]int, g.size())
	for at := range int32(g.size()) {
		if waiting[at] = len(g.in.of(at)); waiting[at] == 0 {
			g.order = append(g.order, at)
		}
	}
	for i := 0; i < len(g.order); i++ {
		for _, to := range g.out.of(g.order[i]) {
			if waiting[to]--; waiting[to] == 0 {
				g.order = append(g.order, to)
			}
		}
	}
}

// newLists sorts items by the build at the same place in keys.
func newLists(n int, keys, items []int32) lists {
	l := lists{start: make([]int32, n+1), items: make([]int32, len(items))}
	for _, k := range keys {
		l.start[k+1]++
	}
	for i := range n {
		l.start[i+1] += l.start[i]
	}
	next := slices.Clone(l.start)
	for i, k := range keys {
		l.items[next[k]] = items[i]
		next[k]++
	}
	return l
}

// keptIterations bounds the memory: a graph of 68,000 edges takes 0.6 MB.
const keptIterations = 16

// recent keeps something of the iterations that were asked for last. The zero
// value is ready.
type recent[T any] struct {
	mu   sync.Mutex
	list []recentEntry[T] // latest first
}

type recentEntry[T any] struct {
	iteration int64
	value     *T
}

// find gives nil when nothing is kept.
func (r *recent[T]) find(iteration int64) *T {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, found := r.take(iteration)
	if !found {
		return nil
	}
	r.list = slices.Insert(r.list, 0, e)
	return e.value
}

// keep replaces what was kept of the iteration.
func (r *recent[T]) keep(iteration int64, value *T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.take(iteration)
	r.list = slices.Insert(r.list, 0, recentEntry[T]{iteration, value})
	r.list = r.list[:min(len(r.list), keptIterations)]
}

func (r *recent[T]) take(iteration int64) (e recentEntry[T], found bool) {
	i := slices.IndexFunc(r.list, func(e recentEntry[T]) bool { return e.iteration == iteration })
	if i < 0 {
		return e, false
	}
	e = r.list[i]
	r.list = slices.Delete(r.list, i, i+1)
	return e, true
}
