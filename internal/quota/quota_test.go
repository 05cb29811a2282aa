package quota_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"buildbtw/internal/quota"
)

func TestARateLetsABurstThroughAndThenAsMuchAsTimePasses(t *testing.T) {
	t.Parallel()
	r := quota.NewRate(2, 10, 100)
	now := time.Unix(1_700_000_000, 0)
	take := func(caller string) int {
		taken := 0
		for {
			wait, ok := r.Take(caller, now, 1)
			if !ok {
				if wait != r.Wait(caller, now) || wait <= 0 || wait > 500*time.Millisecond {
					t.Errorf("%s shall wait %s, or %s", caller, wait, r.Wait(caller, now))
				}
				return taken
			}
			taken++
		}
	}
	if got := take("a"); got != 10 {
		t.Errorf("%d at once, want 10", got)
	}
	if r.Wait("b", now) != 0 {
		t.Error("b waits for what a has done")
	}
	now = now.Add(3 * time.Second)
	if got := take("a"); got != 6 {
		t.Errorf("%d after three seconds, want 6", got)
	}
	now = now.Add(-time.Hour)
	if got := take("a"); got != 0 {
		t.Errorf("%d after the clock was set back, want none", got)
	}
	now = now.Add(time.Hour)
	if got := take("a"); got != 10 {
		t.Errorf("%d after an hour, want the burst and no more", got)
	}
}

func TestARateForgetsWhoCameLongAgo(t *testing.T) {
	t.Parallel()
	r := quota.NewRate(1, 1, 100)
	now := time.Unix(1_700_000_000, 0)
	r.Take("a", now, 1)
	for i := range 99 {
		r.Take(fmt.Sprint(i), now, 1)
	}
	if _, ok := r.Take("a", now, 1); ok {
		t.Error("one of the last 100 callers was forgotten")
	}
	for i := range 100 {
		r.Take(fmt.Sprint("other", i), now, 1)
	}
	if _, ok := r.Take("a", now, 1); !ok {
		t.Error("the memory of a rate is without bound")
	}
}

func TestARateCountsEachOfManyAtOnce(t *testing.T) {
	t.Parallel()
	r := quota.NewRate(1, 50, 10)
	now := time.Unix(1_700_000_000, 0)
	var mu sync.Mutex
	var all sync.WaitGroup
	taken := 0
	for range 200 {
		all.Go(func() {
			if _, ok := r.Take("a", now, 1); ok {
				mu.Lock()
				taken++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if taken != 50 {
		t.Errorf("%d of 200 at once, want 50", taken)
	}
}

func TestSlotsAreBoundedInAllAndForEach(t *testing.T) {
	t.Parallel()
	s := quota.NewSlots(5, 2)
	take := func(caller string, want error) func() {
		t.Helper()
		free, err := s.Take(caller)
		if !errors.Is(err, want) {
			t.Fatalf("a slot for %s: %v, want %v", caller, err, want)
		}
		return free
	}
	first := take("a", nil)
	take("a", nil)
	take("a", quota.ErrCaller)
	take("b", nil)
	take("b", nil)
	take("c", nil)
	take("d", quota.ErrFull)
	first()
	free := take("a", nil)
	take("a", quota.ErrCaller)
	free()
	take("d", nil)
}
