package progress

import (
	"context"
	"fmt"
	"slices"
	"time"

	"buildbtw"
	"buildbtw/forecast"
	"buildbtw/store"
)

// Place is where a build stands among the builds that wait for a machine of its architecture.
type Place struct {
	Number int       // from 1; 0: not known, because no machine takes them or more than maxTurns come before it
	Of     int       // how many wait
	Start  time.Time // when it will probably start; zero when Number is 0
	Before []Turn    // the first of those that start before it, at most namedBefore
	Higher int       // how many of those before it are of buildspaces with a higher priority
	Why    string    // why it does not start although it is pending, in words; empty when machines are just busy
}

// Turn is a build in the order in which machines will probably take them.
type Turn struct {
	store.QueuedBuild
	Buildspace string
	Start      time.Time
}

// Pipelines bounds the pipelines in which GitLab builds. The zero value is for a server
// that leaves builds to workers.
type Pipelines struct {
	Most          int // at the same time
	Architectures []string
}

const (
	// namedBefore is how many of the builds before another one are named.
	namedBefore = 3
	// maxTurns is how many builds ahead the order is computed.
	maxTurns = 5000
)

// Place returns where a build stands among those that wait for a machine: nil unless it
// could be handed out now. The answer may be as old as keepTime.
func (k *Forecasts) Place(ctx context.Context, db *store.Store, b store.BuildRow, now time.Time) (*Place, error) {
	waits := b.NotBefore == nil || !b.NotBefore.After(now)
	if b.Status != buildbtw.StatusPending || b.TwinOf != 0 || b.Held != buildbtw.HoldNone || !waits {
		return nil, nil
	}
	q, err := k.lineup(ctx, db, now)
	if err != nil {
		return nil, fmt.Errorf("find the place of build %d in the queue: %w", b.ID, err)
	}
	if _, there := q.priorities[b.IterationID]; !there { // it is built on the base alone, when machines are idle
		return nil, nil
	}
	p := &Place{Of: q.waiting[b.Architecture], Why: q.why(b)}
	turns := q.turns[b.Architecture]
	at := slices.IndexFunc(turns, func(t Turn) bool { return t.ID == b.ID })
	if at < 0 {
		return p, nil
	}
	p.Number, p.Start = at+1, turns[at].Start
	p.Before = turns[:min(at, namedBefore)]
	own := rank(q.priorities[b.IterationID])
	for _, t := range turns[:at] {
		if rank(q.priorities[t.Iteration]) > own {
			p.Higher++
		}
	}
	return p, nil
}

func rank(p buildbtw.Priority) int { return slices.Index(buildbtw.Priorities(), p) }

// order is the order in which machines will probably take the builds that wait for one, and
// why they do not.
type order struct {
	at         time.Time
	turns      map[string][]Turn // by architecture
	waiting    map[string]int    // by architecture
	priorities map[int64]buildbtw.Priority
	full       map[int64]string  // by iteration: why no more of its builds run now
	noMachine  map[string]string // by architecture: why no machine takes a build
}

func (o *order) why(b store.BuildRow) string {
	if why := o.noMachine[b.Architecture]; why != "" {
		return why
	}
	return o.full[b.IterationID]
}

// lineup returns the order; one that is at most keepTime old is used again.
func (k *Forecasts) lineup(ctx context.Context, db *store.Store, now time.Time) (*order, error) {
	k.queue.Lock() // also while it is computed: many who ask cause one computation
	defer k.queue.Unlock()
	if o := k.queue.order; o != nil && now.Sub(o.at) >= 0 && now.Sub(o.at) < keepTime {
		return o, nil
	}
	q, err := db.Queue(ctx)
	if err != nil {
		return nil, err
	}
	workers, err := db.Workers(ctx)
	if err != nil {
		return nil, err
	}
	slots, leases, err := db.SeenSlots(ctx, now.Add(-seenSlots))
	if err != nil {
		return nil, err
	}
	list, err := db.Durations(ctx)
	if err != nil {
		return nil, err
	}
	m := &machines{queue: q, known: newDurations(list), now: now, busy: map[string]int{}, iterations: map[string]int64{}}
	o := &order{
		at: now, turns: map[string][]Turn{}, waiting: map[string]int{}, priorities: map[int64]buildbtw.Priority{},
		full: map[int64]string{}, noMachine: map[string]string{},
	}
	for id, it := range q.Iterations {
		m.iterations[iterationKey(it.Buildspace, it.Number)], o.priorities[id] = id, it.Priority
		if q.Full(it) {
			o.full[id] = fmt.Sprintf("its buildspace runs %d builds, as many as one may at the same time", it.Running)
		}
		for _, architecture := range it.Architectures() {
			o.waiting[architecture] = q.Waiting(architecture)
		}
	}
	if k.Pipelines.Most > 0 {
		m.addPipelines(k.Pipelines, leases)
	} else {
		m.addWorkers(workers, slots, leases)
	}
	for architecture := range o.waiting {
		o.noMachine[architecture] = m.whyNone(architecture, workers, k.Pipelines)
	}
	m.run(o.turns)
	k.queue.order = o
	return o, nil
}

// machines simulates who takes which of the queued builds.
type machines struct {
	queue      *store.Queue
	known      *durations
	now        time.Time
	iterations map[string]int64 // by iterationKey: the id
	busy       map[string]int   // by label with a cap: how many builds run
	slots      []machineSlot
}

// machineSlot is a place for one build at a time.
type machineSlot struct {
	architectures []string
	labels        []string  // those with a cap
	free          time.Time // when it looks for a build next
	running       bool
	iteration     int64 // of the build that it runs until then; 0: of one that is over
}

