package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/uptrace/bun"

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
func (q *Reader) Work(ctx context.Context, iterationID int64) (Work, error) {
	var w Work
	err := q.Snapshot(ctx, func(q *Reader) error {
		err := q.listText(ctx, &w.Builds, `SELECT `+buildRefColumns+`, b.priority, b.started_at, b.twin_of
FROM builds AS b WHERE b.iteration_id = ? ORDER BY b.id`, iterationID)
		if err != nil {
			return err
		}
		g, err := q.adjacencyOf(ctx, iterationID)
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
		cause[i] = b.Status.RootCause(b.SkipReason)
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
func (q *Reader) ReadyIterations(ctx context.Context) ([]ReadyIteration, error) {
	var rows []ReadyIteration
	err := q.listText(ctx, &rows, `SELECT i.id, s.priority,
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
			_, err := t.execText(ctx, `UPDATE builds SET priority = json_extract(v.value, '$[1]') FROM json_each(?) AS v
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
func (q *Reader) Slots(ctx context.Context, architectures []string, seen time.Time) (n int, err error) {
	err = q.getText(ctx, &n, `SELECT coalesce(sum(max(1, running, finished)), 0) FROM (
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
func (q *Reader) BurnDown(ctx context.Context, iterationID int64) ([]BurnPoint, error) {
	var span struct {
		First   time.Time `bun:"first"`
		Space   int64     `bun:"space"`
		Seconds float64   `bun:"seconds"` // from the first event to the last
	}
	err := q.getText(ctx, &span, `SELECT i.created_at AS first, i.buildspace_id AS space,
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
	err = q.listText(ctx, &rows, `WITH settled AS (SELECT value FROM json_each(?))
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

// recentDurations is how many durations of a package are remembered. Their
// median takes notice of a change after five builds and of no single outlier.
const recentDurations = 9

// maxDuration is the longest time that is believed: a build that seems to have
// taken longer was most likely a clock that was set.
const maxDuration = 7 * 24 * time.Hour

// durationRow is what is known of how long a package takes.
type durationRow struct {
	bun.BaseModel `bun:"table:durations"`
	Pkgbase       string    `bun:"pkgbase,pk"`
	Architecture  string    `bun:"architecture,pk"`
	Seconds       float64   `bun:"seconds"` // the median of Recent
	Recent        string    `bun:"recent"`
	LearnedAt     time.Time `bun:"learned_at"`
}

// learnFrom remembers how long a successful attempt took. Zero and what cannot
// be true teach nothing.
func (t *tx) learnFrom(ctx context.Context, a *buildbtw.Attempt) error {
	took := t.now.Sub(a.StartedAt)
	if took <= 0 || took > maxDuration {
		return nil
	}
	b, err := t.build(ctx, a.BuildID)
	if err != nil {
		return err
	}
	row := durationRow{Pkgbase: b.Pkgbase, Architecture: b.Architecture, Recent: "[]"}
	err = t.getText(ctx, &row, `SELECT * FROM durations WHERE pkgbase = ? AND architecture = ?`, b.Pkgbase, b.Architecture)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read the durations of %s: %w", b.Pkgbase, err)
	}
	if err := row.add(took.Seconds()); err != nil {
		return fmt.Errorf("learn the duration of %s: %w", b.Pkgbase, err)
	}
	_, err = t.execText(ctx, `INSERT INTO durations (pkgbase, architecture, seconds, recent, learned_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (pkgbase, architecture) DO UPDATE SET seconds = EXCLUDED.seconds, recent = EXCLUDED.recent, learned_at = EXCLUDED.learned_at`,
		row.Pkgbase, row.Architecture, row.Seconds, row.Recent, t.now)
	return err
}

func (r *durationRow) add(seconds float64) error {
	var recent []float64
	if err := json.Unmarshal([]byte(r.Recent), &recent); err != nil {
		return err
	}
	recent = append(recent, seconds)
	recent = recent[max(0, len(recent)-recentDurations):]
	text, err := json.Marshal(recent)
	r.Recent, r.Seconds = string(text), lowerMedian(recent)
	return err
}

// lowerMedian is the median, of two in the middle the smaller: an outlier among
// two is more often the longer one.
func lowerMedian(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[(len(sorted)-1)/2]
}

// Duration is what is known of how long a package takes on an architecture.
type Duration struct {
	Pkgbase      string
	Architecture string
	Seconds      float64 // the median of the latest
	Spread       float64 // standard deviation of their logarithms; 0 with fewer than three
}

// Durations lists all that was learned, by package and architecture.
func (q *Reader) Durations(ctx context.Context) ([]Duration, error) {
	var rows []durationRow
	err := q.listText(ctx, &rows, `SELECT * FROM durations ORDER BY pkgbase, architecture`)
	if err != nil {
		return nil, fmt.Errorf("list durations: %w", err)
	}
	list := make([]Duration, len(rows))
	for i, r := range rows {
		var recent []float64
		if err := json.Unmarshal([]byte(r.Recent), &recent); err != nil {
			return nil, fmt.Errorf("read the durations of %s: %w", r.Pkgbase, err)
		}
		list[i] = Duration{r.Pkgbase, r.Architecture, r.Seconds, logSpread(recent)}
	}
	return list, nil
}

// logSpread is the standard deviation of the logarithms.
func logSpread(list []float64) float64 {
	if len(list) < 3 {
		return 0
	}
	n, sum, squares := float64(len(list)), 0.0, 0.0
	for _, v := range list {
		l := math.Log(v)
		sum, squares = sum+l, squares+l*l
	}
	return math.Sqrt(max(0, squares/n-sum/n*sum/n))
}

// Duration gives what was learned of one package on an architecture; ok is
// false when it was nothing.
func (q *Reader) Duration(ctx context.Context, pkgbase, architecture string) (seconds float64, ok bool, err error) {
	var found []float64
	err = q.listText(ctx, &found, `SELECT seconds FROM durations WHERE pkgbase = ? AND architecture = ?`, pkgbase, architecture)
	if err != nil {
		return 0, false, fmt.Errorf("look up the duration of %s: %w", pkgbase, err)
	}
	if len(found) == 0 {
		return 0, false, nil
	}
	return found[0], true, nil
}
