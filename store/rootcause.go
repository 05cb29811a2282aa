package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"buildbtw"
	"buildbtw/internal/graph"
)

// blockedState is an iteration's graph with the builds that cannot go on: those
// that others wait for in vain, and those that are blocked. It does not change;
// the next one is made from it and the events since.
type blockedState struct {
	graph   *iterationGraph
	event   int64  // the latest of any kind that it has taken notice of
	causes  []bool // failed, or skipped though their dependents need them
	blocked []bool

	reach func() reach // made when first asked for
}

// bytes is about the memory that a state takes, with few causes.
func (st *blockedState) bytes() int64 { return 256 + 32*int64(st.graph.size()) }

// tooManyEvents is after how many events all statuses are read anew instead.
const tooManyEvents = 2000

// blockedState returns the state of an iteration in q's snapshot.
func (q *Reader) blockedState(ctx context.Context, iteration int64) (*blockedState, error) {
	var event int64
	if err := q.get(ctx, &event, "latest_event", nil); err != nil {
		return nil, err
	}
	was, _ := q.blocked.Get(iteration)
	switch {
	case was == nil || was.event > event: // what is kept may be of a later snapshot than q's
		st, err := q.loadBlockedState(ctx, iteration, event)
		if err == nil && was == nil && st.graph.size() > 0 { // an iteration that is not there yet may come
			q.blocked.Put(iteration, st)
		}
		return st, err
	case was.event == event:
		return was, nil
	}
	st, err := q.follow(ctx, iteration, was)
	if err != nil {
		return nil, err
	}
	st.event = event
	q.blocked.Put(iteration, st)
	return st, nil
}

// loadBlockedState reads all statuses.
func (q *Reader) loadBlockedState(ctx context.Context, iteration, event int64) (*blockedState, error) {
	g, err := q.graphOf(ctx, iteration)
	if err != nil {
		return nil, err
	}
	st := newBlockedState(g, make([]bool, g.size()), make([]bool, g.size()))
	st.event = event
	rows, err := q.rows(ctx, "builds_at_rest", args{"iteration": iteration})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var status buildbtw.Status
		var cause buildbtw.Cause
		if err := rows.Scan(&id, &status, &cause); err != nil {
			return nil, err
		}
		st.set(id, status, cause)
	}
	return st, rows.Err()
}

func newBlockedState(g *iterationGraph, causes, blocked []bool) *blockedState {
	st := &blockedState{graph: g, causes: causes, blocked: blocked}
	st.reach = sync.OnceValue(st.findReach)
	return st
}

func (st *blockedState) set(build int64, status buildbtw.Status, cause buildbtw.Cause) {
	at := build - st.graph.first
	st.blocked[at] = status == buildbtw.StatusBlocked
	st.causes[at] = status.RootCause(cause)
}

// follow takes the events into account that came after a state: every change
// of a status has one, in the same transaction.
func (q *Reader) follow(ctx context.Context, iteration int64, was *blockedState) (*blockedState, error) {
	var moves []struct {
		Build  int64           `bun:"build_id"`
		Builds int             `bun:"builds"`
		Ranges buildRanges     `bun:"build_ranges"`
		To     buildbtw.Status `bun:"to_status"`
		Cause  buildbtw.Cause  `bun:"cause"`
	}
	err := q.list(ctx, &moves, "moves_since", args{"event": was.event, "iteration": iteration, "limit": tooManyEvents + 1})
	events := 0
	for _, m := range moves {
		events += m.Builds
	}
	switch {
	case err != nil:
		return nil, err
	case events > tooManyEvents:
		return q.loadBlockedState(ctx, iteration, was.event)
	}
	st := newBlockedState(was.graph, slices.Clone(was.causes), slices.Clone(was.blocked))
	changed := false
	for _, m := range moves {
		builds := m.Ranges.ids()
		if len(builds) == 0 {
			builds = []int64{m.Build}
		}
		for _, b := range builds {
			at := b - st.graph.first
			cause, blocked := st.causes[at], st.blocked[at]
			st.set(b, m.To, m.Cause)
			changed = changed || st.causes[at] != cause || st.blocked[at] != blocked
		}
	}
	if !changed {
		st.reach = was.reach
	}
	return st, nil
}

// reach tells for every blocked build which causes it waits for in vain,
// directly or through other blocked builds.
type reach struct {
	causes []int32        // as places in the graph, ascending
	sets   []graph.Bitset // by build: places in causes
	blocks []int          // by cause: how many builds wait for it
	frees  []int          // by cause: how many builds wait for no other one
}

// findReach goes through the builds once, in an order in which dependencies
// come first.
func (st *blockedState) findReach() reach {
	r := reach{}
	number := map[int32]int32{}
	for at := range st.graph.out.Nodes() {
		if st.causes[at] && slices.ContainsFunc(st.graph.out.Row(at), func(to int32) bool { return st.blocked[to] }) {
			number[at] = int32(len(r.causes))
			r.causes = append(r.causes, at)
		}
	}
	r.blocks, r.frees = make([]int, len(r.causes)), make([]int, len(r.causes))
	r.sets = graph.NewBitsets(st.graph.size(), len(r.causes))
	if len(r.causes) == 0 {
		return r
	}
	for _, at := range st.graph.order {
		if !st.blocked[at] {
			continue
		}
		set := r.sets[at]
		for _, from := range st.graph.in.Row(at) {
			if st.blocked[from] {
				set.Union(r.sets[from])
			}
			if st.causes[from] {
				set.Add(number[from])
			}
		}
		first := set.Next(0)
		for cause := first; cause >= 0; cause = set.Next(cause + 1) {
			r.blocks[cause]++
		}
		if first >= 0 && set.Next(first+1) < 0 {
			r.frees[first]++
		}
	}
	return r
}

