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

// rootCauses gives the builds that a blocked one waits for in vain, nearest
// first: it goes back through blocked builds that lead to causes not found yet.
func (st *standing) rootCauses(build int64, seen []int32) []int64 {
	r := st.reach()
	start := int32(build - st.graph.first)
	found := make([]uint64, r.words)
	var causes []int64
	queue := []int32{start}
	mark := start + 1 // distinct for each start, so that seen need not be cleared
	for len(queue) > 0 && len(causes) < MaxRootCauses && r.waitsInVain(start, found) {
		at := queue[0]
		queue = queue[1:]
		for _, from := range st.graph.in.of(at) {
			if seen[from] == mark {
				continue
			}
			seen[from] = mark
			if place, is := slices.BinarySearch(r.causes, from); is && len(causes) < MaxRootCauses {
				found[place/64] |= 1 << (place % 64)
				causes = append(causes, st.graph.first+int64(from))
			}
			if st.blocked[from] && r.waitsInVain(from, found) {
				queue = append(queue, from)
			}
		}
	}
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
		st, err := s.standing(ctx, q, iteration)
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
		st, err := s.standing(ctx, q, iterationID)
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

// blockers counts what each cause blocks, the one that blocks most first.
func (st *standing) blockers() []Blocker {
	r := st.reach()
	list := make([]Blocker, len(r.causes))
	for i, n := range r.blocks {
		list[i] = Blocker{BuildRef{ID: st.graph.first + int64(r.causes[i])}, n}
	}
	slices.SortFunc(list, func(a, b Blocker) int {
		return cmp.Or(cmp.Compare(b.Blocks, a.Blocks), cmp.Compare(a.Build.ID, b.Build.ID))
	})
	return list
}
