package scheduler

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"
)

// Loop does one kind of work again and again. Each pass re-derives from the
// database what is to be done, so that a pass that failed or was never woken
// costs one period and nothing else.
type Loop struct {
	Name        string
	Description string
	Period      time.Duration // between passes when nobody wakes it; jitter of a tenth is added

	// Pass does everything that is due. Its error is logged and the next pass
	// comes after the period; a panic stops the server.
	Pass func(ctx context.Context) error

	// Next, when set, returns the time of the next pass if that is sooner than
	// the period.
	Next func(ctx context.Context) (time.Time, bool, error)

	wake chan struct{} // holds one token
}

// NewLoop makes a loop; Run runs it.
func NewLoop(l Loop) *Loop {
	l.wake = make(chan struct{}, 1)
	return &l
}

// Wake makes the loop start a pass at once, or another one after the pass that
// is under way.
func (l *Loop) Wake() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Run repeats the pass until the context ends. It returns an error only for a
// panic.
func (l *Loop) Run(ctx context.Context, log *slog.Logger) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("loop %s panicked: %v\n%s", l.Name, p, debug.Stack())
		}
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-l.wake:
		}
		if err := l.Pass(ctx); err != nil && ctx.Err() == nil {
			log.ErrorContext(ctx, "loop failed; it goes on", "loop", l.Name, "error", err)
		}
		pause := l.Period + rand.N(l.Period/10+1)
		if l.Next != nil {
			at, ok, err := l.Next(ctx)
			if err != nil && ctx.Err() == nil {
				log.ErrorContext(ctx, "loop cannot look ahead; it waits its period", "loop", l.Name, "error", err)
			}
			if err == nil && ok {
				pause = min(pause, max(time.Until(at), 0))
			}
		}
		timer.Reset(pause)
	}
}
