package forecast

import (
	"slices"
)

// Join returns one graph with the builds and edges of all. The builds of each graph are
// numbered after those of the graph before it.
func Join(graphs ...*Graph) *Graph {
	all := &Graph{start: []int32{0}}
	for _, g := range graphs {
		first, edges := int32(len(all.needs)), int32(len(all.next))
		for _, at := range g.start[1:] {
			all.start = append(all.start, edges+at)
		}
		for _, to := range g.next {
			all.next = append(all.next, first+to)
		}
		for _, v := range g.order {
			all.order = append(all.order, first+v)
		}
		all.needs = append(all.needs, g.needs...)
	}
	return all
}

// Slot is a place on a worker that runs one build at a time.
type Slot struct {
	Kinds   []int   // the values of Job.Kind that it can run
	Left    float64 // seconds from now until it is free
	Running int32   // the build that it runs until then; -1: one that is not in the graph, or none
}

// Job has the properties of a build that Schedule needs.
type Job struct {
	Seconds  float64 // how long it takes; 0: it is done as soon as its dependencies are, without a slot
	Priority float64 // among the ready builds the largest starts first
	Kind     int     // which slots can run it, such as a number for each architecture
}

// Planned is a build on a slot. Start and End are seconds from now.
type Planned struct {
	Build      int32
	Slot       int
	Start, End float64
}

// Schedule predicts on which slot each build starts, and when. Whenever a slot is free, it
// starts the ready build with the largest priority among those that the slot can run (list
// scheduling: Graham 1969). jobs has one entry per build of the graph. The result has the
// builds that start before until, in seconds from now, in the order of their starts, and at
// most limit of them; not those that run now.
func (g *Graph) Schedule(jobs []Job, slots []Slot, until float64, limit int) []Planned {
	s := &schedule{Graph: g, jobs: jobs, slots: slots, waits: slices.Clone(g.needs), ready: map[int]*queue[int32]{}, onSlot: map[int32]bool{}}
	s.running.before = func(a, b slotEnd) bool { return a.at < b.at || a.at == b.at && a.slot < b.slot }
	for i, slot := range slots {
		if slot.Left <= 0 && slot.Running < 0 {
			s.free = append(s.free, i)
			continue
		}
		s.onSlot[slot.Running] = true
		s.running.push(slotEnd{slot.Left, i, slot.Running})
	}
	for v, n := range g.needs {
		if n == 0 {
			s.release(int32(v))
		}
	}
	s.run(until, limit)
	return s.planned
}

// schedule is the state of one call of Schedule.
type schedule struct {
	*Graph
	jobs    []Job
	slots   []Slot
	waits   []int32
	free    []int                 // slots, in order
	ready   map[int]*queue[int32] // by kind
	running queue[slotEnd]
	planned []Planned
	onSlot  map[int32]bool // builds that run now
}

// slotEnd is the time, in seconds from now, at which a build on a slot ends.
type slotEnd struct {
	at    float64
	slot  int
	build int32
}

func (s *schedule) run(until float64, limit int) {
	now := 0.0
	for {
		s.assign(now, limit)
		if len(s.running.items) == 0 || len(s.planned) >= limit {
			return
		}
		end := s.running.pop()
		if now = end.at; now >= until {
			return
		}
		at, _ := slices.BinarySearch(s.free, end.slot)
		s.free = slices.Insert(s.free, at, end.slot)
		s.done(end.build)
	}
}

// assign starts ready builds on the free slots.
func (s *schedule) assign(now float64, limit int) {
	s.free = slices.DeleteFunc(s.free, func(slot int) bool {
		best := s.best(s.slots[slot].Kinds)
		if best == nil || len(s.planned) >= limit {
			return false
		}
		v := best.pop()
		end := now + s.jobs[v].Seconds
		s.planned = append(s.planned, Planned{v, slot, now, end})
		s.running.push(slotEnd{end, slot, v})
		return true
	})
}

// best returns the queue that has the ready build with the largest priority.
func (s *schedule) best(kinds []int) *queue[int32] {
	var best *queue[int32]
	for _, kind := range kinds {
		q := s.ready[kind]
		if q != nil && len(q.items) > 0 && (best == nil || s.before(q.items[0], best.items[0])) {
			best = q
		}
	}
	return best
}

func (s *schedule) before(a, b int32) bool {
	return s.jobs[a].Priority > s.jobs[b].Priority || s.jobs[a].Priority == s.jobs[b].Priority && a < b
}

func (s *schedule) release(v int32) {
	if s.onSlot[v] {
		return
	}
	if s.jobs[v].Seconds == 0 {
		s.done(v)
		return
	}
	q := s.ready[s.jobs[v].Kind]
	if q == nil {
		q = &queue[int32]{before: s.before}
		s.ready[s.jobs[v].Kind] = q
	}
	q.push(v)
}

func (s *schedule) done(v int32) {
	if v < 0 {
		return
	}
	for _, w := range s.after(v) {
		if s.waits[w]--; s.waits[w] == 0 {
			s.release(w)
		}
	}
}
