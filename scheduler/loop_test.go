package scheduler_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
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
		if err := l.Run(ctx, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
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
		if err := l.Run(ctx, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
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
		if err := l.Run(ctx, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		if passes != 2 {
			t.Errorf("%d passes, want one at the start and one when due", passes)
		}
	})
}

func TestPanicStopsTheServer(t *testing.T) {
	t.Parallel()
	passes := 0
	l := counted(&passes, func(int) error { panic("index out of range") })
	err := l.Run(t.Context(), slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "index out of range") {
		t.Errorf("got %v", err)
	}
}
