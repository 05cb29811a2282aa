package forecast

import "math"

// Makespan returns the seconds that so many workers need when each free one
// starts the ready build with the largest priority (list scheduling: Graham
// 1969), and the time, summed over all workers, in which they are idle. Work of
// no duration needs no worker. Without workers it is infinite.
func (g *Graph) Makespan(seconds, priority []float64, workers int) (span, idle float64) {
	if workers < 1 {
		if g.Bound(seconds, 1) == 0 {
			return 0, 0
		}
		return math.Inf(1), 0
	}
	m := &makespan{Graph: g, seconds: seconds, waits: append([]int32(nil), g.needs...), free: workers}
	m.ready.before = func(a, b int32) bool {
		return priority[a] > priority[b] || priority[a] == priority[b] && a < b
	}
	m.running.before = func(a, b finish) bool { return a.at < b.at }
	for v, n := range g.needs {
		if n == 0 {
			m.release(int32(v))
		}
	}
	work := 0.0
	for _, s := range seconds {
		work += s
	}
	span = m.run()
	return span, span*float64(workers) - work
}

// makespan is a run in progress.
type makespan struct {
	*Graph
	seconds []float64
	waits   []int32
	free    int // workers
	ready   queue[int32]
	running queue[finish]
}

func (m *makespan) run() (now float64) {
	for {
		for m.free > 0 && len(m.ready.items) > 0 {
			v := m.ready.pop()
			m.free--
			m.running.push(finish{now + m.seconds[v], v})
		}
		if len(m.running.items) == 0 {
			return now
		}
		f := m.running.pop()
		now = f.at
		m.free++
		m.done(f.build)
	}
}

// release makes a build ready; one of no duration is done at once.
func (m *makespan) release(v int32) {
	if m.seconds[v] == 0 {
		m.done(v)
		return
	}
	m.ready.push(v)
}

func (m *makespan) done(v int32) {
	for _, w := range m.after(v) {
		if m.waits[w]--; m.waits[w] == 0 {
			m.release(w)
		}
	}
}

// finish is the end of a build.
type finish struct {
	at    float64
	build int32
}

// queue is a priority queue (binary heap).
type queue[T any] struct {
	items  []T
	before func(a, b T) bool
}

func (q *queue[T]) push(v T) {
	q.items = append(q.items, v)
	for i := len(q.items) - 1; i > 0; {
		parent := (i - 1) / 2
		if !q.before(q.items[i], q.items[parent]) {
			return
		}
		q.items[i], q.items[parent] = q.items[parent], q.items[i]
		i = parent
	}
}

func (q *queue[T]) pop() T {
	first, last := q.items[0], len(q.items)-1
	q.items[0] = q.items[last]
	q.items = q.items[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			return first
		}
		if child+1 < last && q.before(q.items[child+1], q.items[child]) {
			child++
		}
		if !q.before(q.items[child], q.items[i]) {
			return first
		}
		q.items[i], q.items[child] = q.items[child], q.items[i]
		i = child
	}
}
