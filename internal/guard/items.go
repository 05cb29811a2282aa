package guard

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"
)

// An item that fails is tried in every pass at first, and then with pauses that
// double up to a bound. After enough failures its owner gives it up: that is
// after some two hours when passes are frequent.
const (
	promptTries = 5
	firstPause  = 20 * time.Second
	longestWait = 10 * time.Minute
	GiveUpAfter = 20
)

// Items remembers which of many items failed, by a key. It is not stored: after a
// restart each is tried at once. It is safe for concurrent use; the zero value is
// ready.
type Items[K comparable] struct {
	mu     sync.Mutex
	failed map[K]Failure
}

// Failure describes an item whose last try failed.
type Failure struct {
	Tries int       // in a row that failed
	Next  time.Time // the item is not due before this

	text string // of the last error
}

// Due reports whether an item may be tried now.
func (i *Items[K]) Due(key K, now time.Time) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return !now.Before(i.failed[key].Next)
}

// Keep forgets the items for which is returns false.
func (i *Items[K]) Keep(is func(K) bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	maps.DeleteFunc(i.failed, func(key K, _ Failure) bool { return !is(key) })
}

// Failing returns how many items have failed and not succeeded since.
func (i *Items[K]) Failing() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.failed)
}

// Done forgets that an item has failed.
func (i *Items[K]) Done(key K) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.failed, key)
}

// Note counts a failure, and reports whether its words differ from those of the
// failure before.
func (i *Items[K]) Note(key K, now time.Time, err error) (f Failure, changed bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.failed == nil {
		i.failed = map[K]Failure{}
	}
	f = i.failed[key]
	changed = f.text != err.Error()
	f.Tries, f.Next, f.text = f.Tries+1, now, err.Error()
	if f.Tries >= promptTries {
		f.Next = now.Add(min(firstPause<<min(f.Tries-promptTries, 10), longestWait))
	}
	i.failed[key] = f
	return f, changed
}

// Try works on an item if it is due. An error, or a panic, is noted, and logged
// with the given words when it differs from that of the last try; it concerns no
// other item, so it is not returned. Errors that come with the end of ctx are
// not noted.
func (i *Items[K]) Try(ctx context.Context, log *slog.Logger, now time.Time, key K, words string, work func() error) (f Failure, failed error) {
	if !i.Due(key, now) {
		return f, nil
	}
	err := Run(work)
	if err == nil {
		i.Done(key)
	}
	if err == nil || ctx.Err() != nil {
		return f, nil //nolint:nilerr // the end of ctx is no failure of the item
	}
	f, changed := i.Note(key, now, err)
	if changed {
		Log(ctx, log, words, err, "item", key, "tries", f.Tries, "next", f.Next.UTC().Format(time.RFC3339))
	}
	return f, err
}

// Log logs an error, with the stack if it was a panic.
func Log(ctx context.Context, log *slog.Logger, words string, err error, more ...any) {
	more = append(more, "error", err)
	var p *PanicError
	if errors.As(err, &p) {
		more = append(more, "stack", string(p.Stack))
	}
	log.ErrorContext(ctx, words, more...)
}
