package store

import (
	"context"
	"slices"

	"github.com/jmoiron/sqlx"
)

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
func (s *Store) adjacencyOf(ctx context.Context, q *sqlx.Tx, iteration int64) (*adjacency, error) {
	if g := s.graphs.find(iteration); g != nil {
		return g, nil
	}
	g, err := loadAdjacency(ctx, q, iteration)
	if err == nil && g.size() > 0 { // an iteration that is not there yet may come
		s.graphs.keep(iteration, g)
	}
	return g, err
}

func loadAdjacency(ctx context.Context, q *sqlx.Tx, iteration int64) (*adjacency, error) {
	var span struct {
		First int64 `bun:"first"`
		Last  int64 `bun:"last"`
	}
	err := q.GetContext(ctx, &span, `SELECT coalesce(min(id), 0) AS first, coalesce(max(id), -1) AS last FROM builds WHERE iteration_id = ?`, iteration)
	if err != nil {
		return nil, err
	}
	rows, err := q.QueryContext(ctx, `SELECT from_build, to_build FROM edges WHERE from_build BETWEEN ? AND ?
UNION ALL SELECT twin_of, id FROM builds WHERE twin_of BETWEEN ? AND ?`, span.First, span.Last, span.First, span.Last)
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
