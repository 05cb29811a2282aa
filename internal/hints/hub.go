package hints

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// Hub knows when each topic changed last. A topic is whatever a page can show:
// a buildspace, a log, everything. Times are numbers that grow with every change,
// also from one run of the server to the next, so that a page that outlives the
// server is told that it may have missed something.
type Hub struct {
	mu       sync.Mutex
	last     uint64            // time of the newest change
	floor    uint64            // topics that are not in changed may have changed until then
	changed  map[string]uint64 // by topic
	next     chan struct{}     // closed and replaced at every change
	watchers int
}

// Bounds of a hub.
const (
	MaxTopics   = 64   // of one watcher
	MaxWatchers = 1000 // at the same time
	maxKnown    = 8192 // topics
)

// NewHub returns a hub that begins at a time of day: every topic may have changed
// until then.
func NewHub(now time.Time) *Hub {
	began := uint64(max(now.UnixMicro(), 1))
	return &Hub{last: began, floor: began, changed: map[string]uint64{}, next: make(chan struct{})}
}

// Changed notes that topics changed and wakes who watches them.
func (h *Hub) Changed(topics ...string) {
	if len(topics) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last++
	for _, topic := range topics {
		h.changed[topic] = h.last
	}
	if len(h.changed) > maxKnown {
		h.forget()
	}
	close(h.next)
	h.next = make(chan struct{})
}

// ChangedAll notes that every topic may have changed.
func (h *Hub) ChangedAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last++
	h.floor = h.last
	clear(h.changed)
	close(h.next)
	h.next = make(chan struct{})
}

// forget drops the half of the topics that did not change for longest.
func (h *Hub) forget() {
	times := slices.Sorted(maps.Values(h.changed))
	h.floor = max(h.floor, times[len(times)/2])
	maps.DeleteFunc(h.changed, func(_ string, at uint64) bool { return at <= h.floor })
}

// Version returns when one of the topics changed last. It only grows.
func (h *Hub) Version(topics ...string) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := h.floor
	for _, topic := range topics {
		at = max(at, h.changed[topic])
	}
	return at
}

// since returns those of the topics that changed after a time, the time now, and
// a channel that is closed at the next change.
func (h *Hub) since(topics []string, seen uint64) (changed []string, now uint64, next <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, topic := range topics {
		if max(h.floor, h.changed[topic]) > seen {
			changed = append(changed, topic)
		}
	}
	return changed, h.last, h.next
}
