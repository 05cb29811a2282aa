package store

import (
	"slices"
	"sync"
)

// keptIterations bounds the memory: a graph of 68,000 edges takes 0.6 MB.
const keptIterations = 16

// recent keeps something of the iterations that were asked for last. The zero
// value is ready.
type recent[T any] struct {
	mu   sync.Mutex
	list []recentEntry[T] // latest first
}

type recentEntry[T any] struct {
	iteration int64
	value     *T
}

// find gives nil when nothing is kept.
func (r *recent[T]) find(iteration int64) *T {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, found := r.take(iteration)
	if !found {
		return nil
	}
	r.list = slices.Insert(r.list, 0, e)
	return e.value
}

// keep replaces what was kept of the iteration.
func (r *recent[T]) keep(iteration int64, value *T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.take(iteration)
	r.list = slices.Insert(r.list, 0, recentEntry[T]{iteration, value})
	r.list = r.list[:min(len(r.list), keptIterations)]
}

func (r *recent[T]) take(iteration int64) (e recentEntry[T], found bool) {
	i := slices.IndexFunc(r.list, func(e recentEntry[T]) bool { return e.iteration == iteration })
	if i < 0 {
		return e, false
	}
	e = r.list[i]
	r.list = slices.Delete(r.list, i, i+1)
	return e, true
}
