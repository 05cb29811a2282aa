package scheduler_test

import (
	"testing"
	"time"

	"buildbtw/scheduler/schedulertest"
)

// TestAfterAPassThatFoundAChangeTheNextIsSoon: neither the first pass, which reads
// everything, nor one that fetches what was pushed puts off the next look at the sources
// by a multiple of the time that it took.
func TestAfterAPassThatFoundAChangeTheNextIsSoon(t *testing.T) {
	t.Parallel()
	f := schedulertest.New(t)
	for _, version := range []string{"1", "2"} {
		f.Push(t, "lib", schedulertest.Srcinfo("lib", version))
		began := time.Now()
		f.Pass(t, "sync")
		if pause, most := f.Loop("sync").Period, max(f.SyncPeriod, time.Since(began)); pause > most {
			t.Errorf("version %s was seen, and the next look at the sources is in %v, later than %v", version, pause, most)
		}
	}
}
