package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jmoiron/sqlx"

	"buildbtw"
	"buildbtw/forecast"
)

// Work is an iteration's builds with their order; the graph numbers them by
// their place.
type Work struct {
	Builds []WorkBuild
	Graph  *forecast.Graph
}

// WorkBuild is as much of a build as a forecast takes.
type WorkBuild struct {
	BuildRef
	Priority  float64    `bun:"priority"`
	StartedAt *time.Time `bun:"started_at"`
	TwinOf    int64      `bun:"twin_of"`
}

// Work gives an iteration's builds with their order.
func (s *Store) Work(ctx context.Context, iterationID int64) (Work, error) {
	var w Work
	err := s.view(ctx, func(q *sqlx.Tx) error {
		err := q.SelectContext(ctx, &w.Builds, `SELECT `+buildRefColumns+`, b.priority, b.started_at, b.twin_of
FROM builds AS b WHERE b.iteration_id = ? ORDER BY b.id`, iterationID)
		if err != nil {
			return err
		}
		g, err := s.adjacencyOf(ctx, q, iterationID)
		if err != nil {
			return err
		}
		w.Graph, err = forecast.NewGraph(g.size(), g.edges())
		return err
	})
	if err != nil {
		return Work{}, fmt.Errorf("load the work of iteration %d: %w", iterationID, err)
	}
	return w, nil
}

// Stuck tells which builds wait for something that failed, was cancelled or is
// itself stuck.
func (w Work) Stuck() []bool {
	cause := make([]bool, len(w.Builds))
	for i, b := range w.Builds {
		cause[i] = b.Status == buildbtw.StatusFailed || b.Status == buildbtw.StatusSkipped && b.SkipReason != buildbtw.CauseUnchanged
	}
	return w.Graph.Above(cause)
}

func (g *adjacency) edges() []forecast.Edge {
	edges := make([]forecast.Edge, 0, len(g.out.items))
	for from := range int32(g.size()) {
		for _, to := range g.out.of(from) {
			edges = append(edges, forecast.Edge{From: from, To: to})
		}
	}
	return edges
}

// ReadyIteration is an iteration whose builds are handed out.
type ReadyIteration struct {
	ID       int64             `bun:"id"`
	Priority buildbtw.Priority `bun:"priority"` // of its buildspace
	Working  bool              `bun:"working"`  // it has builds that run or could
}

// ReadyIterations lists the iterations whose builds are handed out.
func (s *Store) ReadyIterations(ctx context.Context) ([]ReadyIteration, error) {
	var rows []ReadyIteration
	err := s.lists.SelectContext(ctx, &rows, `SELECT i.id, s.priority,
  EXISTS (SELECT 1 FROM builds AS b WHERE b.iteration_id = i.id AND b.status IN ('pending', 'scheduled', 'building')) AS working
FROM iterations AS i JOIN buildspaces AS s ON s.id = i.buildspace_id WHERE i.state = 'ready' AND s.status = 'active' ORDER BY i.id`)
	if err != nil {
		return nil, fmt.Errorf("list ready iterations: %w", err)
	}
	return rows, nil
}

// priorityBatch bounds how long a change of priorities holds up claims.
const priorityBatch = 1000

// NewPriority is what a build's priority is to be.
type NewPriority struct {
	Build   int64
	Seconds float64
}

// SetPriorities changes the priorities of builds that are not handed out yet.
func (s *Store) SetPriorities(ctx context.Context, list []NewPriority) error {
	for batch := range slices.Chunk(list, priorityBatch) {
		err := s.transact(ctx, func(ctx context.Context, t *tx) error {
			_, err := t.exec(ctx, `UPDATE builds SET priority = json_extract(v.value, '$[1]') FROM json_each(?) AS v
WHERE builds.id = json_extract(v.value, '$[0]') AND builds.status IN ('blocked', 'pending')`, priorityList(batch))
			return err
		})
		if err != nil {
			return fmt.Errorf("set %d priorities: %w", len(batch), err)
		}
	}
	return nil
}

// priorityList is a JSON array of pairs.
func priorityList(list []NewPriority) string {
	b := []byte{'['}
	for i, p := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '[')
		b = strconv.AppendInt(b, p.Build, 10)
		b = append(b, ',')
		b = strconv.AppendFloat(b, p.Seconds, 'f', 3, 64)
		b = append(b, ']')
	}
	return string(append(b, ']'))
}

// Slots counts the builds that the present workers can run at the same time,
// for any of the architectures. Present is who was seen after a time, or runs
// something. What a worker has not shown yet is thought to be one slot.
func (s *Store) Slots(ctx context.Context, architectures []string, seen time.Time) (n int, err error) {
	err = s.lists.GetContext(ctx, &n, `SELECT coalesce(sum(max(1, running, finished)), 0) FROM (
    SELECT w.last_seen,
        (SELECT coalesce(max(a.slot) + 1, 0) FROM attempts AS a WHERE a.worker = w.name AND a.state = 'running') AS running,
        (SELECT coalesce(max(a.slot) + 1, 0) FROM attempts AS a WHERE a.worker = w.name AND a.state = 'finished' AND a.finished_at > ?) AS finished
    FROM workers AS w WHERE w.set_aside = ''
      AND EXISTS (SELECT 1 FROM json_each(w.architectures) AS a JOIN json_each(?) AS b ON b.value = a.value))
WHERE last_seen >= ? OR running > 0`, seen.UTC(), textList(architectures), seen.UTC())
	if err != nil {
		return 0, fmt.Errorf("count the slots of workers: %w", err)
	}
	return n, nil
}
