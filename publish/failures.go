package publish

import (
	"slices"
	"sync"
	"time"

	"buildbtw/store"
)

// A publication whose failure may pass, such as a full disk, is tried in every
// pass at first, and then with pauses that double up to a bound.
const (
	promptTries = 5
	firstPause  = 20 * time.Second
	longestWait = 10 * time.Minute
)

// failures remembers which publications failed. They are not stored: after a
// restart each is tried at once.
type failures struct {
	mu        sync.Mutex
	byAttempt map[int64]failure
}

type failure struct {
	tries int
	next  time.Time // not before this
}

// keep forgets the publications that are not among these.
func (f *failures) keep(list []store.Publishing) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id := range f.byAttempt {
		if !slices.ContainsFunc(list, func(p store.Publishing) bool { return p.Attempt.ID == id }) {
			delete(f.byAttempt, id)
		}
	}
}

func (f *failures) isDue(attempt int64, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !now.Before(f.byAttempt[attempt].next)
}

// note counts a failure, and returns how many there were and how long to wait.
func (f *failures) note(attempt int64, now time.Time) (tries int, pause time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byAttempt == nil {
		f.byAttempt = map[int64]failure{}
	}
	tries = f.byAttempt[attempt].tries + 1
	if tries >= promptTries {
		pause = min(firstPause<<min(tries-promptTries, 10), longestWait)
	}
	f.byAttempt[attempt] = failure{tries, now.Add(pause)}
	return tries, pause
}
