package store

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"buildbtw"
	"buildbtw/pacman/alpm"
)

// Undecided is a build that waits for nothing and may turn out to be
// unnecessary, with all that the store knows for deciding it (domain.md,
// "Cut-off").
type Undecided struct {
	Build    BuildRow
	Previous *Result   // the buildspace's latest result of the same commit; nil when there is none
	Triggers []Trigger // what brought it into the set and is in its order, by pkgbase
	Within   bool      // a first stage of it was built in this iteration, so that the second must be

	Makedepends bool // makedepends bring dependents into the set, too
}

// Trigger is a dependency that brought a build into the set.
type Trigger struct {
	Pkgbase string
	// Unchanged says that it was itself found to be unnecessary.
	Unchanged bool
	Now       []alpm.Interface // of its packages; empty when not known
	Before    []alpm.Interface // of those that Previous was built against; empty when not known
	// FromBase says that Previous was built against the base's packages of it,
	// or that there is no Previous.
	FromBase bool
}

// triggerRow is a trigger as the database has it.
type triggerRow struct {
	To         int64           `bun:"to_build"`
	ID         int64           `bun:"id"`
	Pkgbase    string          `bun:"pkgbase"`
	Own        bool            `bun:"own"` // the build's own first stage
	Status     buildbtw.Status `bun:"status"`
	WasID      int64           `bun:"was_id"` // the same in the iteration of the previous result; 0 when there is none
	WasStatus  buildbtw.Status `bun:"was_status"`
	PreviousID int64           `bun:"previous_id"`

	Makedepends bool `bun:"makedepends"` // of the buildspace
}

// previousOf is SQL for the latest result of build b in its buildspace before
// its iteration.
const previousOf = `(SELECT max(p.id) FROM builds AS p JOIN iterations AS pi ON pi.id = p.iteration_id
    WHERE p.pkgbase = b.pkgbase AND p.architecture = b.architecture AND p.stage = b.stage AND p.commit_id = b.commit_id AND p.no_check = b.no_check
      AND p.status = 'built' AND pi.buildspace_id = i.buildspace_id AND p.iteration_id < b.iteration_id)`

// Undecided gives builds for which it is to be decided whether they are built,
// at most so many.
func (s *Store) Undecided(ctx context.Context, limit int) ([]Undecided, error) {
	var list []Undecided
	err := s.view(ctx, func(q *sqlx.Tx) error {
		var rows []BuildRow
		err := q.SelectContext(ctx, &rows, heldBuilds(buildbtw.HoldDecide), limit)
		if err != nil || len(rows) == 0 {
			return err
		}
		list, err = loadUndecided(ctx, q, rows)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list undecided builds: %w", err)
	}
	return list, nil
}

func loadUndecided(ctx context.Context, q *sqlx.Tx, rows []BuildRow) ([]Undecided, error) {
	triggers, err := loadTriggers(ctx, q, rows)
	if err != nil {
		return nil, err
	}
	var builds, previous []int64
	for _, tr := range triggers {
		builds = append(builds, tr.ID)
		if tr.WasID != 0 {
			builds = append(builds, tr.WasID)
		}
		if tr.PreviousID != 0 {
			previous = append(previous, tr.PreviousID)
		}
	}
	known, err := interfacesOf(ctx, q, builds)
	if err != nil {
		return nil, err
	}
	results, err := resultsByID(ctx, q, previous)
	if err != nil {
		return nil, err
	}
	list := make([]Undecided, len(rows))
	place := map[int64]*Undecided{}
	for i, r := range rows {
		list[i].Build = r
		place[r.ID] = &list[i]
	}
	for _, tr := range triggers {
		place[tr.To].add(tr, known, results)
	}
	return list, nil
}

// loadTriggers reads the dependencies of a kind that brings dependents into the
// set, and those on a build's own first stage.
func loadTriggers(ctx context.Context, q *sqlx.Tx, rows []BuildRow) ([]triggerRow, error) {
	ids := make([]int64, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	var triggers []triggerRow
	err := q.SelectContext(ctx, &triggers, `WITH wanted AS (
    SELECT b.id, b.pkgbase, b.architecture, s.makedepends, coalesce(`+previousOf+`, 0) AS previous_id
    FROM json_each(?) AS k CROSS JOIN builds AS b ON b.id = k.value JOIN iterations AS i ON i.id = b.iteration_id JOIN buildspaces AS s ON s.id = i.buildspace_id)
SELECT w.id AS to_build, d.id, d.pkgbase, d.pkgbase = w.pkgbase AS own, d.status, w.previous_id, w.makedepends,
    coalesce(was.id, 0) AS was_id, coalesce(was.status, '') AS was_status
FROM wanted AS w JOIN edges AS e ON e.to_build = w.id JOIN builds AS d ON d.id = e.from_build
LEFT JOIN builds AS previous ON previous.id = w.previous_id
LEFT JOIN builds AS was ON was.iteration_id = previous.iteration_id AND was.architecture = d.architecture AND was.pkgbase = d.pkgbase AND was.stage = d.stage
WHERE d.pkgbase = w.pkgbase OR e.through = '[]' AND (e.kinds & ? <> 0 OR e.kinds & ? <> 0 AND w.makedepends)
ORDER BY w.id, d.pkgbase`, idList(ids), buildbtw.EdgeDepends, buildbtw.EdgeMakedepends)
	return triggers, err
}

func (u *Undecided) add(tr triggerRow, known map[int64][]alpm.Interface, results map[int64]Result) {
	if r, ok := results[tr.PreviousID]; ok && u.Previous == nil {
		u.Previous = &r
	}
	u.Makedepends = tr.Makedepends
	if tr.Own {
		u.Within = u.Within || tr.Status == buildbtw.StatusBuilt
		return
	}
	u.Triggers = append(u.Triggers, Trigger{
		Pkgbase: tr.Pkgbase, Unchanged: tr.Status == buildbtw.StatusSkipped,
		Now: known[tr.ID], Before: known[tr.WasID],
		FromBase: tr.WasID == 0 || tr.WasStatus == buildbtw.StatusSkipped,
	})
}
