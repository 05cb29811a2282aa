package simulation

import (
	"container/heap"
	"context"
	"time"
)

// event is something that happens at a point in virtual time.
type event struct {
	at    time.Time
	order int // of events at the same time, first planned first
	do    func(context.Context) error
	stale func() bool // it does not happen any more
}

// queue is a queue of future events, soonest first.
type queue struct {
	events []event
	count  int
}

func (q *queue) add(e event) {
	q.count++
	e.order = q.count
	heap.Push(q, e)
}

func (q *queue) next() event { return heap.Pop(q).(event) }

func (q *queue) Len() int { return len(q.events) }
func (q *queue) Less(i, j int) bool {
	a, b := &q.events[i], &q.events[j]
	return a.at.Before(b.at) || a.at.Equal(b.at) && a.order < b.order
}
func (q *queue) Swap(i, j int) { q.events[i], q.events[j] = q.events[j], q.events[i] }
func (q *queue) Push(x any)    { q.events = append(q.events, x.(event)) }
func (q *queue) Pop() any {
	last := len(q.events) - 1
	e := q.events[last]
	q.events[last] = event{}
	q.events = q.events[:last]
	return e
}
