package scheduler

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/forecast"
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
)

// knowledge is what is known of how long packages take.
type knowledge struct {
	byArch  map[archPkgbase]forecast.Duration
	byBase  map[string]forecast.Duration // on whatever architecture takes longest
	unknown forecast.Duration
}

type archPkgbase struct{ arch, pkgbase string }

func newKnowledge(list []store.Duration) *knowledge {
	k := &knowledge{byArch: make(map[archPkgbase]forecast.Duration, len(list)), byBase: make(map[string]forecast.Duration, len(list))}
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

// typical is the median and the spread of durations given as logarithms.
func typical(logs []float64) forecast.Duration {
	d := forecast.Duration{Seconds: unknownSeconds, Spread: unknownSpread}
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

// of gives what is known of a package, and whether that is more than what is
// known of packages in general.
func (k *knowledge) of(arch, pkgbase string) (forecast.Duration, bool) {
	if d, ok := k.byArch[archPkgbase{arch, pkgbase}]; ok {
		return d, true
	}
	if d, ok := k.byBase[pkgbase]; ok {
		return d, true
	}
	return k.unknown, false
}

// steps is how finely plans know durations, per doubling: plans that were made
// before are found again until a duration has really changed.
const steps = 4

// seconds gives the durations as plans take them.
func (k *knowledge) seconds() map[string]float64 {
	all := make(map[string]float64, len(k.byBase))
	for pkgbase, d := range k.byBase {
		all[pkgbase] = math.Exp2(math.Round(math.Log2(d.Seconds)*steps) / steps)
	}
	return all
}

// learnPass gives the plans what has been learned of durations and puts builds
// that are not handed out yet into the order that follows from it.
func (s *Scheduler) learnPass(ctx context.Context) error {
	list, err := s.Store.Durations(ctx)
	if err != nil {
		return err
	}
	k := newKnowledge(list)
	seconds := k.seconds()
	s.Catalog.SetDurations(seconds)
	iterations, err := s.Store.ReadyIterations(ctx)
	if err != nil {
		return err
	}
	var failures []error
	for _, it := range iterations {
		if it.Working && len(list) > 0 {
			failures = append(failures, s.reorder(ctx, it.ID, k))
		}
	}
	return errors.Join(failures...)
}

// reorder writes the priorities of an iteration that have changed materially.
func (s *Scheduler) reorder(ctx context.Context, iteration int64, k *knowledge) error {
	work, err := s.Store.Work(ctx, iteration)
	if err != nil {
		return err
	}
	seconds := make([]float64, len(work.Builds))
	for i, b := range work.Builds {
		if b.TwinOf == 0 {
			d, _ := k.of(b.Architecture, b.Pkgbase)
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
	return s.Store.SetPriorities(ctx, changed)
}

// forecasts keeps the latest forecasts for a moment, however many people look.
type forecasts struct {
	mu   sync.Mutex
	kept map[int64]api.Forecast // by iteration
}

const (
	// forecastAge is how long a forecast is good.
	forecastAge = 5 * time.Second
	// maxForecasts bounds how many are kept.
	maxForecasts = 64
)

func (k *forecasts) get(iteration int64, now time.Time) (api.Forecast, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f, ok := k.kept[iteration]
	age := now.Sub(f.At)
	return f, ok && age >= 0 && age < forecastAge
}

func (k *forecasts) keep(iteration int64, f api.Forecast) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.kept == nil || len(k.kept) >= maxForecasts {
		k.kept = map[int64]api.Forecast{}
	}
	k.kept[iteration] = f
}

// Forecast says when an iteration will be done on the workers that are present,
// of which it gets as large a share as every other iteration of its priority.
// It is at most a few seconds old.
func (s *Scheduler) Forecast(ctx context.Context, it store.IterationRow) (api.Forecast, error) {
	if f, ok := s.forecasts.get(it.ID, s.Now()); ok {
		return f, nil
	}
	f, err := s.forecast(ctx, it)
	if err == nil {
		s.forecasts.keep(it.ID, f)
	}
	return f, err
}

func (s *Scheduler) forecast(ctx context.Context, it store.IterationRow) (api.Forecast, error) {
	list, err := s.Store.Durations(ctx)
	if err != nil {
		return api.Forecast{}, err
	}
	work, err := s.Store.Work(ctx, it.ID)
	if err != nil {
		return api.Forecast{}, err
	}
	f := newOutlook(work, newKnowledge(list), s.Now())
	answer := f.answer()
	answer.Blockers = f.heldWork()
	answer.At = s.Now().UTC()
	if answer.Workers, err = s.share(ctx, it); err != nil {
		return api.Forecast{}, err
	}
	if answer.Workers > 0 && answer.Remaining > 0 {
		r := work.Graph.Estimate(f.durations, f.elapsed, answer.Workers)
		answer.Seconds = &r
	}
	points, err := s.Store.BurnDown(ctx, it.ID)
	for _, p := range points {
		answer.BurnDown = append(answer.BurnDown, api.BurnPoint{At: p.At.UTC(), Remaining: p.Remaining})
	}
	return answer, err
}

// share is how many builds of an iteration can run at the same time.
func (s *Scheduler) share(ctx context.Context, it store.IterationRow) (int, error) {
	if it.State != buildbtw.IterationReady {
		return 0, nil
	}
	architectures, err := s.Store.Architectures(ctx, it.ID)
	if err != nil {
		return 0, err
	}
	slots, err := s.Store.Slots(ctx, architectures, s.Now().Add(-buildbtw.WorkerPresence))
	if err != nil || slots == 0 {
		return 0, err
	}
	all, err := s.Store.ReadyIterations(ctx)
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

// outlook is what an iteration has before it: builds that are done, or cannot
// be done, take no time.
type outlook struct {
	store.Work
	durations []forecast.Duration
	elapsed   []float64
	seconds   []float64 // the medians of what is left
	remaining int
	blocked   int
	known     int
	held      []float64 // the medians of what waits for a failure; 0 for all else
}

func newOutlook(work store.Work, k *knowledge, now time.Time) *outlook {
	n := len(work.Builds)
	o := &outlook{Work: work, durations: make([]forecast.Duration, n), elapsed: make([]float64, n), seconds: make([]float64, n), held: make([]float64, n)}
	stuck := work.Stuck()
	for i, b := range work.Builds {
		switch {
		case !b.Status.Active():
			continue
		case stuck[i]:
			o.blocked++
			d, _ := k.of(b.Architecture, b.Pkgbase)
			o.held[i] = d.Seconds
			continue
		}
		o.remaining++
		if b.TwinOf != 0 {
			continue
		}
		d, known := k.of(b.Architecture, b.Pkgbase)
		o.durations[i], o.seconds[i] = d, d.Seconds
		if known {
			o.known++
		}
		if b.Status == buildbtw.StatusBuilding && b.StartedAt != nil {
			o.elapsed[i] = max(now.Sub(*b.StartedAt).Seconds(), 0)
			o.seconds[i] = forecast.Left(d.Seconds, o.elapsed[i])
		}
	}
	return o
}

func (o *outlook) answer() api.Forecast {
	f := api.Forecast{Remaining: o.remaining, Blocked: o.blocked, Known: o.known, Chain: []api.ChainStep{}, BurnDown: []api.BurnPoint{}}
	chains := o.Graph.Chains(o.seconds)
	for i := range chains {
		f.WorkSeconds += o.seconds[i]
		f.ChainSeconds = max(f.ChainSeconds, chains[i])
	}
	for _, i := range o.Graph.Critical(o.seconds, chains) {
		b := o.Builds[i]
		f.Chain = append(f.Chain, api.ChainStep{Seconds: o.seconds[i], Build: buildRef(b)})
	}
	return f
}

func buildRef(b store.WorkBuild) api.BuildRef {
	return api.BuildRef{ID: strconv.FormatInt(b.ID, 10), Pkgbase: b.Pkgbase, Architecture: b.Architecture, Status: b.Status}
}
