package guard_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"buildbtw/internal/guard"
)

func TestAPanicIsAnErrorWithItsPlace(t *testing.T) {
	t.Parallel()
	var group guard.Group
	for name, work := range map[string]func() error{
		"in f": func() error { panic("oh") },
		"in a goroutine of a group": func() error {
			group.Go(func() {})
			group.Go(func() { panic("oh") })
			group.Wait()
			return nil
		},
	} {
		var caught *guard.PanicError
		if err := guard.Run(work); !errors.As(err, &caught) || err.Error() != "panic: oh" || !strings.Contains(string(caught.Stack), "guard_test.go") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := guard.Run(func() error { return nil }); err != nil {
		t.Error(err)
	}
}

func TestApartKeepsOneFromTheOthers(t *testing.T) {
	t.Parallel()
	done := map[int]int{}
	work := func(some []int) error {
		for _, i := range some {
			switch i {
			case 2:
				return errors.New("two")
			case 4:
				panic("four")
			}
		}
		for _, i := range some {
			done[i]++
		}
		return nil
	}
	failed, err := guard.Apart([]int{1, 2, 3, 4}, work)
	if !slices.Equal(failed, []int{2, 4}) || err == nil || err.Error() != "two\npanic: four" || !maps.Equal(done, map[int]int{1: 1, 3: 1}) {
		t.Errorf("%v, %v; done %v", failed, err, done)
	}
	if failed, err := guard.Apart([]int{1, 3}, work); failed != nil || err != nil || done[1] != 2 {
		t.Errorf("all at once: %v, %v; done %v", failed, err, done)
	}
	if _, err := guard.Apart(nil, work); err != nil {
		t.Error(err)
	}
}

func TestAnItemThatFailsIsTriedWithGrowingPauses(t *testing.T) {
	t.Parallel()
	var items guard.Items[string]
	var text strings.Builder
	log := slog.New(slog.NewTextHandler(&text, nil))
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tries, failing := 0, errors.New("no luck")
	pass := func(ctx context.Context, at time.Duration) {
		_, _ = items.Try(ctx, log, start.Add(at), "a", "an item failed", func() error {
			tries++
			return failing
		})
	}
	var at []time.Duration
	for now := time.Duration(0); now < 2*time.Hour; now += 10 * time.Second {
		if before := tries; true {
			pass(t.Context(), now)
			if tries > before {
				at = append(at, now)
			}
		}
	}
	if at[4] != 40*time.Second || at[5] != 60*time.Second || at[6] != 100*time.Second || at[len(at)-1]-at[len(at)-2] != 10*time.Minute {
		t.Errorf("tried at %v", at)
	}
	if n := strings.Count(text.String(), "no luck"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	failing = nil
	pass(t.Context(), 3*time.Hour)
	if items.Failing() != 0 {
		t.Error("it succeeded and is failing still")
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	failing = over.Err()
	if pass(over, 4*time.Hour); items.Failing() != 0 {
		t.Error("the end of the server counts as a failure")
	}
}