// waitsFor reports whether a build waits for a cause that is not among the found
// ones.
func (r reach) waitsFor(build int32, found graph.Bitset) bool {
	for w, set := range r.sets[build] {
		if set&^found[w] != 0 {
			return true
		}
	}
	return false
}

// MaxRootCauses bounds the causes that are named for one build.
const MaxRootCauses = 20

// Blocker is a build that failed, or was cancelled, and blocks others.
type Blocker struct {
	Build  BuildRef
	Blocks int // builds that cannot start because of it, directly or through others
	Frees  int // those of them that nothing else blocks: what fixing it alone is worth
}

// rootCauses gives the builds that a blocked one waits for in vain, nearest
// first: it goes back through blocked builds that lead to causes not found yet.
func (st *blockedState) rootCauses(build int64, seen []int32) []int64 {
	r := st.reach()
	start := int32(build - st.graph.first)
	found := graph.NewBitset(len(r.causes))
	var causes []int64
	queue := []int32{start}
	mark := start + 1 // distinct for each start, so that seen need not be cleared
	for len(queue) > 0 && len(causes) < MaxRootCauses && r.waitsFor(start, found) {
		at := queue[0]
		queue = queue[1:]
		for _, from := range st.graph.in.Row(at) {
			if seen[from] == mark {
				continue
			}
			seen[from] = mark
			if place, is := slices.BinarySearch(r.causes, from); is && len(causes) < MaxRootCauses {
				found.Add(int32(place))
				causes = append(causes, st.graph.first+int64(from))
			}
			if st.blocked[from] && r.waitsFor(from, found) {
				queue = append(queue, from)
			}
		}
	}
	return causes
}

// addRootCauses names for every blocked row what it waits for in vain: never
// just the neighbour, which may itself wait.
func (q *Reader) addRootCauses(ctx context.Context, rows []BuildRow) error {
	iterations := map[int64][]int{}
	for i, r := range rows {
		if r.Status == buildbtw.StatusBlocked {
			iterations[r.IterationID] = append(iterations[r.IterationID], i)
		}
	}
	for iteration, places := range iterations {
		st, err := q.blockedState(ctx, iteration)
		if err != nil {
			return fmt.Errorf("root causes: %w", err)
		}
		seen := make([]int32, st.graph.size())
		causes := make([][]int64, len(places))
		for i, place := range places {
			causes[i] = st.rootCauses(rows[place].ID, seen)
		}
		refs, err := q.buildRefs(ctx, slices.Concat(causes...))
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

func (q queries) buildRefs(ctx context.Context, ids []int64) (map[int64]BuildRef, error) {
	refs := map[int64]BuildRef{}
	if len(ids) == 0 {
		return refs, nil
	}
	slices.Sort(ids)
	var rows []BuildRef
	err := q.list(ctx, &rows, "build_refs", args{"builds": idList(slices.Compact(ids))})
	for _, r := range rows {
		refs[r.ID] = r
	}
	return refs, err
}

// Blockers lists the builds of an iteration that others wait for in vain, the
// one that blocks most first.
func (q *Reader) Blockers(ctx context.Context, iterationID int64, limit int) ([]Blocker, error) {
	limit, err := pageLimit(limit)
	if err != nil {
		return nil, err
	}
	blockers := []Blocker{}
	err = q.Snapshot(ctx, func(q *Reader) error {
		st, err := q.blockedState(ctx, iterationID)
		if err != nil {
			return err
		}
		counts := st.blockers()
		counts = counts[:min(limit, len(counts))]
		ids := make([]int64, len(counts))
		for i, c := range counts {
			ids[i] = c.Build.ID
		}
		refs, err := q.buildRefs(ctx, ids)
		for _, c := range counts {
			blockers = append(blockers, Blocker{refs[c.Build.ID], c.Blocks, c.Frees})
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list blockers of iteration %d: %w", iterationID, err)
	}
	return blockers, nil
}

// Freed counts the builds of an iteration that could go on when these of its
// builds were fixed, and no others: what blocks them is among these.
func (q *Reader) Freed(ctx context.Context, iterationID int64, builds []int64) (freed int, err error) {
	err = q.Snapshot(ctx, func(q *Reader) error {
		st, err := q.blockedState(ctx, iterationID)
		if err != nil {
			return err
		}
		r := st.reach()
		fixed := graph.NewBitset(len(r.causes))
		for _, id := range builds {
			if place, is := slices.BinarySearch(r.causes, int32(id-st.graph.first)); is {
				fixed.Add(int32(place))
			}
		}
		for at, blocked := range st.blocked {
			if blocked && len(r.causes) > 0 && r.sets[at].Next(0) >= 0 && !r.waitsFor(int32(at), fixed) {
				freed++
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("count what is freed in iteration %d: %w", iterationID, err)
	}
	return freed, nil
}

// blockers counts what each cause blocks, the one that blocks most first.
func (st *blockedState) blockers() []Blocker {
	r := st.reach()
	list := make([]Blocker, len(r.causes))
	for i, n := range r.blocks {
		list[i] = Blocker{BuildRef{ID: st.graph.first + int64(r.causes[i])}, n, r.frees[i]}
	}
	slices.SortFunc(list, func(a, b Blocker) int {
		return cmp.Or(cmp.Compare(b.Blocks, a.Blocks), cmp.Compare(a.Build.ID, b.Build.ID))
	})
	return list
}
