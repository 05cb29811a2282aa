package store

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// work tells claims that wait when looking again may help. Hundreds of workers
// wait; a change wakes all of them, and all but the first of a kind would look
// in vain, each with a turn as the one writer. The zero value is ready.
type work struct {
	subscribers subscribers

	mu      sync.Mutex
	changes uint64          // commits after which there may be a build to claim
	nothing map[string]bool // kinds of workers that have found nothing since the last of them
	due     *due            // when a postponed build may be handed out; nil when not known since then
}

// due is an answer of NextDue.
type due struct {
	at time.Time
	ok bool
}

// changed is called after a commit that may have made a build claimable.
func (w *work) changed() {
	w.mu.Lock()
	w.changes++
	w.nothing, w.due = nil, nil
	w.mu.Unlock()
	w.subscribers.notify()
}

func (w *work) seen() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changes
}

// isGone reports whether a worker of this kind has found nothing, with nothing
// changed since.
func (w *work) isGone(kind string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.nothing[kind]
}

// gone notes that a worker of this kind found nothing, having begun to look
// after so many changes.
func (w *work) gone(kind string, changes uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.changes != changes {
		return
	}
	if w.nothing == nil {
		w.nothing = map[string]bool{}
	}
	w.nothing[kind] = true
}

// kind is all of a worker that decides which builds it may get.
func (c Claim) kind() string {
	return strings.Join(c.Worker.Architectures, ",") + " " + strings.Join(c.Worker.Labels, ",")
}

// SubscribeWork is Subscribe for who waits for a build to claim: it is not told
// of changes after which there are only fewer.
func (s *Store) SubscribeWork() (changed <-chan struct{}, cancel func()) {
	return s.work.subscribers.add()
}

// NextDue is when a postponed build may be handed out; false when none is
// postponed.
func (s *Store) NextDue(ctx context.Context) (at time.Time, ok bool, err error) {
	now := s.now()
	s.work.mu.Lock()
	changes, known := s.work.changes, s.work.due
	s.work.mu.Unlock()
	if known != nil && (!known.ok || known.at.After(now)) {
		return known.at, known.ok, nil
	}
	var times []time.Time
	if err := s.lists.SelectContext(ctx, &times, postponed+` ORDER BY b.not_before LIMIT 1`, now); err != nil {
		return time.Time{}, false, fmt.Errorf("find the next postponed build: %w", err)
	}
	if ok = len(times) > 0; ok {
		at = times[0]
	}
	s.work.mu.Lock()
	defer s.work.mu.Unlock()
	if s.work.changes == changes {
		s.work.due = &due{at, ok}
	}
	return at, ok, nil
}
