package progress

import (
	"context"
	"slices"
	"time"

	"buildbtw/store"
)

// busyTime is the time of which Busy is a share.
const busyTime = 24 * time.Hour

// Busy returns, by name, in which share of the last 24 hours each worker ran an attempt
// on at least one of its slots. For a worker that is not known for as long, and when there
// were more than MaxBars attempts, it is the share of the time that is known.
func Busy(ctx context.Context, db *store.Reader, workers []store.WorkerRow, now time.Time) (map[string]float64, error) {
	from := now.Add(-busyTime)
	attempts, err := db.AttemptsBetween(ctx, "", from, now, MaxBars+1)
	if err != nil {
		return nil, err
	}
	slices.Reverse(attempts) // the earliest start first
	if len(attempts) > MaxBars {
		from = attempts[0].StartedAt
	}
	busy, until := map[string]time.Duration{}, map[string]time.Time{}
	for _, a := range attempts {
		start, end := a.StartedAt, now
		if a.FinishedAt != nil {
			end = *a.FinishedAt
		}
		for _, bound := range []time.Time{from, until[a.Worker]} { // what overlaps counts once
			if start.Before(bound) {
				start = bound
			}
		}
		if end.After(start) {
			busy[a.Worker] += end.Sub(start)
			until[a.Worker] = end
		}
	}
	share := map[string]float64{}
	for _, w := range workers {
		since := from
		if w.FirstSeen.After(since) {
			since = w.FirstSeen
		}
		if known := now.Sub(since); known > 0 {
			share[w.Name] = min(1, float64(busy[w.Name])/float64(known))
		}
	}
	return share, nil
}
