package buildlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"buildbtw"
	"buildbtw/internal/hints"
)

// Follow yields the bytes of a log from offset on, in pieces as they come, until
// finished returns true and everything written before has been yielded. A piece
// is valid until the next one. It ends early with ctx's error, and when the log
// cannot be read.
//
// finished is asked after every Append and every Changed. Whoever makes it true
// calls Changed afterwards.
func (l *Logs) Follow(ctx context.Context, attempt buildbtw.AttemptName, offset int64, finished func() bool) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		g := l.hold(attempt)
		defer l.release(attempt, g)
		buf := make([]byte, 32<<10)
		for {
			changed := g.next() // before looking, so that no wake is missed
			last := finished()
			more, err := l.give(ctx, attempt, &offset, buf, yield)
			if !more {
				return
			}
			if err == nil && !last {
				err = wait(ctx, changed)
			}
			if err != nil {
				yield(nil, fmt.Errorf("follow log %s: %w", attempt, err))
				return
			}
			if last {
				return
			}
		}
	}
}

// Watch yields at once, and then whenever there may be something new to see of a
// log, until ctx ends, but after each time not before the pause is over: a log
// that grows quickly is looked at now and then.
func (l *Logs) Watch(ctx context.Context, attempt buildbtw.AttemptName, pause time.Duration) func(yield func() bool) {
	return func(yield func() bool) {
		g := l.hold(attempt)
		defer l.release(attempt, g)
		rest := time.NewTimer(pause)
		defer rest.Stop()
		for {
			changed := g.next()
			if !yield() {
				return
			}
			rest.Reset(pause)
			select {
			case <-rest.C:
			case <-ctx.Done():
				return
			}
			if wait(ctx, changed) != nil {
				return
			}
		}
	}
}

// WatchAll begins a subscription to the attempts whose logs grow.
func (l *Logs) WatchAll() *hints.Subscription[[]int64] { return l.growth.Subscribe() }

// maxGrown bounds the attempts in one message to a subscriber.
const maxGrown = 4096

func mergeAttempts(older, newer []int64) []int64 {
	for _, attempt := range newer {
		if !slices.Contains(older, attempt) && len(older) < maxGrown {
			older = append(older, attempt)
		}
	}
	return older
}

// Changed wakes the followers of a log: its attempt has ended, or something else
// that their finished looks at.
func (l *Logs) Changed(attempt buildbtw.AttemptName) {
	g := l.hold(attempt)
	defer l.release(attempt, g)
	g.wake()
}

// give yields the log from offset on and moves offset to its end.
// The file is open only meanwhile, so that waiting followers cost no files.
// more is false when the reader wants no more or the log is gone.
func (l *Logs) give(ctx context.Context, attempt buildbtw.AttemptName, offset *int64, buf []byte, yield func([]byte, error) bool) (more bool, err error) {
	f, size, err := l.openFile(ctx, attempt)
	if err != nil {
		return true, err
	}
	if f == nil {
		return *offset == 0, nil
	}
	defer func() { _ = f.Close() }() // nothing was written with it
	for *offset < size {
		n, err := f.ReadAt(buf[:min(int64(len(buf)), size-*offset)], *offset)
		*offset += int64(n)
		if n > 0 && !yield(buf[:n], nil) {
			return false, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return true, err
		}
		if n == 0 {
			break
		}
	}
	return true, nil
}

func wait(ctx context.Context, changed <-chan struct{}) error {
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
