package hints_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"buildbtw/internal/hints"
)

func TestAFeedMergesWhatWasNotTaken(t *testing.T) {
	t.Parallel()
	feed := hints.Feed[[]int]{Merge: func(older, newer []int) []int { return append(older, newer...) }}
	feed.Publish([]int{0}) // nobody listens
	sub := feed.Subscribe()
	if news, ok := sub.Take(); ok {
		t.Errorf("%v before anything happened", news)
	}
	feed.Publish([]int{1})
	feed.Publish([]int{2})
	<-sub.C
	if news, ok := sub.Take(); !ok || !slices.Equal(news, []int{1, 2}) {
		t.Errorf("got %v", news)
	}
	if _, ok := sub.Take(); ok || len(sub.C) != 0 {
		t.Error("the same news twice")
	}
	sub.Cancel()
	feed.Publish([]int{3})
	if news, ok := sub.Take(); ok {
		t.Errorf("%v after the end", news)
	}
}

func TestAVersionChangesWithItsTopicsOnly(t *testing.T) {
	t.Parallel()
	hub := hints.NewHub(time.UnixMicro(1000))
	a, b := hub.Version("a"), hub.Version("b")
	hub.Changed("a")
	if hub.Version("a") <= a || hub.Version("b") != b || hub.Version("b", "a") != hub.Version("a") {
		t.Errorf("a is %d after %d, b %d after %d", hub.Version("a"), a, hub.Version("b"), b)
	}
	hub.ChangedAll()
	if hub.Version("b") <= b {
		t.Error("b is as it was, though everything may have changed")
	}
	if later := hints.NewHub(time.Now()); later.Version("a") <= hub.Version("a") {
		t.Error("after a restart versions begin anew")
	}
}

func TestAHubForgetsOldTopicsAndSaysThatTheyMayHaveChanged(t *testing.T) {
	t.Parallel()
	hub := hints.NewHub(time.UnixMicro(1000))
	hub.Changed("first")
	before := hub.Version("first")
	for i := range 20_000 {
		hub.Changed(fmt.Sprint("log/", i))
	}
	if hub.Version("first") <= before {
		t.Error("a forgotten topic still has its version")
	}
	last := hub.Version("log/19999")
	if hub.Version("log/19998") != last-1 {
		t.Error("the newest topics were forgotten, too")
	}
}

// watched is what a watcher was told.
type watched struct {
	began time.Time
	hints []string
	pings int
}

func (w *watched) hint(changed []string, _ uint64) error {
	w.hints = append(w.hints, fmt.Sprint(time.Since(w.began), changed))
	return nil
}

func (w *watched) ping() error {
	w.pings++
	return nil
}

// follow watches a and b until the test calls the function that it returns.
func follow(t *testing.T, hub *hints.Hub) (w *watched, stop func()) {
	t.Helper()
	watcher, err := hub.Watch([]string{"a", "b"}, hub.Version("a", "b"))
	if err != nil {
		t.Fatal(err)
	}
	w = &watched{began: time.Now()}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- watcher.Run(ctx, 15*time.Second, w.hint, w.ping) }()
	synctest.Wait()
	return w, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		watcher.Close()
	}
}

func TestAHintComesAtOnceAndThoseAfterItTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := hints.NewHub(time.Now())
		w, stop := follow(t, hub)
		time.Sleep(time.Second)
		hub.Changed("other")
		hub.Changed("a")
		synctest.Wait()
		for range 30 { // in the pause
			time.Sleep(10 * time.Millisecond)
			hub.Changed("b")
			hub.Changed("a")
		}
		time.Sleep(20 * time.Second)
		stop()
		want := []string{"1s [a]", "1.4s [a b]"}
		if !slices.Equal(w.hints, want) || w.pings != 1 {
			t.Errorf("hints %v, want %v; %d pings", w.hints, want, w.pings)
		}
	})
}

func TestTheMoreWatchTheRarerAreHints(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := hints.NewHub(time.Now())
		var stops []func()
		for range 199 {
			_, stop := follow(t, hub)
			stops = append(stops, stop)
		}
		w, stop := follow(t, hub)
		for range 95 {
			hub.Changed("a")
			time.Sleep(100 * time.Millisecond)
		}
		if len(w.hints) != 5 { // every 2 s: a hundred a second for all of them
			t.Errorf("%d hints: %v", len(w.hints), w.hints)
		}
		for _, stop := range append(stops, stop) {
			stop()
		}
	})
}

func TestAWatcherIsToldWhatItMissed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hub := hints.NewHub(time.Now())
		seen := hub.Version("a")
		hub.Changed("a")
		watcher, err := hub.Watch([]string{"a"}, seen)
		if err != nil {
			t.Fatal(err)
		}
		defer watcher.Close()
		gone := errors.New("the reader left")
		err = watcher.Run(t.Context(), time.Second, func(changed []string, at uint64) error {
			if !slices.Equal(changed, []string{"a"}) || at != hub.Version("a") {
				t.Errorf("%v at %d", changed, at)
			}
			return gone
		}, func() error { return nil })
		if !errors.Is(err, gone) {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestAFullHubRefuses(t *testing.T) {
	t.Parallel()
	hub := hints.NewHub(time.Now())
	var last *hints.Watcher
	for range hints.MaxWatchers {
		w, err := hub.Watch(nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		last = w
	}
	if _, err := hub.Watch(nil, 0); !errors.Is(err, hints.ErrFull) {
		t.Fatalf("one too many: %v", err)
	}
	last.Close()
	if _, err := hub.Watch(nil, 0); err != nil {
		t.Errorf("there is room again: %v", err)
	}
}
