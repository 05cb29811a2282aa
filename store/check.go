package store

import (
	"context"
	"encoding/json"
	"fmt"

	"buildbtw/release/check"
)

// CheckResult is the result of a check of a build.
type CheckResult struct {
	BuildID int64         `bun:"build_id"`
	Kind    check.Kind    `bun:"kind"`
	Outcome check.Outcome `bun:"outcome"`
	Detail  string        `bun:"detail"` // the lines, as JSON
}

// finding returns the result with its lines.
func (r CheckResult) finding() (check.Finding, error) {
	f := check.Finding{Kind: r.Kind, Outcome: r.Outcome}
	if err := json.Unmarshal([]byte(r.Detail), &f.Lines); err != nil {
		return f, fmt.Errorf("the check %s of build %d: %w", r.Kind, r.BuildID, err)
	}
	return f, nil
}

// UncheckedBuilds returns builds for these architectures that are built and have no results of
// checks: at most so many, the newest first, of the iteration with this id, or of all that nothing
// takes the place of when it is 0.
func (q *Reader) UncheckedBuilds(ctx context.Context, iteration int64, architectures []string, limit int) ([]BuildRow, error) {
	var rows []BuildRow
	err := q.Snapshot(ctx, func(q *Reader) error {
		var ids []int64
		if err := q.list(ctx, &ids, "unchecked_builds", args{"iteration": iteration, "architectures": textList(architectures), "limit": limit}); err != nil {
			return err
		}
		var err error
		rows, err = q.buildsWithID(ctx, ids)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list builds without checks: %w", err)
	}
	return rows, nil
}

// SaveChecks keeps the results of the checks of a build, unless it has some already or its packages are
// not those any more that were looked at.
func (s *Store) SaveChecks(ctx context.Context, b BuildRow, findings []check.Finding) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		for _, f := range findings {
			lines := f.Lines
			if lines == nil {
				lines = []string{}
			}
			_, err := t.exec(ctx, "save_check", args{"build": b.ID, "digest": b.OutputDigest, "kind": f.Kind, "outcome": f.Outcome, "detail": textList(lines)})
			if err != nil {
				return err
			}
		}
		t.changed.add(Change{Builds: []int64{b.ID}})
		return nil
	})
	if err != nil {
		return fmt.Errorf("keep the checks of build %d: %w", b.ID, err)
	}
	return nil
}

// Checks returns the results of the checks of builds, by build, each in the order of check.Kinds.
// Builds without results are not among them.
func (q *Reader) Checks(ctx context.Context, builds []int64) (map[int64][]check.Finding, error) {
	var rows []CheckResult
	if err := q.list(ctx, &rows, "check_results", args{"builds": idList(builds)}); err != nil {
		return nil, fmt.Errorf("load the checks of %d builds: %w", len(builds), err)
	}
	by := map[int64]map[check.Kind]check.Finding{}
	for _, r := range rows {
		f, err := r.finding()
		if err != nil {
			return nil, err
		}
		if by[r.BuildID] == nil {
			by[r.BuildID] = map[check.Kind]check.Finding{}
		}
		by[r.BuildID][r.Kind] = f
	}
	all := make(map[int64][]check.Finding, len(by))
	for id, findings := range by {
		for _, kind := range check.Kinds() {
			if f, ok := findings[kind]; ok {
				all[id] = append(all[id], f)
			}
		}
	}
	return all, nil
}
