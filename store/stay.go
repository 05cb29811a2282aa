package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"buildbtw"
)

// Stay is what is kept of an iteration, and for how long.
type Stay struct {
	IterationRow
	SpacePinned bool // the buildspace is
	Newest      bool // it is among those of which the policy removes nothing

	// When the policy lets them go; zero: never, as things stand, or they are gone.
	Packages, Logs, History time.Time

	// Why they would stay then; empty when they go.
	PackagesNeeded, LogsNeeded, HistoryNeeded string

	// Why a person cannot remove the packages, or all of it, now; empty when that can be done.
	NoArchive, NoDelete string

	Files     int    // package files; those that reuse shares are counted, too
	Bytes     int64  // of these
	RemovedBy string // who removed the packages; empty while they are there, and when nobody knows any more
}

// GoesOn reports whether the iteration is the one that is worked on.
func (s *Stay) GoesOn() bool {
	return s.State == buildbtw.IterationCalculating || s.State == buildbtw.IterationReady
}

// Stay returns what is kept of an iteration by a policy, and what a person can do about it.
func (q *Reader) Stay(ctx context.Context, p RetentionPolicy, buildspace string, number int, now time.Time) (s Stay, err error) {
	err = q.Snapshot(ctx, func(q *Reader) error {
		var b buildbtw.Buildspace
		if err := q.get(ctx, &b, "buildspace", args{"name": buildspace}); err != nil {
			return notFound(err, "there is no buildspace %q", buildspace)
		}
		it, err := iterationOf(ctx, q, buildspace, number)
		if err != nil {
			return err
		}
		s = Stay{IterationRow: it, SpacePinned: b.Pinned}
		var after []time.Time
		if err := q.list(ctx, &after, "iterations_after", args{"buildspace": it.BuildspaceID, "number": it.Number, "limit": p.Newest}); err != nil {
			return err
		}
		s.Newest = len(after) < p.Newest
		if it.ArchivedAt != nil {
			if s.RemovedBy, err = q.removedBy(ctx, it.ID); err != nil {
				return err
			}
		}
		n := needs{GoesOn: s.GoesOn(), Pinned: it.Pinned || b.Pinned}
		if !n.GoesOn { // its page is the one that is looked at all the time
			if n, err = q.needs(ctx, it.ID, now, false); err != nil {
				return err
			}
		}
		if it.ArchivedAt == nil {
			var d DueIteration
			if err := q.size(ctx, it.ID, &d); err != nil {
				return err
			}
			s.Files, s.Bytes = d.Packages, d.Bytes
		}
		if len(after) > 0 {
			began, err := q.policyBegan(ctx)
			if err != nil {
				return err
			}
			after[0] = counted(after[0], began)
		}
		s.decide(p, n, after)
		return nil
	})
	if err != nil {
		return s, fmt.Errorf("find what is kept of %s #%d: %w", buildspace, number, err)
	}
	return s, nil
}

// decide adds what follows from the policy and from what needs the iteration. Its age is counted
// from the first of the times after it.
func (s *Stay) decide(p RetentionPolicy, n needs, after []time.Time) {
	s.NoArchive, s.NoDelete = n.against(RemovePackages, true), n.against(RemoveAll, true)
	if s.ArchivedAt != nil {
		s.NoArchive = "its packages are removed already"
	}
	if s.NoDelete == "" && len(after) == 0 {
		s.NoDelete = isLatest
	}
	if n.Pinned || s.Newest {
		return
	}
	at := func(age time.Duration) (t time.Time) {
		if age > 0 {
			t = after[0].Add(age)
		}
		return t
	}
	if s.History = at(p.History); !s.History.IsZero() {
		s.HistoryNeeded = n.against(RemoveAll, false)
	}
	if s.ArchivedAt == nil {
		s.Packages, s.PackagesNeeded = at(p.Packages), n.against(RemovePackages, false)
	}
	if s.LogsRemovedAt == nil {
		s.Logs, s.LogsNeeded = at(p.Logs), n.against(RemoveLogs, false)
	}
}

// isLatest is why the latest iteration of a buildspace cannot be deleted.
const isLatest = "it is the latest iteration; delete the buildspace, or archive the iteration"

// removedBy returns who removed the packages of an iteration; empty when nobody knows any more.
func (q queries) removedBy(ctx context.Context, iteration int64) (actor string, err error) {
	if err = q.get(ctx, &actor, "who_archived", args{"iteration": iteration}); errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return actor, err
}

// Gone says, in clauses, what of an iteration was removed; each is empty while it is there.
type Gone struct{ Packages, Logs string }

// Gone returns what of an iteration was removed: nothing of one that nobody sees.
func (q *Reader) Gone(ctx context.Context, buildspace string, number int) (g Gone, err error) {
	it, err := iterationOf(ctx, q, buildspace, number)
	if buildbtw.KindOf(err) == buildbtw.KindNotFound {
		return g, nil
	}
	by := ""
	if err == nil && it.ArchivedAt != nil {
		by, err = q.removedBy(ctx, it.ID)
	}
	if err != nil {
		return g, fmt.Errorf("find what was removed of %s #%d: %w", buildspace, number, err)
	}
	if it.ArchivedAt != nil {
		g.Packages = fmt.Sprintf("the packages of %s #%d were %s", buildspace, it.Number, buildbtw.RemovedWords(*it.ArchivedAt, by))
	}
	if it.LogsRemovedAt != nil {
		g.Logs = fmt.Sprintf("the logs of %s #%d were %s", buildspace, it.Number, buildbtw.RemovedWords(*it.LogsRemovedAt, buildbtw.System))
	}
	return g, nil
}
