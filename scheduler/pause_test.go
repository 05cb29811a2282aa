package scheduler

import (
	"testing"
	"time"
)

// Looks at the sources take a bounded part of the time, and less when nothing happens.
func TestThePauseAfterALook(t *testing.T) {
	t.Parallel()
	const period = 3 * time.Second
	for _, tt := range []struct{ took, still, want time.Duration }{
		{10 * time.Millisecond, 0, period},
		{500 * time.Millisecond, time.Minute, 10 * time.Second},
		{time.Minute, time.Minute, 30 * time.Second},
		{time.Millisecond, time.Hour, period},
		{20 * time.Millisecond, time.Hour, 10 * time.Second},
		{100 * time.Millisecond, time.Hour, 50 * time.Second},
		{time.Second, time.Hour, 2 * time.Minute},
		{2 * time.Second, -time.Second, period}, // what it found took the time
		{10 * time.Second, -time.Second, 10 * time.Second},
		{time.Hour, -time.Second, 30 * time.Second},
	} {
		if got := pause(tt.took, tt.still, period); got != tt.want {
			t.Errorf("after %v, still for %v: %v, want %v", tt.took, tt.still, got, tt.want)
		}
	}
}
