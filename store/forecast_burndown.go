package store

import (
	"context"
	"fmt"
	"time"

	"buildbtw"
)

// BurnPoint says how many builds of an iteration were not settled at a time.
type BurnPoint struct {
	At        time.Time
	Remaining int
}

// burnPoints is how many points a burn-down has at most.
const burnPoints = 120

// BurnDown tells how the number of an iteration's builds that are neither built
// nor skipped nor failed went down, and up when some were tried again: from the
// events, oldest first. The points are even apart; a time in which nothing
// changed has none.
func (s *Store) BurnDown(ctx context.Context, iterationID int64) ([]BurnPoint, error) {
	var span struct {
		First   time.Time `bun:"first"`
		Space   int64     `bun:"space"`
		Seconds float64   `bun:"seconds"` // from the first event to the last
	}
	err := s.lists.GetContext(ctx, &span, `SELECT i.created_at AS first, i.buildspace_id AS space,
  coalesce((julianday((SELECT max(b.changed_at) FROM builds AS b WHERE b.iteration_id = i.id)) - julianday(i.created_at)) * 86400, 0) AS seconds
FROM iterations AS i WHERE i.id = ?`, iterationID)
	if err != nil {
		return nil, fmt.Errorf("burn down iteration %d: %w", iterationID, notFound(err, "there is no iteration %d", iterationID))
	}
	step := max(span.Seconds/burnPoints, 1)
	var rows []struct {
		Bucket int `bun:"bucket"`
		Change int `bun:"change"`
	}
	settled := textList([]buildbtw.Status{buildbtw.StatusBuilt, buildbtw.StatusSkipped, buildbtw.StatusFailed})
	err = s.lists.SelectContext(ctx, &rows, `WITH settled AS (SELECT value FROM json_each(?))
SELECT CAST((julianday(e.at) - julianday(?)) * 86400 / ? AS INTEGER) AS bucket,
  sum((e.from_status = '' OR e.from_status IN settled) - (e.to_status IN settled)) AS change
FROM events AS e WHERE e.buildspace_id = ? AND e.iteration_id = ? AND e.kind = 'build' GROUP BY bucket ORDER BY bucket`,
		settled, span.First, step, span.Space, iterationID)
	if err != nil {
		return nil, fmt.Errorf("burn down iteration %d: %w", iterationID, err)
	}
	points := make([]BurnPoint, 0, len(rows))
	left := 0
	for _, r := range rows {
		left += r.Change
		at := span.First.Add(time.Duration(float64(r.Bucket) * step * float64(time.Second)))
		points = append(points, BurnPoint{at, left})
	}
	return points, nil
}
