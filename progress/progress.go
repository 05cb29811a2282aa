// Package progress predicts from the durations of earlier builds when an
// iteration will be done and which builds delay it, and ranks its builds by the
// work that depends on them.
package progress

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"buildbtw"
	"buildbtw/forecast"
	"buildbtw/internal/guard"
	"buildbtw/store"
)

const (
	// unknownSeconds is how long a build is thought to take while nothing has
	// been learned.
	unknownSeconds = 60
	// unknownSpread is the spread of durations among packages (standard
	// deviation of the logarithm) while fewer than knownEnough are known. A
	// distribution's is about 1.3.
	unknownSpread = 1.3
	knownEnough   = 20
	// leastSpread is how exactly a duration can be known: machines differ.
	leastSpread = 0.1
	// material is the change of a priority that is worth a write.
	material = 0.1
	// steps is how finely plans know durations, per doubling: plans that were made
	// before are found again until a duration has really changed.
	steps = 4
)

// durations are the learned build durations.
type durations struct {
	byArch  map[archPkgbase]forecast.Duration
	byBase  map[string]forecast.Duration // on the slowest architecture
	unknown forecast.Duration
}

type archPkgbase struct{ arch, pkgbase string }

func newDurations(list []store.Duration) *durations {
	k := &durations{byArch: make(map[archPkgbase]forecast.Duration, len(list)), byBase: make(map[string]forecast.Duration, len(list))}
	logs := make([]float64, 0, len(list))
	for _, d := range list {
		known := forecast.Duration{Seconds: d.Seconds, Spread: max(d.Spread, leastSpread)}
		k.byArch[archPkgbase{d.Architecture, d.Pkgbase}] = known
		if known.Seconds > k.byBase[d.Pkgbase].Seconds {
			k.byBase[d.Pkgbase] = known
		}
		logs = append(logs, math.Log(d.Seconds))
	}
	k.unknown = typical(logs)
	return k
}

// typical is the median and the spread of durations given as logarithms. How far the
// median of so few may be from that of all is an error that every guess of it shares
// (the standard error of a mean).
func typical(logs []float64) (d forecast.Duration) {
	d = forecast.Duration{Seconds: unknownSeconds, Spread: unknownSpread}
	defer func() { d.Common = d.Spread / math.Sqrt(float64(max(1, len(logs)))) }()
	if len(logs) == 0 {
		return d
	}
	slices.Sort(logs)
	middle := logs[len(logs)/2]
	d.Seconds = math.Exp(middle)
	if len(logs) < knownEnough {
		return d
	}
	squares := 0.0
	for _, l := range logs {
		squares += (l - middle) * (l - middle)
	}
	d.Spread = math.Sqrt(squares / float64(len(logs)))
	return d
}

// of returns the duration of a package, and whether it was learned from builds
// of that package; otherwise it is that of packages in general.
func (k *durations) of(b store.WorkBuild) (forecast.Duration, bool) {
	if d, ok := k.byArch[archPkgbase{b.Architecture, b.Pkgbase}]; ok {
		return d, true
	}
	if d, ok := k.byBase[b.Pkgbase]; ok {
		return d, true
	}
	return k.unknown, false
}

// Reorder puts the builds that are not handed out yet into the order that
// follows from the durations learned so far. It returns those in seconds, by
// pkgbase, as plans take them.
func Reorder(ctx context.Context, db *store.Store) (map[string]float64, error) {
	list, unreadable := db.Durations(ctx)
	known := newDurations(list)
	seconds := make(map[string]float64, len(known.byBase))
	for pkgbase, d := range known.byBase {
		seconds[pkgbase] = math.Exp2(math.Round(math.Log2(d.Seconds)*steps) / steps)
	}
	iterations, err := db.ReadyIterations(ctx)
	failures := []error{unreadable, err}
	for _, it := range iterations {
		if it.Working && len(list) > 0 {
			failures = append(failures, guard.Run(func() error { return reorder(ctx, db, it.ID, known) }))
		}
	}
	return seconds, errors.Join(failures...)
}

