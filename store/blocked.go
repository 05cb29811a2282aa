package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"buildbtw"
)

// Blocked counts the builds of an iteration that cannot start until a person does
// something, and names what they wait for.
type Blocked struct {
	Builds   int       // that wait for a failed or cancelled one, directly or through others
	GivenUp  int       // builds that were skipped though others may need them: cancelled, or stopped
	Blockers []Blocker // the one that blocks most first, at most keptBlockers; of their builds only the id is known
}

// keptBlockers is the largest number of blockers in a Blocked.
const keptBlockers = 20

// blockedSummary is the part of a blockedState that lists of iterations show. It is small,
// so that one can be cached for each of hundreds of active iterations; their graphs are
// too large for that.
type blockedSummary struct {
	Blocked
	event int64 // the latest of any kind that it has taken notice of
}

// keptSummaries is the number of cached summaries; each takes less than 1 KB.
const keptSummaries = 2000

// Blocked counts the blocked builds of iterations, by the iteration's id. Iterations without
// any are left out.
//
// The builds that wait for a failed one change only when one fails, is skipped, or is
// taken up again after that: a build cannot start while it waits for a failed one. So a
// graph is looked at again only after such an event.
func (q *Reader) Blocked(ctx context.Context, iterations []IterationRow) (map[int64]Blocked, error) {
	return q.blockedOf(ctx, iterations, len(iterations))
}

