package store

import (
	"context"
	"encoding/json"
	"fmt"

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
func (q *Reader) Undecided(ctx context.Context, limit int) ([]Undecided, error) {
	var list []Undecided
	err := q.Snapshot(ctx, func(q *Reader) error {
		var rows []BuildRow
		err := q.listText(ctx, &rows, heldBuilds(buildbtw.HoldDecide), limit)
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

func loadUndecided(ctx context.Context, q *Reader, rows []BuildRow) ([]Undecided, error) {
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
func loadTriggers(ctx context.Context, q *Reader, rows []BuildRow) ([]triggerRow, error) {
	ids := make([]int64, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	var triggers []triggerRow
	err := q.listText(ctx, &triggers, `WITH wanted AS (
    SELECT b.id, b.pkgbase, b.architecture, s.makedepends, coalesce(`+previousOf+`, 0) AS previous_id
    FROM json_each(?) AS k CROSS JOIN builds AS b ON b.id = k.value JOIN iterations AS i ON i.id = b.iteration_id JOIN buildspaces AS s ON s.id = i.buildspace_id)
SELECT w.id AS to_build, d.id, d.pkgbase, d.pkgbase = w.pkgbase AS own, d.status, w.previous_id, w.makedepends,
    coalesce(was.id, 0) AS was_id, coalesce(was.status, '') AS was_status
FROM wanted AS w JOIN edges AS e ON e.to_build = w.id JOIN builds AS d ON d.id = e.from_build
LEFT JOIN builds AS previous ON previous.id = w.previous_id
LEFT JOIN builds AS was ON was.iteration_id = previous.iteration_id AND was.architecture = d.architecture AND was.pkgbase = d.pkgbase AND was.stage = d.stage
WHERE d.pkgbase = w.pkgbase OR e.through = '[]' AND e.kinds & iif(w.makedepends, ?, ?) <> 0
ORDER BY w.id, d.pkgbase`, idList(ids), buildbtw.TriggerKinds(true), buildbtw.TriggerKinds(false))
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

// Verdict is what becomes of an undecided build.
type Verdict int

// The verdicts.
const (
	VerdictBuild Verdict = iota // something that it notices has changed, or may have
	VerdictSkip                 // the base's packages of it will do
	VerdictKeep                 // those of the buildspace's previous result will do
)

// Decision is a verdict about an undecided build.
type Decision struct {
	BuildID int64
	Verdict Verdict
	From    int64  // the previous result, for VerdictKeep
	Reason  string // in words
}

// Decide carries decisions out and records each with its reason. What is
// skipped counts as settled for its dependents; what keeps its packages waits
// for BeginReuse. A build that is not undecided any more is left alone.
func (s *Store) Decide(ctx context.Context, list []Decision) error {
	err := s.transact(ctx, func(ctx context.Context, t *tx) error {
		var skipped []int64
		for _, d := range list {
			if d.Verdict == VerdictSkip {
				ids, err := t.skipUnchanged(ctx, d)
				if err != nil {
					return err
				}
				skipped = append(skipped, ids...)
				continue
			}
			if err := t.note(ctx, d); err != nil {
				return err
			}
		}
		return t.unblock(ctx, skipped...)
	})
	if err != nil {
		return fmt.Errorf("decide about %d builds: %w", len(list), err)
	}
	return nil
}

func (t *tx) skipUnchanged(ctx context.Context, d Decision) ([]int64, error) {
	return t.move(ctx, sqlf("id = ? AND held = ?", d.BuildID, buildbtw.HoldDecide), change{
		to: buildbtw.StatusSkipped, cause: buildbtw.CauseUnchanged, only: []buildbtw.Status{buildbtw.StatusPending},
		actor: buildbtw.System, message: d.Reason,
	})
}

// note carries out a verdict that leaves the build pending. Kept packages are
// no result for the build's input, from which they were not made.
func (t *tx) note(ctx context.Context, d Decision) error {
	q := t.NewUpdate().Model((*buildbtw.Build)(nil)).Set("may_skip = FALSE").
		Where("id = ? AND held = ? AND status = ?", d.BuildID, buildbtw.HoldDecide, buildbtw.StatusPending)
	words := "Rebuilding: " + d.Reason
	if d.Verdict == VerdictKeep {
		q = q.Set("held = ?", buildbtw.HoldLinking).Set("reused_from = ?", d.From).Set("input_key = ''")
		words = "Not rebuilt: " + d.Reason
	}
	done, err := q.Exec(ctx)
	if err != nil {
		return err
	}
	if n, _ := done.RowsAffected(); n == 0 {
		return nil
	}
	b, err := t.buildRow(ctx, d.BuildID)
	if err != nil {
		return err
	}
	var buildspace int64
	if err := t.getText(ctx, &buildspace, "SELECT buildspace_id FROM iterations WHERE id = ?", b.IterationID); err != nil {
		return err
	}
	err = t.record(ctx, buildbtw.Event{
		Actor: buildbtw.System, BuildspaceID: buildspace, IterationID: b.IterationID, BuildID: b.ID, Kind: buildbtw.EventIteration, Message: words,
	})
	if err != nil {
		return err
	}
	return t.hold(ctx, sqlf("?", d.BuildID))
}

// SaveInterfaces keeps what dependents can notice of packages, by the SHA-256
// of their files. What is there already stays: a digest means one file.
func (s *Store) SaveInterfaces(ctx context.Context, bySHA256 map[string]alpm.Interface) error {
	err := s.transact(ctx, func(ctx context.Context, t *tx) error {
		for sum, i := range bySHA256 {
			text, err := json.Marshal(i)
			if err != nil {
				return err
			}
			_, err = t.execText(ctx, `INSERT INTO interfaces (sha256, interface) VALUES (?, ?) ON CONFLICT (sha256) DO NOTHING`, sum, string(text))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("save the interfaces of %d packages: %w", len(bySHA256), err)
	}
	return nil
}

// interfacesOf gives what dependents can notice of the packages of builds. A
// build is left out when it has none or one of theirs is not known.
func interfacesOf(ctx context.Context, q *Reader, builds []int64) (map[int64][]alpm.Interface, error) {
	var rows []struct {
		BuildID   int64   `bun:"build_id"`
		Interface *string `bun:"interface"`
	}
	err := q.listText(ctx, &rows, `SELECT b.id AS build_id, f.interface FROM builds AS b
JOIN packages AS p ON p.build_id = CASE b.twin_of WHEN 0 THEN b.id ELSE b.twin_of END AND p.published
LEFT JOIN interfaces AS f ON f.sha256 = p.sha256
WHERE b.id IN (SELECT value FROM json_each(?)) ORDER BY p.pkgname`, idList(builds))
	if err != nil {
		return nil, err
	}
	by := map[int64][]alpm.Interface{}
	unknown := map[int64]bool{}
	for _, r := range rows {
		var i alpm.Interface
		if r.Interface == nil {
			unknown[r.BuildID] = true
			continue
		}
		if err := json.Unmarshal([]byte(*r.Interface), &i); err != nil {
			return nil, fmt.Errorf("interface of a package of build %d: %w", r.BuildID, err)
		}
		by[r.BuildID] = append(by[r.BuildID], i)
	}
	for id := range unknown {
		delete(by, id)
	}
	return by, nil
}

// PreviousResult is what a buildspace had of a pkgbase before the iteration of
// a build.
type PreviousResult struct {
	BuildID    int64            `bun:"id"`
	Iteration  int              `bun:"number"`
	Version    string           `bun:"version"`
	Interfaces []alpm.Interface `bun:"-"` // of its packages; empty when not known
}

// PreviousResult gives the newest earlier result, whatever its commit; nil when
// there is none.
func (q *Reader) PreviousResult(ctx context.Context, buildID int64) (*PreviousResult, error) {
	var rows []PreviousResult
	err := q.Snapshot(ctx, func(q *Reader) error {
		err := q.listText(ctx, &rows, `SELECT p.id, pi.number, p.version FROM builds AS b JOIN iterations AS i ON i.id = b.iteration_id
JOIN builds AS p ON p.pkgbase = b.pkgbase AND p.architecture = b.architecture AND p.status = 'built' AND p.iteration_id < b.iteration_id
JOIN iterations AS pi ON pi.id = p.iteration_id AND pi.buildspace_id = i.buildspace_id
WHERE b.id = ? ORDER BY p.id DESC LIMIT 1`, buildID)
		if err != nil || len(rows) == 0 {
			return err
		}
		known, err := interfacesOf(ctx, q, []int64{rows[0].BuildID})
		rows[0].Interfaces = known[rows[0].BuildID]
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for the result before build %d: %w", buildID, err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	return &rows[0], nil
}

// Interfaces gives what dependents can notice of a build's packages; empty when
// it has none or one of theirs is not known.
func (q *Reader) Interfaces(ctx context.Context, buildID int64) ([]alpm.Interface, error) {
	var list []alpm.Interface
	err := q.Snapshot(ctx, func(q *Reader) error {
		known, err := interfacesOf(ctx, q, []int64{buildID})
		list = known[buildID]
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load the interfaces of build %d: %w", buildID, err)
	}
	return list, nil
}
