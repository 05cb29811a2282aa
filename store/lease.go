package store

import (
	"context"
	"fmt"
	"time"

	"buildbtw"
)

// ExtendLeases gives every running attempt at least d from now. The server
// calls it when it starts: no heartbeat could arrive while it was down, and a
// restart shall cost no running build.
func (s *Store) ExtendLeases(ctx context.Context, d time.Duration) error {
	err := s.transact(ctx, func(ctx context.Context, t *tx) error {
		until := t.now.Add(d).Truncate(time.Microsecond)
		_, err := t.NewUpdate().Model((*buildbtw.Attempt)(nil)).Set("deadline = ?", until).
			Where("state = ? AND deadline < ?", buildbtw.AttemptRunning, until).Exec(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("extend leases: %w", err)
	}
	return nil
}

// ExpireLeases ends every running attempt whose deadline has passed as lost,
// and makes its build pending again. It gives those attempts.
func (s *Store) ExpireLeases(ctx context.Context) ([]buildbtw.Attempt, error) {
	var over []buildbtw.Attempt
	err := s.transact(ctx, func(ctx context.Context, t *tx) error {
		err := t.NewSelect().Model(&over).Where("state = ? AND deadline <= ?", buildbtw.AttemptRunning, t.now).Order("id").Scan(ctx)
		if err != nil {
			return err
		}
		for i := range over {
			a := &over[i]
			e := ending{buildbtw.OutcomeLost, fmt.Sprintf("No heartbeat of %s since %s.", a.Worker, a.HeartbeatAt.UTC().Format(time.DateTime))}
			if a.Stop {
				e = ending{buildbtw.OutcomeCancelled, a.Worker + " was told to stop and did not report back."}
			}
			if _, err := t.end(ctx, a, e); err != nil {
				return fmt.Errorf("attempt %d: %w", a.ID, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("expire leases: %w", err)
	}
	return over, nil
}

// postponed is SQL for the times after a given one at which builds may be handed
// out.
const postponed = `SELECT b.not_before FROM builds AS b WHERE b.status = 'pending' AND b.not_before IS NOT NULL
    AND EXISTS (SELECT 1 FROM iterations AS i WHERE i.id = b.iteration_id AND i.state = 'ready')
    AND b.not_before > ?`

// NextWake is when time alone will make something possible: a deadline passes,
// or a build's pause ends. False when nothing waits for a time.
func (s *Store) NextWake(ctx context.Context) (at time.Time, ok bool, err error) {
	var times []time.Time
	err = s.lists.SelectContext(ctx, &times, `SELECT at FROM (
    SELECT deadline AS at FROM attempts WHERE state = 'running'
    UNION ALL `+postponed+`
) ORDER BY at LIMIT 1`, s.now())
	if err != nil {
		return time.Time{}, false, fmt.Errorf("find next deadline: %w", err)
	}
	if len(times) == 0 {
		return time.Time{}, false, nil
	}
	return times[0], true, nil
}
