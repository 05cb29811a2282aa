package buildbtw

import (
	"testing"
	"time"
)

func TestNextFetchUntilActivityShows(t *testing.T) {
	t.Parallel()
	active := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	p := Project{ID: 1, Path: "arch/packages/gtkplus", ActiveAt: active}
	if p.Slug() != "gtkplus" {
		t.Errorf("slug %q", p.Slug())
	}
	for _, test := range []struct{ began, next time.Duration }{
		{0, 5 * time.Minute},
		{30 * time.Minute, 35 * time.Minute},
		{61 * time.Minute, 65 * time.Minute},             // the last look, just when a push would show
		{65 * time.Minute, 25*time.Hour + 4*time.Minute}, // within a day, by the project's ID
		{24 * time.Hour, 47*time.Hour + 59*time.Minute},
	} {
		if got := p.NextFetch(active.Add(test.began)).Sub(active); got != test.next {
			t.Errorf("fetched after %v: again after %v, want %v", test.began, got, test.next)
		}
	}
	for id := range int64(2000) {
		p.ID = id
		if pause := p.NextFetch(active.Add(2 * time.Hour)).Sub(active.Add(2 * time.Hour)); pause <= 12*time.Hour || pause > 24*time.Hour {
			t.Fatalf("project %d is fetched again after %v", id, pause)
		}
	}
}

func TestRetryFetchWaitsLongerEachTime(t *testing.T) {
	t.Parallel()
	for failures, want := range map[int]time.Duration{1: time.Minute, 2: 2 * time.Minute, 5: 16 * time.Minute, 7: time.Hour, 100: time.Hour} {
		if got := RetryFetch(time.Time{}, failures).Sub(time.Time{}); got != want {
			t.Errorf("after %d failures: %v, want %v", failures, got, want)
		}
	}
}