// blockedOf is Blocked, but loads the graphs of at most so many iterations whose cached
// counts are out of date. For the others it returns these counts.
func (q *Reader) blockedOf(ctx context.Context, iterations []IterationRow, graphs int) (map[int64]Blocked, error) {
	all := map[int64]Blocked{}
	err := q.Snapshot(ctx, func(q *Reader) error {
		var event int64
		if err := q.get(ctx, &event, "latest_event", nil); err != nil {
			return err
		}
		known := []byte{'['}
		for _, it := range iterations {
			if !mayBlock(it.Counts) {
				continue
			}
			since := int64(0)
			if was, ok := q.summaries.Get(it.ID); ok {
				since = was.event
			}
			if len(known) > 1 {
				known = append(known, ',')
			}
			known = fmt.Appendf(known, "[%d,%d]", it.ID, since)
		}
		var changed []int64
		if err := q.list(ctx, &changed, "causes_changed", args{"known": string(append(known, ']'))}); err != nil {
			return err
		}
		for _, it := range iterations {
			if !mayBlock(it.Counts) {
				continue
			}
			was, ok := q.summaries.Get(it.ID)
			stale := !ok || was.event > event || slices.Contains(changed, it.ID) // what is kept may be of a later snapshot than q's
			if stale && graphs > 0 {
				graphs--
				st, err := q.blockedState(ctx, it.ID)
				if err != nil {
					return err
				}
				was.Blocked, stale = st.summary(it.Counts[buildbtw.StatusFailed]), false
			}
			if !stale && (!ok || was.event <= event) {
				was.event = event
				q.summaries.Put(it.ID, was)
			}
			if was.Builds+was.GivenUp > 0 {
				all[it.ID] = was.Blocked
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count the blocked builds of %d iterations: %w", len(iterations), err)
	}
	return all, nil
}

// mayBlock reports whether an iteration with these builds can have blocked ones, or
// some that were given up.
func mayBlock(c buildbtw.Counts) bool {
	return c[buildbtw.StatusFailed] > 0 && c[buildbtw.StatusBlocked] > 0 || c[buildbtw.StatusSkipped] > 0
}

// summary counts the blocked builds of an iteration in which so many builds failed.
func (st *blockedState) summary(failed int) Blocked {
	causes := 0
	for _, is := range st.causes {
		if is {
			causes++
		}
	}
	blockers := st.blockers()
	return Blocked{
		Builds: len(st.stuck()), GivenUp: causes - failed, Blockers: slices.Clone(blockers[:min(len(blockers), keptBlockers)]),
	}
}

// stuck returns the ids of the builds that wait for a cause, in the plan's order.
func (st *blockedState) stuck() []int64 {
	r := st.reach()
	var ids []int64
	if len(r.causes) == 0 {
		return nil
	}
	for at, blocked := range st.blocked {
		if blocked && r.sets[at].Next(0) >= 0 {
			ids = append(ids, st.graph.first+int64(at))
		}
	}
	return ids
}

// BlockedBuilds returns the ids of the builds of an iteration that are blocked by a
// failed or cancelled one, ascending. The other builds with the status blocked are
// waiting.
func (q *Reader) BlockedBuilds(ctx context.Context, iteration int64) ([]int64, error) {
	st, err := q.blockedState(ctx, iteration)
	if err != nil {
		return nil, fmt.Errorf("find the blocked builds of iteration %d: %w", iteration, err)
	}
	return st.stuck(), nil
}

// ActiveRow is an active buildspace with the columns of the home page's list.
type ActiveRow struct {
	BuildspaceRow
	Changed time.Time // when something last happened in it
	Blocked Blocked   // of its latest iteration
}

// overviewGraphs is the largest number of graphs that one overview loads: a graph of 27,000
// edges takes 40 ms of processor time.
const overviewGraphs = 12

// CountBlocked brings the cached counts of blocked builds of all active buildspaces up to
// date, so that ActiveOverview has them.
func (q *Reader) CountBlocked(ctx context.Context) error {
	_, err := q.activeOverview(ctx, keptSummaries)
	return err
}

// ActiveOverview lists all active buildspaces, the latest change first. It loads at most
// overviewGraphs graphs: after a start of the server, the blocked builds of further
// buildspaces count as waiting until CountBlocked has run.
func (q *Reader) ActiveOverview(ctx context.Context) ([]ActiveRow, error) {
	return q.activeOverview(ctx, overviewGraphs)
}

func (q *Reader) activeOverview(ctx context.Context, graphs int) ([]ActiveRow, error) {
	rows := []BuildspaceRow{}
	var list []ActiveRow
	err := q.Snapshot(ctx, func(q *Reader) error {
		if err := q.list(ctx, &rows, "active_buildspaces", nil); err != nil {
			return err
		}
		if err := completeBuildspaces(ctx, q, rows); err != nil {
			return err
		}
		ids := make([]int64, len(rows))
		var latest []IterationRow
		for i, r := range rows {
			ids[i] = r.ID
			if r.Latest != nil {
				latest = append(latest, *r.Latest)
			}
		}
		var changes []struct {
			Buildspace int64     `bun:"buildspace_id"`
			At         time.Time `bun:"at"`
		}
		if err := q.list(ctx, &changes, "last_changes", args{"buildspaces": idList(ids)}); err != nil {
			return err
		}
		changed := make(map[int64]time.Time, len(changes))
		for _, c := range changes {
			changed[c.Buildspace] = c.At
		}
		blocked, err := q.blockedOf(ctx, latest, graphs)
		if err != nil {
			return err
		}
		for _, r := range rows {
			row := ActiveRow{BuildspaceRow: r, Changed: r.CreatedAt}
			if at, ok := changed[r.ID]; ok {
				row.Changed = at
			}
			if r.Latest != nil {
				row.Blocked = blocked[r.Latest.ID]
			}
			list = append(list, row)
		}
		slices.SortStableFunc(list, func(x, y ActiveRow) int { return y.Changed.Compare(x.Changed) })
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list what is active: %w", err)
	}
	return list, nil
}

// FailedBuild is a failed build with how its latest attempt ended.
type FailedBuild struct {
	BuildRow
	Message string
}

// FailedBuilds returns builds of iterations that failed: these ones, and the newest
// others, limit in all. Ids of builds that have not failed are left out, except those
// that were cancelled.
func (q *Reader) FailedBuilds(ctx context.Context, iterations, blockers []int64, limit int) ([]FailedBuild, error) {
	var list []FailedBuild
	err := q.Snapshot(ctx, func(q *Reader) error {
		var ids []int64
		if err := q.list(ctx, &ids, "newest_failed", args{"iterations": idList(iterations), "limit": limit}); err != nil {
			return err
		}
		for _, id := range ids {
			if len(blockers) < limit && !slices.Contains(blockers, id) {
				blockers = append(blockers, id)
			}
		}
		rows, err := q.buildRows(ctx, blockers)
		if err != nil {
			return err
		}
		var ends []struct {
			Build   int64  `bun:"build_id"`
			Message string `bun:"message"`
		}
		err = q.list(ctx, &ends, "last_messages", args{"builds": idList(blockers)})
		messages := make(map[int64]string, len(ends))
		for _, e := range ends {
			messages[e.Build] = e.Message
		}
		for _, r := range rows {
			list = append(list, FailedBuild{r, messages[r.ID]})
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list failed builds: %w", err)
	}
	return list, nil
}
