package scheduler_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"buildbtw/scheduler"
)

// counted is a loop that counts its passes.
func counted(passes *int, pass func(n int) error) *scheduler.Loop {
	return scheduler.NewLoop(scheduler.Loop{Name: "test", Period: time.Minute, Pass: func(context.Context) error {
		*passes++
		return pass(*passes)
	}})
}

func TestLoopGoesOnAfterAFailedPass(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		passes := 0
		l := counted(&passes, func(int) error { return errors.New("no luck") })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		l.Run(ctx, slog.New(slog.DiscardHandler))
		if passes < 9 || passes > 11 {
			t.Errorf("%d passes in ten minutes", passes)
		}
	})
}

func TestWakeStartsAPassAtOnceAndIsNotLostDuringOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		passes := 0
		var l *scheduler.Loop
		l = counted(&passes, func(n int) error {
			if n == 1 {
				l.Wake()
				l.Wake()
			}
			return nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		l.Run(ctx, slog.New(slog.DiscardHandler))
		if passes != 2 {
			t.Errorf("%d passes, want the first and one for the wake-ups during it", passes)
		}
	})
}

func TestLoopComesBackWhenSomethingIsDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		passes := 0
		l := counted(&passes, func(int) error { return nil })
		due := time.Now().Add(5 * time.Second)
		l.Next = func(context.Context) (time.Time, bool, error) { return due, time.Now().Before(due), nil }
		ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
		defer cancel()
		l.Run(ctx, slog.New(slog.DiscardHandler))
		if passes != 2 {
			t.Errorf("%d passes, want one at the start and one when due", passes)
		}
	})
}

// TestWhatIsDueAndFailsDoesNotSpin has a pass fail over something that stays due, as
// an attempt whose lease is over and cannot be ended.
func TestWhatIsDueAndFailsDoesNotSpin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		passes := 0
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		l := counted(&passes, func(n int) error {
			if n > 100 {
				cancel()
			}
			return errors.New("no luck")
		})
		due := time.Now()
		l.Next = func(context.Context) (time.Time, bool, error) { return due, true, nil }
		l.Run(ctx, slog.New(slog.DiscardHandler))
		if passes < 9 || passes > 11 {
			t.Errorf("%d passes in ten minutes", passes)
		}
	})
}

// TestPanicEndsThePassAndNotTheServer has a loop panic for a while, though it is
// woken all the time.
func TestPanicEndsThePassAndNotTheServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var passes atomic.Int32 // read between passes, which are not in an order with the test
		var l *scheduler.Loop
		l = scheduler.NewLoop(scheduler.Loop{Name: "test", Period: time.Minute, Pass: func(context.Context) error {
			l.Wake()
			if passes.Add(1) <= 6 {
				panic("index out of range")
			}
			return nil
		}})
		var text strings.Builder
		ctx, cancel := context.WithTimeout(t.Context(), 62*time.Second)
		defer cancel()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			l.Run(ctx, slog.New(slog.NewTextHandler(&text, nil)))
		}()
		time.Sleep(30 * time.Second) // passes after 1, 2, 4, 8, 16 s
		if s := l.State(); passes.Load() != 5 || s.Panics != 5 || s.Failed != 5 || s.Error != "panic: index out of range" {
			t.Errorf("%d passes, %+v", passes.Load(), s)
		}
		<-ended
		if n := passes.Load(); n != 6 {
			t.Errorf("%d passes", n)
		}
		if n := strings.Count(text.String(), "index out of range"); n != 1 || !strings.Contains(text.String(), "loop_test.go") {
			t.Errorf("logged %d times, the place must be in it:\n%s", n, text.String())
		}
	})
}

// TestALoopLogsAnErrorOnceAndThatItIsOver has a pass fail in one way, in another,
// and then succeed.
func TestALoopLogsAnErrorOnceAndThatItIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		passes := 0
		l := counted(&passes, func(n int) error {
			return map[bool]error{n <= 3: errors.New("disk full"), n == 4: errors.New("no network")}[true]
		})
		var text strings.Builder
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		l.Run(ctx, slog.New(slog.NewTextHandler(&text, nil)))
		for words, want := range map[string]int{"disk full": 1, "no network": 1, "works again": 1} {
			if n := strings.Count(text.String(), words); n != want {
				t.Errorf("%q is logged %d times:\n%s", words, n, text.String())
			}
		}
		if s := l.State(); s.Error != "" || s.FailedEver != 4 {
			t.Errorf("%+v", s)
		}
	})
}

func TestLoopTellsHowItsPassesWent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var l *scheduler.Loop
		l = scheduler.NewLoop(scheduler.Loop{Name: "test", Period: time.Minute, Pass: func(ctx context.Context) error {
			if state := l.State(); !state.Began.Equal(time.Now()) || state.Hangs(time.Now().Add(time.Minute)) != "" {
				t.Errorf("within a pass: %+v", state)
			}
			time.Sleep(3 * time.Second)
			if time.Since(began) < time.Minute {
				return nil
			}
			<-ctx.Done() // it hangs
			return ctx.Err()
		}})
		if said := l.State().Hangs(began.Add(24 * time.Hour)); said != "" {
			t.Errorf("before it runs: %s", said)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		go l.Run(ctx, slog.New(slog.DiscardHandler))
		time.Sleep(30 * time.Second)
		state := l.State()
		if state.Took != 3*time.Second || !state.Ended.Equal(began.Add(3*time.Second)) || !state.Succeeded.Equal(state.Ended) || !state.Began.IsZero() || state.Period != time.Minute {
			t.Errorf("after a pass: %+v", state)
		}
		if said := state.Hangs(state.Ended.Add(20 * time.Minute)); !strings.Contains(said, "loop test has not begun a pass for 20m0s") {
			t.Errorf("a loop that begins none: %q", said)
		}
		time.Sleep(5 * time.Minute)
		if said := l.State().Hangs(time.Now()); said != "" {
			t.Errorf("a long pass: %s", said)
		}
		time.Sleep(40 * time.Minute)
		if said := l.State().Hangs(time.Now()); !strings.Contains(said, "loop test hangs: its pass has taken 44m") {
			t.Errorf("a pass that hangs: %q", said)
		}
	})
}
