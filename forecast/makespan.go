package forecast

import (
	"container/heap"
	"math"
)

// Makespan gives the seconds that so many workers take for the work when each
// that is free takes the build with the longest chain of those that wait for
// nothing; and how much of that time, over all workers, they have nothing to do.
// Work that takes no time needs no worker. Without workers it takes for ever.
func (g *Graph) Makespan(seconds, priority []float64, workers int) (span, idle float64) {
	if workers < 1 {
		if g.Bound(seconds, 1) == 0 {
			return 0, 0
		}
		return math.Inf(1), 0
	}
	m := &makespan{Graph: g, seconds: seconds, waits: append([]int32(nil), g.needs...), free: workers}
	m.ready.key = priority
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
	ready   readyHeap
	running finishHeap
}

func (m *makespan) run() (now float64) {
	for {
		for m.free > 0 && m.ready.Len() > 0 {
			v := heap.Pop(&m.ready).(int32)
			m.free--
			heap.Push(&m.running, finish{now + m.seconds[v], v})
		}
		if len(m.running) == 0 {
			return now
		}
		f := heap.Pop(&m.running).(finish)
		now = f.at
		m.free++
		m.done(f.build)
	}
}

// release makes a build ready; one that takes no time is done at once.
func (m *makespan) release(v int32) {
	if m.seconds[v] == 0 {
		m.done(v)
		return
	}
	heap.Push(&m.ready, v)
}

func (m *makespan) done(v int32) {
	for _, w := range m.after(v) {
		if m.waits[w]--; m.waits[w] == 0 {
			m.release(w)
		}
	}
}

// readyHeap has the build with the largest key first, then the smallest number.
type readyHeap struct {
	key   []float64
	items []int32
}

func (h *readyHeap) Len() int { return len(h.items) }
func (h *readyHeap) Less(i, j int) bool {
	a, b := h.items[i], h.items[j]
	return h.key[a] > h.key[b] || h.key[a] == h.key[b] && a < b
}
func (h *readyHeap) Swap(i, j int) { h.items[i], h.items[j] = h.items[j], h.items[i] }
func (h *readyHeap) Push(x any)    { h.items = append(h.items, x.(int32)) }
func (h *readyHeap) Pop() any {
	last := len(h.items) - 1
	v := h.items[last]
	h.items = h.items[:last]
	return v
}

type finish struct {
	at    float64
	build int32
}

type finishHeap []finish

func (h finishHeap) Len() int           { return len(h) }
func (h finishHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h finishHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *finishHeap) Push(x any)        { *h = append(*h, x.(finish)) }
func (h *finishHeap) Pop() any {
	last := len(*h) - 1
	f := (*h)[last]
	*h = (*h)[:last]
	return f
}
