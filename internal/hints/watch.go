package hints

import (
	"context"
	"errors"
	"time"
)

// ErrFull says that there are MaxWatchers already.
var ErrFull = errors.New("too many watchers")

// Pauses of a watcher. The more watch, the longer each waits after a hint: a
// change makes all of them ask the server at once, and it shall not be asked
// more than some hundred times a second however often something changes.
const (
	minPause     = 400 * time.Millisecond
	maxPause     = 3 * time.Second
	pausePerHead = 10 * time.Millisecond
)

// Watcher follows some topics.
type Watcher struct {
	hub    *Hub
	topics []string
	seen   uint64
}

// Watch subscribes to topics, the first MaxTopics of them, from a time on: changes since
// then are reported at once. It returns ErrFull when the hub is full. Close must be
// called.
func (h *Hub) Watch(topics []string, seen uint64) (*Watcher, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watchers >= MaxWatchers {
		return nil, ErrFull
	}
	h.watchers++
	return &Watcher{hub: h, topics: topics[:min(len(topics), MaxTopics)], seen: seen}, nil
}

// Close makes room for another watcher.
func (w *Watcher) Close() {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	w.hub.watchers--
}

// Run calls hint at once for topics that have changed, then at every change, but
// with a pause in between, in which changes are gathered; and ping after every
// period in which there was nothing to tell. It ends with an error of theirs, or
// without one when ctx ends.
func (w *Watcher) Run(ctx context.Context, period time.Duration, hint func(changed []string, at uint64) error, ping func() error) error {
	timer := time.NewTimer(period)
	defer timer.Stop()
	for {
		changed, now, next := w.hub.since(w.topics, w.seen)
		if len(changed) > 0 {
			if err := hint(changed, now); err != nil {
				return err
			}
			w.seen = now
			timer.Reset(w.hub.pause())
			select {
			case <-timer.C:
			case <-ctx.Done():
				return nil
			}
			timer.Reset(period)
			continue
		}
		select {
		case <-next:
		case <-timer.C:
			if err := ping(); err != nil {
				return err
			}
			timer.Reset(period)
		case <-ctx.Done():
			return nil
		}
	}
}

func (h *Hub) pause() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return min(max(minPause, time.Duration(h.watchers)*pausePerHead), maxPause)
}
