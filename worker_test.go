package buildbtw_test

import (
	"testing"
	"time"

	"buildbtw"
)

func TestAWorkerIsPresentWhileItAsks(t *testing.T) {
	t.Parallel()
	seen := time.Date(2026, 11, 29, 6, 0, 0, 0, time.UTC)
	w := buildbtw.Worker{LastSeen: seen}
	for after, want := range map[time.Duration]bool{0: true, time.Minute: true, buildbtw.WorkerPresence - 1: true, buildbtw.WorkerPresence: false, time.Hour: false} {
		if got := w.Present(seen.Add(after)); got != want {
			t.Errorf("%s after it asked: present %v", after, got)
		}
	}
}
