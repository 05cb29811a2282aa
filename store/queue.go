package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"buildbtw"
)

// Queue is all that decides in which order builds are handed out: those that could be now,
// and the iterations that they belong to. Next has the rule of the statement best_pending; a
// test compares the two.
type Queue struct {
	Iterations map[int64]*QueuedIteration
	MaxRunning int            // builds of one buildspace at the same time; 0: any number
	LabelCaps  map[string]int // builds at the same time on all workers with a label
}

// QueuedIteration is an iteration whose builds are handed out.
type QueuedIteration struct {
	ID         int64             `bun:"id"`
	Buildspace string            `bun:"buildspace"`
	Number     int               `bun:"number"`
	Priority   buildbtw.Priority `bun:"priority"`
	ServedAt   *time.Time        `bun:"served_at"`  // when its buildspace got a worker last
	CreatedAt  time.Time         `bun:"created_at"` // of its buildspace
	Running    int               `bun:"running"`    // builds

	builds map[string][]QueuedBuild // by architecture, in the order in which they are handed out
}

// QueuedBuild is a build that could be handed out now.
type QueuedBuild struct {
	ID           int64     `bun:"id"`
	Iteration    int64     `bun:"iteration_id"`
	Pkgbase      string    `bun:"pkgbase"`
	Architecture string    `bun:"architecture"`
	Stage        int       `bun:"stage"`
	Priority     float64   `bun:"priority"`
	ChangedAt    time.Time `bun:"changed_at"`
}

// Queue returns the builds that could be handed out now.
func (s *Store) Queue(ctx context.Context) (*Queue, error) {
	queue := &Queue{Iterations: map[int64]*QueuedIteration{}, MaxRunning: s.opts.MaxRunning, LabelCaps: s.opts.LabelCaps}
	err := s.Snapshot(ctx, func(q *Reader) error {
		var iterations []QueuedIteration
		if err := q.list(ctx, &iterations, "queued_iterations", nil); err != nil {
			return err
		}
		var builds []QueuedBuild
		if err := q.list(ctx, &builds, "queued_builds", args{"now": s.now()}); err != nil {
			return err
		}
		for _, it := range iterations {
			it.builds = map[string][]QueuedBuild{}
			queue.Iterations[it.ID] = &it
		}
		for _, b := range builds {
			it := queue.Iterations[b.Iteration]
			it.builds[b.Architecture] = append(it.builds[b.Architecture], b)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the builds that wait for a worker: %w", err)
	}
	return queue, nil
}

// Architectures returns those that the iteration has builds for.
func (it *QueuedIteration) Architectures() []string { return slices.Sorted(maps.Keys(it.builds)) }

// Waiting returns the number of builds for an architecture.
func (q *Queue) Waiting(architecture string) (n int) {
	for _, it := range q.Iterations {
		n += len(it.builds[architecture])
	}
	return n
}

// Full reports whether an iteration runs as many builds as one may.
func (q *Queue) Full(it *QueuedIteration) bool { return q.MaxRunning > 0 && it.Running >= q.MaxRunning }

// Next takes the build that a worker for these architectures would get at a time out of the
// queue, and counts it as running. It is not ok when there is none.
func (q *Queue) Next(architectures []string, at time.Time) (best QueuedBuild, ok bool) {
	var first turn
	for _, it := range q.Iterations {
		if q.Full(it) {
			continue
		}
		for _, architecture := range architectures {
			list := it.builds[architecture]
			if len(list) == 0 {
				continue
			}
			if t := newTurn(it, list[0], at); !ok || t.compare(first) < 0 {
				best, first, ok = list[0], t, true
			}
		}
	}
	if ok {
		it := q.Iterations[best.Iteration]
		it.builds[best.Architecture] = it.builds[best.Architecture][1:]
		it.Running++
		it.ServedAt = &at
	}
	return best, ok
}

// turn is what a build is chosen by.
type turn struct {
	rank   int     // of its buildspace's priority, raised by its wait
	load   float64 // running builds of the iteration, which count less the higher the priority
	served time.Time
	QueuedBuild
}

func newTurn(it *QueuedIteration, b QueuedBuild, at time.Time) turn {
	rank := slices.Index(buildbtw.Priorities(), it.Priority)
	served := it.CreatedAt
	if it.ServedAt != nil {
		served = *it.ServedAt
	}
	since := served
	if b.ChangedAt.After(since) {
		since = b.ChangedAt
	}
	return turn{rank + int(at.Sub(since)/agingStep), float64(it.Running+1) / float64(int(1)<<max(rank, 0)), served, b}
}

// compare is negative for a turn that comes first.
func (t turn) compare(o turn) int {
	return cmp.Or(cmp.Compare(o.rank, t.rank), cmp.Compare(t.load, o.load), t.served.Compare(o.served), cmp.Compare(o.Priority, t.Priority), cmp.Compare(t.ID, o.ID))
}
