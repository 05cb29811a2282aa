package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"buildbtw"
)

// LatestRepository is what is served as a buildspace's latest repository.
type LatestRepository struct {
	Iteration int       `bun:"iteration"` // number; 0 for none
	Previous  int       `bun:"previous"`  // what was served before it; 0 for nothing
	Since     time.Time `bun:"since"`     // whole seconds; later than all times of what was served before
}

// LatestRepository gives what is served as a buildspace's latest repository, and
// the number of its newest complete iteration, which is to be: every build of it is
// built, or was left out for good. What was complete once stays the latest while
// builds of it are built again.
func (q *Reader) LatestRepository(ctx context.Context, buildspace string) (served LatestRepository, complete int, err error) {
	err = q.Snapshot(ctx, func(q *Reader) error {
		var known buildbtw.Buildspace
		if err := q.get(ctx, &known, "buildspace", args{"name": buildspace}); err != nil {
			return notFound(err, "there is no buildspace %q", buildspace)
		}
		served, complete, err = q.latestRepository(ctx, buildspace)
		return err
	})
	if err != nil {
		return LatestRepository{}, 0, fmt.Errorf("find the latest repository of %s: %w", buildspace, err)
	}
	return served, complete, nil
}

func (q queries) latestRepository(ctx context.Context, buildspace string) (served LatestRepository, complete int, err error) {
	var rows []LatestRepository
	if err := q.list(ctx, &rows, "latest_repository", args{"buildspace": buildspace}); err != nil {
		return served, 0, err
	}
	if len(rows) > 0 {
		served = rows[0]
	}
	err = q.get(ctx, &complete, "newest_complete_iteration", args{"buildspace": buildspace, "after": served.Iteration})
	if errors.Is(err, sql.ErrNoRows) {
		return served, served.Iteration, nil
	}
	return served, complete, err
}

// SwitchLatest makes the newest complete iteration the one that is served as the
// latest. Given is the newest time of what is served now, so that the new one gets
// a later one. It changes nothing when there is no newer one.
func (s *Store) SwitchLatest(ctx context.Context, buildspace string, newest time.Time) (LatestRepository, error) {
	var to LatestRepository
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		served, complete, err := t.latestRepository(ctx, buildspace)
		if err != nil || complete == served.Iteration {
			to = served
			return err
		}
		b, err := t.buildspace(ctx, buildspace)
		if err != nil {
			return err
		}
		to = LatestRepository{Iteration: complete, Previous: served.Iteration, Since: t.now}
		for _, before := range []time.Time{newest, served.Since} {
			if !to.Since.After(before) {
				to.Since = before
			}
		}
		to.Since = to.Since.Truncate(time.Second).Add(time.Second)
		_, err = t.exec(ctx, "switch_latest", args{
			"buildspace": b.ID, "iteration": to.Iteration, "previous": to.Previous, "since": to.Since,
		})
		if err != nil {
			return err
		}
		t.changed.add(Change{Buildspaces: []int64{b.ID}})
		return nil
	})
	if err != nil {
		return LatestRepository{}, fmt.Errorf("switch the latest repository of %s: %w", buildspace, err)
	}
	return to, nil
}

// NoLatest returns NotFound with why a buildspace has no latest repository: none is complete
// yet, or the packages of the one that was served were removed.
func (q *Reader) NoLatest(ctx context.Context, buildspace string) error {
	var archived []int
	if err := q.list(ctx, &archived, "newest_archived", args{"buildspace": buildspace}); err != nil {
		return fmt.Errorf("find why %s has no latest repository: %w", buildspace, err)
	}
	for _, number := range archived {
		gone, err := q.Gone(ctx, buildspace, number)
		if err != nil {
			return err
		}
		if gone.Packages != "" {
			return buildbtw.NotFound("%s has no latest repository: %s; the next iteration whose builds are all built is served again", buildspace, gone.Packages)
		}
	}
	return buildbtw.NotFound("no iteration of %s is complete yet, so it has no latest repository; each iteration has one of its own that grows with its builds", buildspace)
}
