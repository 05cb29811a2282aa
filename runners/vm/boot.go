package vm

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// readyLine is printed by a guest that has started and begins its script.
const readyLine = "buildbtw guest: ready"

var errNotUp = errors.New("the guest has not started in time")

// bootContext ends with errNotUp when ready is not called in time.
type bootContext struct {
	context.Context
	timer *time.Timer
}

func untilReady(ctx context.Context, limit time.Duration) (bootContext, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	b := bootContext{ctx, time.AfterFunc(limit, func() { cancel(errNotUp) })}
	return b, func() {
		b.timer.Stop()
		cancel(nil)
	}
}

func (b bootContext) ready() { b.timer.Stop() }

// readyWriter passes on the output of a guest and searches it for the line that
// reports that it is up.
type readyWriter struct {
	to    io.Writer
	ready func()

	mu   sync.Mutex
	seen bool
	rest []byte // the end of the output so far, shorter than the line
}

// Write implements io.Writer.
func (w *readyWriter) Write(p []byte) (int, error) {
	w.look(p)
	return w.to.Write(p)
}

// begun reports whether the line has been seen.
func (w *readyWriter) begun() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}

func (w *readyWriter) look(p []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen {
		return
	}
	w.rest = append(w.rest, p...)
	if w.seen = bytes.Contains(w.rest, []byte(readyLine)); w.seen {
		w.rest = nil
		w.ready()
		return
	}
	w.rest = w.rest[max(0, len(w.rest)-len(readyLine)):]
}
