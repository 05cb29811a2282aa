package scheduler

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"buildbtw"
	"buildbtw/internal/guard"
)

// Loop repeats one kind of work. Each pass derives its work from the database, so that a
// pass that failed or a lost wake-up costs one period and nothing else.
type Loop struct {
	Name        string
	Description string
	Period      time.Duration // between passes when nobody wakes it; jitter of a tenth is added

	// Pass does everything that is due. Its error is logged when it differs from
	// that of the pass before, and the next pass comes after the period. A panic is
	// an error too, after which the pauses grow.
	Pass func(ctx context.Context) error

	// Limit is how long a pass may take before the loop counts as hanging; 0: usualLimit.
	Limit time.Duration

	// Next, when set, returns the time of the next pass if that is sooner than
	// the period.
	Next func(ctx context.Context) (time.Time, bool, error)

	wake chan struct{} // holds one token

	state *loopState
}

type loopState struct {
	sync.Mutex
	buildbtw.LoopState
}

// NewLoop makes a loop; Run runs it.
func NewLoop(l Loop) *Loop {
	l.wake = make(chan struct{}, 1)
	l.Limit = cmp.Or(l.Limit, usualLimit)
	l.state = &loopState{LoopState: buildbtw.LoopState{Name: l.Name, Period: l.Period, Limit: l.Limit}}
	return &l
}

const (
	// usualLimit is far above what a pass takes that works on the database alone.
	usualLimit = 30 * time.Minute

	// longLimit is for passes that wait for other machines or go through all packages: the
	// first copy of a distribution's sources takes hours.
	longLimit = 12 * time.Hour
)

// Wake makes the loop start a pass at once, or another one after the pass that
// is under way. After a panic it waits for the end of the pause.
func (l *Loop) Wake() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// State returns how its passes went.
func (l *Loop) State() buildbtw.LoopState {
	l.state.Lock()
	defer l.state.Unlock()
	return l.state.LoopState
}

// Run repeats the pass until the context ends.
func (l *Loop) Run(ctx context.Context, log *slog.Logger) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	wake := l.wake
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-wake:
		}
		timer.Reset(l.pass(ctx, log))
		if wake = l.wake; l.State().Panics > 0 {
			wake = nil
		}
	}
}

// After a panic a loop pauses for firstPause, and twice as long after each
// further one in a row.
const (
	firstPause   = time.Second
	longestPause = 5 * time.Minute
)

// pass makes a pass and returns how long to pause after it.
func (l *Loop) pass(ctx context.Context, log *slog.Logger) time.Duration {
	l.begin()
	err := guard.Run(func() error { return l.Pass(ctx) })
	panics, failed := l.note(ctx, log, err), err != nil
	if panics > 0 {
		return min(firstPause<<min(panics-1, 20), longestPause)
	}
	pause := l.Period + rand.N(l.Period/10+1)
	if l.Next != nil {
		var at time.Time
		var ok bool
		err := guard.Run(func() (err error) {
			at, ok, err = l.Next(ctx)
			return err
		})
		if err != nil && ctx.Err() == nil {
			guard.Log(ctx, log, "loop cannot look ahead; it waits its period", err, "loop", l.Name)
		}
		until := time.Until(at)
		if err == nil && ok && (until > 0 || !failed) { // work that is due and fails waits for the period
			pause = min(pause, max(until, 0))
		}
	}
	return pause
}

// begin records that a pass begins.
func (l *Loop) begin() {
	l.state.Lock()
	defer l.state.Unlock()
	l.state.Began = time.Now()
}

// note records the result of a pass, and logs it if it differs from the last one. It
// returns how many passes in a row have panicked.
func (l *Loop) note(ctx context.Context, log *slog.Logger, err error) (panics int) {
	l.state.Lock()
	defer l.state.Unlock()
	l.state.Ended = time.Now()
	l.state.Took, l.state.Began = l.state.Ended.Sub(l.state.Began), time.Time{}
	if err == nil {
		l.state.Succeeded = l.state.Ended
	}
	before := l.state.Error
	switch {
	case ctx.Err() != nil:
		return 0
	case err == nil:
		l.state.Error, l.state.Failed, l.state.Panics = "", 0, 0
		if before != "" {
			log.InfoContext(ctx, "loop works again", "loop", l.Name)
		}
		return 0
	}
	l.state.Error = err.Error()
	l.state.Failed++
	l.state.FailedEver++
	var caught *guard.PanicError
	if l.state.Panics++; !errors.As(err, &caught) {
		l.state.Panics = 0
	}
	if l.state.Error != before {
		guard.Log(ctx, log, "loop failed; it goes on", err, "loop", l.Name)
	}
	return l.state.Panics
}
