package progress

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"buildbtw"
	"buildbtw/forecast"
	"buildbtw/store"
)

// TimeRequest selects the attempts of a Timeline.
type TimeRequest struct {
	Buildspace  string // whose builds; empty: all
	From, Until time.Time
}

// Timeline lists the attempts that ran on each slot of the workers between two times and,
// when Until is in the future, the builds that will probably run there from Now on.
type Timeline struct {
	From, Until, Now time.Time
	Lanes            []Lane // by worker, then slot
	Bars             []Bar  // attempts, by lane, then start
	Ahead            []Bar  // the forecast, in the same order
	More             bool   // there were more attempts than MaxBars; the earliest are left out
}

// Lane is a slot of a worker: one place for a build at a time.
type Lane struct {
	Worker  string
	Slot    int  // from 0
	Present bool // the worker is connected, or runs a build
}

// Bar is the time that one attempt took on a lane, or that a build of the forecast will
// probably take.
type Bar struct {
	Lane       int // index in Timeline.Lanes
	BuildID    int64
	Attempt    int // its number, from 1; 0 in the forecast
	Pkgbase    string
	OfBase     bool   // a build on the base alone
	Second     bool   // a second build
	Buildspace string // empty for one on the base alone
	Iteration  int
	Outcome    buildbtw.Outcome // empty while it runs, and in the forecast
	Start      time.Time
	End        time.Time // zero while it runs
}

const (
	// MaxBars is the largest number of attempts in a timeline: 40 slots with builds of 9
	// minutes make 6,400 in a day.
	MaxBars = 20_000
	// maxAhead is the largest number of builds in a forecast.
	maxAhead = 4000
	// aheadIterations is the largest number of iterations in a forecast: those that get
	// workers first.
	aheadIterations = 20
	// maxLanes is the largest number of lanes in a timeline.
	maxLanes = 1000
)

// Timeline returns the attempts that a request selects, with the lanes of all workers that
// ran one of them or are connected, and the forecast when the request ends after now. The
// forecast may be as old as keepTime.
func (k *Forecasts) Timeline(ctx context.Context, db *store.Reader, r TimeRequest, now time.Time) (Timeline, error) {
	t := Timeline{From: r.From.UTC(), Until: r.Until.UTC(), Now: now.UTC()}
	workers, err := db.Workers(ctx)
	if err != nil {
		return t, err
	}
	attempts, err := db.AttemptsBetween(ctx, r.Buildspace, r.From, r.Until, MaxBars+1)
	if err != nil {
		return t, err
	}
	if t.More = len(attempts) > MaxBars; t.More {
		attempts = attempts[:MaxBars]
	}
	places := t.addLanes(workers, attempts)
	for _, a := range attempts {
		lane, ok := places[laneKey{a.Worker, a.Slot}]
		if !ok {
			continue
		}
		bar := Bar{
			Lane: lane, BuildID: a.BuildID, Attempt: a.Number, Pkgbase: a.Pkgbase, OfBase: a.OfBase, Second: a.Second, Buildspace: a.Buildspace, Iteration: a.Iteration,
			Outcome: a.Outcome, Start: a.StartedAt,
		}
		if a.FinishedAt != nil {
			bar.End = *a.FinishedAt
		}
		t.Bars = append(t.Bars, bar)
	}
	sortBars(t.Bars)
	if !r.Until.After(now) {
		return t, nil
	}
	next, err := k.ahead(ctx, db, workers, now)
	if err != nil {
		return t, err
	}
	for _, p := range next.builds {
		lane, ok := places[laneKey{p.worker, p.slot}]
		if ok && p.bar.Start.Before(r.Until) && (r.Buildspace == "" || r.Buildspace == p.bar.Buildspace) {
			p.bar.Lane = lane
			t.Ahead = append(t.Ahead, p.bar)
		}
	}
	sortBars(t.Ahead)
	return t, nil
}

func sortBars(bars []Bar) {
	slices.SortFunc(bars, func(a, b Bar) int {
		return cmp.Or(cmp.Compare(a.Lane, b.Lane), a.Start.Compare(b.Start), cmp.Compare(a.BuildID, b.BuildID))
	})
}

type laneKey struct {
	worker string
	slot   int
}

// addLanes adds a lane for each slot that ran one of the attempts, and for each worker that
// is connected or runs a build. It returns the index of each lane.
func (t *Timeline) addLanes(workers []store.WorkerRow, attempts []store.WorkerAttempt) map[laneKey]int {
	slots := map[string]int{} // the number of slots seen
	for _, a := range attempts {
		slots[a.Worker] = max(slots[a.Worker], a.Slot+1)
	}
	present := map[string]bool{}
	for _, w := range workers {
		if present[w.Name] = w.Present(t.Now) || len(w.Running) > 0; present[w.Name] {
			slots[w.Name] = max(slots[w.Name], 1, len(w.Running))
		}
	}
	places := map[laneKey]int{}
	for _, name := range slices.Sorted(maps.Keys(slots)) {
		for slot := range slots[name] {
			if len(t.Lanes) == maxLanes {
				return places
			}
			places[laneKey{name, slot}] = len(t.Lanes)
			t.Lanes = append(t.Lanes, Lane{name, slot, present[name]})
		}
	}
	return places
}

// ahead is a forecast, made at one time, of the builds on each slot.
type ahead struct {
	at     time.Time
	builds []planned
}

// planned is a build of the forecast on a slot.
type planned struct {
	laneKey
	bar Bar
}