// reorder writes the priorities of an iteration that have changed materially.
func reorder(ctx context.Context, db *store.Store, iteration int64, known *durations) error {
	work, err := db.Work(ctx, iteration)
	if err != nil {
		return err
	}
	seconds := make([]float64, len(work.Builds))
	for i, b := range work.Builds {
		if b.TwinOf == 0 {
			d, _ := known.of(b)
			seconds[i] = d.Seconds
		}
	}
	var changed []store.NewPriority
	for i, chain := range work.Graph.Chains(seconds) {
		b := work.Builds[i]
		waits := b.Status == buildbtw.StatusBlocked || b.Status == buildbtw.StatusPending
		if waits && math.Abs(chain-b.Priority) > material*max(chain, b.Priority) {
			changed = append(changed, store.NewPriority{Build: b.ID, Seconds: chain})
		}
	}
	return db.SetPriorities(ctx, changed)
}

// Forecast predicts when an iteration will be done and which builds delay it
// most. It covers the builds that can still run: those that wait for a failed
// or cancelled one are only counted.
type Forecast struct {
	At             time.Time
	Workers        int             // builds that can run at the same time: the iteration's share of the present workers
	Remaining      int             // builds still to be done
	Blocked        int             // builds that wait for something that failed or was cancelled
	Known          int             // builds still to be done whose duration was learned
	WorkSeconds    float64         // of all remaining builds
	BlockedSeconds float64         // of all blocked ones, one after the other
	ChainSeconds   float64         // of the longest chain: no number of workers is faster
	Seconds        *forecast.Range // from At; nil when nobody works or nothing is left
	Chain          []ChainStep     // the longest chain, first build first
	BurnDown       []store.BurnPoint
	Stops          []Stop        // in the order of time
	Blockers       []BlockedWork // most blocked work first; at most listedBlockers
}

// ChainStep is a build on the longest chain with the seconds that it is thought
// to need still.
type ChainStep struct {
	Build   store.BuildRef
	Seconds float64
}

// Stop is a moment at which builds stopped going on, and why.
type Stop struct {
	store.Stop
	Blocked BlockedWork // by Build; zero when somebody stopped the buildspace
}

// BlockedWork is the work that cannot be done because of one build, directly or
// through others.
type BlockedWork struct {
	Build   store.BuildRef
	Builds  int
	Seconds float64 // that they are thought to take, one after the other
}

// remaining is the work that is left of an iteration. Builds that are done, or
// cannot be done, take no time.
type remaining struct {
	store.Work
	durations []forecast.Duration
	elapsed   []float64 // seconds that running builds have taken
	seconds   []float64 // medians of the remaining builds
	blocked   []float64 // medians of the builds that wait for a failed one; 0 for all others
}

const (
	// keepTime is how long a cached forecast is returned again: computing that
	// of a whole distribution takes 75 ms of processor time, and pages ask
	// often.
	keepTime = 5 * time.Second
	// maxKept bounds the cached forecasts.
	maxKept = 64
)

// Forecasts computes forecasts and caches each for keepTime. The zero value is
// ready for use.
type Forecasts struct {
	Pipelines Pipelines // in which GitLab builds, if it does

	mu   sync.Mutex
	kept map[int64]Forecast // by iteration
	next struct {
		sync.Mutex
		ahead
	}
	queue struct {
		sync.Mutex
		order *order
	}
}

