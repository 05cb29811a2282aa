package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"

	"buildbtw"
)

// MaxRootCauses bounds the causes that are named for one build.
const MaxRootCauses = 20

// Blocker is a build that others wait for in vain.
type Blocker struct {
	Build  BuildRef
	Blocks int // builds that cannot start because of it, directly or through others
}

// stuck is an iteration's graph with the builds that go no further: those that
// block, and those that are blocked.
type stuck struct {
	graph   *adjacency
	causes  []bool
	blocked []bool
}

// loadStuck finds what will not be built unless a person does something:
// failed builds and skipped ones, except those whose dependents may use what
// is there already.
func (s *Store) loadStuck(ctx context.Context, q *sqlx.Tx, iteration int64) (*stuck, error) {
	g, err := s.graphs.get(ctx, q, iteration)
	if err != nil {
		return nil, err
	}
	st := &stuck{graph: g}
	if st.causes, err = g.marks(ctx, q, `iteration_id = ? AND (status = 'failed' OR status = 'skipped' AND skip_reason <> 'unchanged')`, iteration); err != nil {
		return nil, err
	}
	st.blocked, err = g.marks(ctx, q, `iteration_id = ? AND status = 'blocked'`, iteration)
	return st, err
}

// marks tells for each build of the graph whether a condition holds.
func (g *adjacency) marks(ctx context.Context, q *sqlx.Tx, condition string, args ...any) ([]bool, error) {
	var ids []int64
	if err := q.SelectContext(ctx, &ids, `SELECT id FROM builds WHERE `+condition, args...); err != nil {
		return nil, err
	}
	marked := make([]bool, g.size())
	for _, id := range ids {
		marked[id-g.first] = true
	}
	return marked, nil
}

// walk goes from a build along edges, through blocked builds only, nearest
// first, and calls visit once for each build it meets until visit says stop.
func (st *stuck) walk(from int32, along lists, seen []int32, visit func(int32) (more bool)) {
	queue := []int32{from}
	mark := from + 1 // distinct for each start, so that seen need not be cleared
	seen[from] = mark
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, next := range along.of(at) {
			if seen[next] == mark {
				continue
			}
			seen[next] = mark
			if !visit(next) {
				return
			}
			if st.blocked[next] {
				queue = append(queue, next)
			}
		}
	}
}

// rootCauses gives the builds that a blocked one waits for in vain, nearest
// first.
func (st *stuck) rootCauses(build int64, seen []int32) []int64 {
	var causes []int64
	st.walk(int32(build-st.graph.first), st.graph.in, seen, func(at int32) bool {
		if st.causes[at] {
			causes = append(causes, st.graph.first+int64(at))
		}
		return len(causes) < MaxRootCauses
	})
	return causes
}

// addRootCauses names for every blocked row what it waits for in vain: never
// just the neighbour, which may itself wait.
func (s *Store) addRootCauses(ctx context.Context, q *sqlx.Tx, rows []BuildRow) error {
	iterations := map[int64][]int{}
	for i, r := range rows {
		if r.Status == buildbtw.StatusBlocked {
			iterations[r.IterationID] = append(iterations[r.IterationID], i)
		}
	}
	for iteration, places := range iterations {
		st, err := s.loadStuck(ctx, q, iteration)
		if err != nil {
			return fmt.Errorf("root causes: %w", err)
		}
		seen := make([]int32, st.graph.size())
		causes := make([][]int64, len(places))
		for i, place := range places {
			causes[i] = st.rootCauses(rows[place].ID, seen)
		}
		refs, err := buildRefs(ctx, q, slices.Concat(causes...))
		if err != nil {
			return fmt.Errorf("root causes: %w", err)
		}
		for i, place := range places {
			for _, id := range causes[i] {
				rows[place].RootCauses = append(rows[place].RootCauses, refs[id])
			}
		}
	}
	return nil
}

func buildRefs(ctx context.Context, q *sqlx.Tx, ids []int64) (map[int64]BuildRef, error) {
	slices.Sort(ids)
	ids = slices.Compact(ids)
	refs := map[int64]BuildRef{}
	if len(ids) == 0 {
		return refs, nil
	}
	var rows []BuildRef
	err := q.SelectContext(ctx, &rows, `SELECT `+buildRefColumns+` FROM builds AS b WHERE b.id IN (SELECT value FROM json_each(?))`, idList(ids))
	for _, r := range rows {
		refs[r.ID] = r
	}
	return refs, err
}

// Blockers lists the builds of an iteration that others wait for in vain, the
// one that blocks most first.
func (s *Store) Blockers(ctx context.Context, iterationID int64, limit int) ([]Blocker, error) {
	limit, err := pageLimit(limit)
	if err != nil {
		return nil, err
	}
	blockers := []Blocker{}
	err = s.view(ctx, func(q *sqlx.Tx) error {
		st, err := s.loadStuck(ctx, q, iterationID)
		if err != nil {
			return err
		}
		counts := st.blockers()
		counts = counts[:min(limit, len(counts))]
		ids := make([]int64, len(counts))
		for i, c := range counts {
			ids[i] = c.Build.ID
		}
		refs, err := buildRefs(ctx, q, ids)
		for _, c := range counts {
			blockers = append(blockers, Blocker{refs[c.Build.ID], c.Blocks})
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list blockers of iteration %d: %w", iterationID, err)
	}
	return blockers, nil
}

func (st *stuck) blockers() []Blocker {
	seen := make([]int32, st.graph.size())
	var list []Blocker
	for at, is := range st.causes {
		if !is {
			continue
		}
		n := 0
		st.walk(int32(at), st.graph.out, seen, func(next int32) bool {
			if st.blocked[next] {
				n++
			}
			return true
		})
		if n > 0 {
			list = append(list, Blocker{BuildRef{ID: st.graph.first + int64(at)}, n})
		}
	}
	slices.SortFunc(list, func(a, b Blocker) int {
		return cmp.Or(cmp.Compare(b.Blocks, a.Blocks), cmp.Compare(a.Build.ID, b.Build.ID))
	})
	return list
}