// ahead returns the forecast; one that is at most keepTime old is used again.
func (k *Forecasts) ahead(ctx context.Context, db *store.Reader, workers []store.WorkerRow, now time.Time) (ahead, error) {
	k.next.Lock() // also while it is computed: many who ask cause one forecast
	defer k.next.Unlock()
	if age := now.Sub(k.next.at); !k.next.at.IsZero() && age >= 0 && age < keepTime {
		return k.next.ahead, nil
	}
	next, err := lookAhead(ctx, db, workers, now)
	if err == nil {
		k.next.ahead = next
	}
	return next, err
}

// lookAhead makes a forecast. It assigns the builds that can still run to the slots of the
// connected workers in the order of claims: buildspaces with the highest priority first,
// within one the builds that begin the longest chains.
func lookAhead(ctx context.Context, db *store.Reader, workers []store.WorkerRow, now time.Time) (ahead, error) {
	next := ahead{at: now}
	list, err := db.Durations(ctx)
	if err != nil {
		return next, err
	}
	slots, running, err := db.SeenSlots(ctx, now.Add(-seenSlots))
	if err != nil {
		return next, err
	}
	s := &lookout{known: newDurations(list), now: now, kinds: map[string]int{}, places: map[int64]int32{}}
	if err := s.addWork(ctx, db); err != nil {
		return next, err
	}
	keys := s.addSlots(workers, slots, running)
	for _, p := range forecast.Join(s.graphs...).Schedule(s.jobs, s.slots, maxHorizon.Seconds(), maxAhead) {
		bar := s.bars[p.Build]
		bar.Start, bar.End = now.Add(seconds(p.Start)).UTC(), now.Add(seconds(p.End)).UTC()
		next.builds = append(next.builds, planned{keys[p.Slot], bar})
	}
	return next, nil
}

const (
	// seenSlots is the time after which a slot that ran nothing is no longer counted.
	seenSlots = time.Hour
	// maxHorizon is the time from now at which a forecast ends.
	maxHorizon = 7 * 24 * time.Hour
)

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// lookout collects the inputs of a forecast.
type lookout struct {
	known  *durations
	now    time.Time
	kinds  map[string]int // by architecture: its forecast.Job.Kind
	graphs []*forecast.Graph
	jobs   []forecast.Job
	bars   []Bar
	places map[int64]int32 // by build id: its index in jobs
	slots  []forecast.Slot
}

// addWork adds the builds of the iterations that get workers first.
func (s *lookout) addWork(ctx context.Context, db *store.Reader) error {
	all, err := db.ReadyIterations(ctx)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(r store.ReadyIteration) bool { return !r.Working })
	rank := func(r store.ReadyIteration) int { return slices.Index(buildbtw.Priorities(), r.Priority) }
	slices.SortStableFunc(all, func(a, b store.ReadyIteration) int { return cmp.Compare(rank(b), rank(a)) })
	for _, it := range all[:min(len(all), aheadIterations)] {
		work, err := db.Work(ctx, it.ID)
		if err != nil {
			return err
		}
		s.add(work, it, float64(rank(it)))
	}
	return nil
}

// aRank is the step between priorities of buildspaces. It is more seconds than any chain
// takes, so that a higher priority always comes first.
const aRank = 1e9

func (s *lookout) add(work store.Work, it store.ReadyIteration, rank float64) {
	left := new(Forecast).count(work, s.known, s.now)
	chains := work.Graph.Chains(left.seconds)
	for i, b := range work.Builds {
		kind, known := s.kinds[b.Architecture]
		if !known {
			kind = len(s.kinds)
			s.kinds[b.Architecture] = kind
		}
		s.places[b.ID] = int32(len(s.jobs))
		s.jobs = append(s.jobs, forecast.Job{Seconds: left.seconds[i], Priority: rank*aRank + chains[i], Kind: kind})
		s.bars = append(s.bars, Bar{BuildID: b.ID, Pkgbase: b.Pkgbase, Buildspace: it.Buildspace, Iteration: it.Number})
	}
	s.graphs = append(s.graphs, work.Graph)
}

// addSlots adds the slots of the workers that get builds. It returns the worker and number
// of each slot, in the order of s.slots.
func (s *lookout) addSlots(workers []store.WorkerRow, slots map[string]int, attempts []store.WorkerAttempt) []laneKey {
	running := map[laneKey]store.WorkerAttempt{}
	for _, a := range attempts {
		running[laneKey{a.Worker, a.Slot}] = a
	}
	var keys []laneKey
	for _, w := range workers {
		if w.NoBuilds() != "" || !w.Present(s.now) && len(w.Running) == 0 {
			continue
		}
		var kinds []int
		for _, arch := range w.Architectures {
			if kind, ok := s.kinds[arch]; ok {
				kinds = append(kinds, kind)
			}
		}
		for slot := range max(1, slots[w.Name]) {
			one := forecast.Slot{Kinds: kinds, Running: -1}
			if a, busy := running[laneKey{w.Name, slot}]; busy {
				one.Running, one.Left = s.left(a)
			}
			s.slots = append(s.slots, one)
			keys = append(keys, laneKey{w.Name, slot})
		}
	}
	return keys
}

// left returns the index of the job that a running attempt builds, and the seconds that it
// still takes. The index is -1 for a build of an iteration that is not in the forecast.
func (s *lookout) left(a store.WorkerAttempt) (build int32, seconds float64) {
	place, ok := s.places[a.BuildID]
	if !ok { // of an iteration that is over: nobody waits for it
		return -1, s.known.unknown.Seconds
	}
	return place, max(s.jobs[place].Seconds, 1)
}
