package store

import (
	"context"
	"fmt"

	"buildbtw"
)

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
	words := "Is built: " + d.Reason
	if d.Verdict == VerdictKeep {
		q = q.Set("held = ?", buildbtw.HoldLinking).Set("reused_from = ?", d.From).Set("input_key = ''")
		words = "Keeps its packages: " + d.Reason
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
	if err := t.get(ctx, &buildspace, "SELECT buildspace_id FROM iterations WHERE id = ?", b.IterationID); err != nil {
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
