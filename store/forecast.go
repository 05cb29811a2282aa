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
		err := q.list(ctx, &w.Builds, "work_of_iteration", args{"iteration": iterationID})
		if err != nil {
			return err
		}
		g, err := q.graphOf(ctx, iterationID)
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

func (g *iterationGraph) edges() []forecast.Edge {
	edges := make([]forecast.Edge, 0, len(g.out.To))
	for from := range g.out.Nodes() {
		for _, to := range g.out.Row(from) {
			edges = append(edges, forecast.Edge{From: from, To: to})
		}
	}
	return edges
}

// ReadyIteration is an iteration whose builds are handed out.
type ReadyIteration struct {
	ID         int64             `bun:"id"`
	Buildspace string            `bun:"buildspace"`
	Number     int               `bun:"number"`
	Priority   buildbtw.Priority `bun:"priority"` // of its buildspace
	Working    bool              `bun:"working"`  // it has builds that run or could
}

// ReadyIterations lists the iterations whose builds are handed out; of those that
// cannot be read the error tells.
func (q *Reader) ReadyIterations(ctx context.Context) ([]ReadyIteration, error) {
	rows, err := readable[ReadyIteration](ctx, q.queries, "ready_iterations", nil)
	if err != nil {
		return rows, fmt.Errorf("list ready iterations: %w", err)
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
		err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
			_, err := t.exec(ctx, "set_priorities", args{"priorities": priorityList(batch)})
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
	err = q.get(ctx, &n, "count_slots", args{"present_since": seen.UTC(), "architectures": textList(architectures)})
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
	err := q.get(ctx, &span, "span_of_iteration", args{"iteration": iterationID})
	if err != nil {
		return nil, fmt.Errorf("burn down iteration %d: %w", iterationID, notFound(err, "there is no iteration %d", iterationID))
	}
	step := max(span.Seconds/burnPoints, 1)
	var rows []struct {
		Bucket int `bun:"bucket"`
		Change int `bun:"change"`
	}
	err = q.list(ctx, &rows, "burn_down", args{
		"first": span.First, "step": step, "buildspace": span.Space, "iteration": iterationID,
	})
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

// Stop is a moment at which builds of an iteration stopped going on: one that others wait
// for came to its end without packages, or somebody stopped the buildspace.
type Stop struct {
	At    time.Time `bun:"at"`
	Build int64     `bun:"build"` // id; 0: somebody stopped the buildspace
	Actor string    `bun:"actor"` // who did; empty for a build
}

// maxStops bounds what Stops lists.
const maxStops = 60

// Stops lists when these builds of an iteration came to their end, and when its buildspace
// was stopped, in the order of time.
func (q *Reader) Stops(ctx context.Context, it IterationRow, builds []int64) ([]Stop, error) {
	list := []Stop{}
	err := q.list(ctx, &list, "stops", args{"builds": idList(builds), "buildspace": it.BuildspaceID, "iteration": it.ID, "limit": maxStops})
	if err != nil {
		return nil, fmt.Errorf("list what stopped iteration %d: %w", it.ID, err)
	}
	return list, nil
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
	err = t.get(ctx, &row, "duration", args{"pkgbase": b.Pkgbase, "architecture": b.Architecture})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read the durations of %s: %w", b.Pkgbase, err)
	}
	if err := row.add(took.Seconds()); err != nil {
		return fmt.Errorf("learn the duration of %s: %w", b.Pkgbase, err)
	}
	_, err = t.exec(ctx, "save_duration", args{
		"pkgbase": row.Pkgbase, "architecture": row.Architecture, "seconds": row.Seconds, "recent": row.Recent, "now": t.now,
	})
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

// Durations lists all that was learned, by package and architecture; of what cannot be
// read the error tells.
func (q *Reader) Durations(ctx context.Context) ([]Duration, error) {
	rows, err := readable[durationRow](ctx, q.queries, "durations", nil)
	failures := []error{err}
	list := make([]Duration, 0, len(rows))
	for _, r := range rows {
		var recent []float64
		if err := json.Unmarshal([]byte(r.Recent), &recent); err != nil {
			failures = append(failures, fmt.Errorf("read the durations of %s: %w", r.Pkgbase, err))
			continue
		}
		list = append(list, Duration{r.Pkgbase, r.Architecture, r.Seconds, logSpread(recent)})
	}
	if err := errors.Join(failures...); err != nil {
		return list, fmt.Errorf("list durations: %w", err)
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