// Of forecasts an iteration on the workers that are present, of which it gets as
// large a share as every other iteration of its priority. The answer is at most
// a few seconds old.
func (k *Forecasts) Of(ctx context.Context, db *store.Reader, it store.IterationRow, now time.Time) (Forecast, error) {
	k.mu.Lock()
	f, ok := k.kept[it.ID]
	k.mu.Unlock()
	if age := now.Sub(f.At); ok && age >= 0 && age < keepTime {
		return f, nil
	}
	f, err := calculate(ctx, db, it, now)
	if err != nil {
		return f, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.kept == nil || len(k.kept) >= maxKept {
		k.kept = map[int64]Forecast{}
	}
	k.kept[it.ID] = f
	return f, nil
}

func calculate(ctx context.Context, db *store.Reader, it store.IterationRow, now time.Time) (Forecast, error) {
	list, err := db.Durations(ctx)
	if err != nil {
		return Forecast{}, err
	}
	work, err := db.Work(ctx, it.ID)
	if err != nil {
		return Forecast{}, err
	}
	f := Forecast{At: now.UTC()}
	left := f.count(work, newDurations(list), now)
	chains := work.Graph.Chains(left.seconds)
	for i := range chains {
		f.WorkSeconds += left.seconds[i]
		f.ChainSeconds = max(f.ChainSeconds, chains[i])
	}
	for _, i := range work.Graph.Critical(left.seconds, chains) {
		f.Chain = append(f.Chain, ChainStep{Build: work.Builds[i].BuildRef, Seconds: left.seconds[i]})
	}
	f.Blockers = left.blockers()
	if f.Workers, err = share(ctx, db, it, now); err != nil {
		return Forecast{}, err
	}
	if f.Workers > 0 && f.Remaining > 0 {
		r := work.Graph.Estimate(left.durations, left.elapsed, f.Workers)
		f.Seconds = &r
	}
	if f.BurnDown, err = db.BurnDown(ctx, it.ID); err != nil {
		return f, err
	}
	blocked := map[int64]BlockedWork{}
	for _, b := range f.Blockers {
		blocked[b.Build.ID] = b
	}
	stops, err := db.Stops(ctx, it, slices.Collect(maps.Keys(blocked)))
	for _, s := range stops {
		f.Stops = append(f.Stops, Stop{s, blocked[s.Build]})
	}
	return f, err
}

// count adds up the remaining and the blocked builds, and returns their
// durations.
func (f *Forecast) count(work store.Work, known *durations, now time.Time) *remaining {
	n := len(work.Builds)
	r := &remaining{Work: work, durations: make([]forecast.Duration, n), elapsed: make([]float64, n), seconds: make([]float64, n), blocked: make([]float64, n)}
	stuck := work.Stuck()
	for i, b := range work.Builds {
		switch {
		case !b.Status.Active():
			continue
		case stuck[i]:
			f.Blocked++
			d, _ := known.of(b)
			r.blocked[i] = d.Seconds
			f.BlockedSeconds += d.Seconds
			continue
		}
		f.Remaining++
		if b.TwinOf != 0 {
			continue
		}
		d, learned := known.of(b)
		r.durations[i], r.seconds[i] = d, d.Seconds
		if learned {
			f.Known++
		}
		if b.Status == buildbtw.StatusBuilding && b.StartedAt != nil {
			r.elapsed[i] = max(now.Sub(*b.StartedAt).Seconds(), 0)
			r.seconds[i] = forecast.Left(d.Seconds, r.elapsed[i])
		}
	}
	return r
}

const (
	// listedBlockers is how many builds that block others a forecast names.
	listedBlockers = 20
	// soughtBlockers bounds the blockers whose blocked work is added up.
	soughtBlockers = 200
)

// blockers lists, for each build that will not be built unless a person does
// something, how much work waits for it, the most first.
func (r *remaining) blockers() []BlockedWork {
	var list []BlockedWork
	sought := 0
	for i, b := range r.Builds {
		if !b.Status.RootCause(b.SkipReason) {
			continue
		}
		if sought++; sought > soughtBlockers {
			break
		}
		work := BlockedWork{Build: b.BuildRef}
		r.Graph.Held(int32(i), r.blocked, func(seconds float64) {
			work.Builds++
			work.Seconds += seconds
		})
		if work.Builds > 0 {
			list = append(list, work)
		}
	}
	slices.SortStableFunc(list, func(x, y BlockedWork) int { return cmp.Compare(y.Seconds, x.Seconds) })
	return list[:min(len(list), listedBlockers)]
}

// share is how many builds of an iteration can run at the same time.
func share(ctx context.Context, db *store.Reader, it store.IterationRow, now time.Time) (int, error) {
	if it.State != buildbtw.IterationReady {
		return 0, nil
	}
	architectures, err := db.Architectures(ctx, it.ID)
	if err != nil {
		return 0, err
	}
	slots, err := db.Slots(ctx, architectures, now.Add(-buildbtw.WorkerPresence))
	if err != nil || slots == 0 {
		return 0, err
	}
	all, err := db.ReadyIterations(ctx)
	if err != nil {
		return 0, err
	}
	return max(1, slots/max(1, rivals(all, it.ID))), nil
}

// rivals counts the iterations that compete for workers with one of them, that
// one included: those of the same or a higher priority that have work.
func rivals(all []store.ReadyIteration, id int64) int {
	rank := func(p buildbtw.Priority) int { return slices.Index(buildbtw.Priorities(), p) }
	i := slices.IndexFunc(all, func(r store.ReadyIteration) bool { return r.ID == id })
	n := 0
	for _, r := range all {
		if r.ID == id || r.Working && i >= 0 && rank(r.Priority) >= rank(all[i].Priority) {
			n++
		}
	}
	return n
}