func iterationKey(buildspace string, number int) string {
	return fmt.Sprintf("%s#%d", buildspace, number)
}

// take has a slot run what an attempt builds.
func (m *machines) take(s *machineSlot, a store.WorkerAttempt) {
	d, ok := m.known.byBase[a.Pkgbase]
	if !ok {
		d = m.known.unknown
	}
	s.running, s.iteration = true, m.iterations[iterationKey(a.Buildspace, a.Iteration)]
	s.free = m.now.Add(seconds(max(1, forecast.Left(d.Seconds, m.now.Sub(a.StartedAt).Seconds()))))
	for _, label := range s.labels {
		m.busy[label]++
	}
}

func (m *machines) addWorkers(workers []store.WorkerRow, seen map[string]int, leases []store.WorkerAttempt) {
	for _, w := range workers {
		if w.NoBuilds() != "" || !w.Present(m.now) && len(w.Running) == 0 {
			continue
		}
		one := machineSlot{architectures: w.Architectures, free: m.now}
		for _, label := range w.Labels {
			if _, capped := m.queue.LabelCaps[label]; capped {
				one.labels = append(one.labels, label)
			}
		}
		for number := range max(1, seen[w.Name]) {
			slot := one
			if at := slices.IndexFunc(leases, func(a store.WorkerAttempt) bool { return a.Worker == w.Name && a.Slot == number }); at >= 0 {
				m.take(&slot, leases[at])
			}
			m.slots = append(m.slots, slot)
		}
	}
}

func (m *machines) addPipelines(p Pipelines, leases []store.WorkerAttempt) {
	for n := range p.Most {
		slot := machineSlot{architectures: p.Architectures, free: m.now}
		if n < len(leases) {
			m.take(&slot, leases[n])
		}
		m.slots = append(m.slots, slot)
	}
	scheduled := -len(leases)
	for _, it := range m.queue.Iterations {
		scheduled += it.Running
	}
	for n := len(leases); n < min(p.Most, len(leases)+scheduled); n++ { // pipelines that have not begun
		m.slots[n].running, m.slots[n].free = true, m.now.Add(seconds(m.known.unknown.Seconds))
	}
}

// whyNone returns why no machine takes a build for an architecture, in words, or nothing.
func (m *machines) whyNone(architecture string, workers []store.WorkerRow, p Pipelines) string {
	if p.Most > 0 {
		if !slices.Contains(p.Architectures, architecture) {
			return "no pipelines are made for " + architecture
		}
		return ""
	}
	present, fit := 0, 0
	for _, w := range workers {
		if w.Present(m.now) || len(w.Running) > 0 {
			present++
			if slices.Contains(w.Architectures, architecture) {
				fit++
			}
		}
	}
	takes := slices.DeleteFunc(slices.Clone(m.slots), func(s machineSlot) bool { return !slices.Contains(s.architectures, architecture) })
	switch {
	case present == 0:
		return "no machine is connected"
	case fit == 0:
		return "no machine that is connected builds for " + architecture
	case len(takes) == 0:
		return "the machines that build for " + architecture + " get no new builds: they are draining or quarantined"
	}
	label := ""
	for _, s := range takes {
		full := slices.IndexFunc(s.labels, m.fullLabel)
		if full < 0 {
			return ""
		}
		label = s.labels[full]
	}
	return fmt.Sprintf("the machines with the label %s run %d builds, as many as they may at the same time", label, m.busy[label])
}

func (m *machines) fullLabel(label string) bool { return m.busy[label] >= m.queue.LabelCaps[label] }

// run has the slots take build after build until none is left.
func (m *machines) run(turns map[string][]Turn) {
	for n := 0; n < maxTurns && len(m.slots) > 0; {
		at := m.nextSlot()
		s := &m.slots[at]
		if s.running {
			s.running = false
			if it := m.queue.Iterations[s.iteration]; it != nil {
				it.Running--
			}
			for _, label := range s.labels {
				m.busy[label]--
			}
		}
		if !slices.ContainsFunc(s.labels, m.fullLabel) {
			if b, ok := m.queue.Next(s.architectures, s.free); ok {
				d, _ := m.known.of(store.WorkBuild{BuildRef: store.BuildRef{Pkgbase: b.Pkgbase, Architecture: b.Architecture}})
				turns[b.Architecture] = append(turns[b.Architecture], Turn{b, m.queue.Iterations[b.Iteration].Buildspace, s.free})
				s.running, s.iteration, s.free = true, b.Iteration, s.free.Add(seconds(max(1, d.Seconds)))
				for _, label := range s.labels {
					m.busy[label]++
				}
				n++
				continue
			}
		}
		work := slices.ContainsFunc(s.architectures, func(architecture string) bool { return m.queue.Waiting(architecture) > 0 })
		if end, ok := m.nextEnd(); ok && work { // what a cap allows may be more by then
			s.free = end
		} else {
			m.slots = slices.Delete(m.slots, at, at+1)
		}
	}
}

// nextSlot returns the slot that is free first; of several, one whose build ends then.
func (m *machines) nextSlot() (first int) {
	for i, s := range m.slots {
		f := m.slots[first]
		if s.free.Before(f.free) || s.free.Equal(f.free) && s.running && !f.running {
			first = i
		}
	}
	return first
}

// nextEnd returns when the next running build ends.
func (m *machines) nextEnd() (end time.Time, ok bool) {
	for _, s := range m.slots {
		if s.running && (!ok || s.free.Before(end)) {
			end, ok = s.free, true
		}
	}
	return end, ok
}
