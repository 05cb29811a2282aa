package buildbtw_test

import (
	"math"
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

func TestWhatNoMachineHasIsRefused(t *testing.T) {
	t.Parallel()
	good := buildbtw.MachineState{Load: 0.5, Cores: 8, MemoryTotal: 16 << 30, MemoryFree: 16 << 30, DiskTotal: 1 << 40}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*buildbtw.MachineState){
		"negative load": func(m *buildbtw.MachineState) { m.Load = -1 }, "no number": func(m *buildbtw.MachineState) { m.Load = math.NaN() },
		"endless load": func(m *buildbtw.MachineState) { m.Load = math.Inf(1) }, "no core": func(m *buildbtw.MachineState) { m.Cores = 0 },
		"too many cores": func(m *buildbtw.MachineState) { m.Cores = 1 << 30 }, "more free than there is": func(m *buildbtw.MachineState) { m.MemoryFree++ },
		"negative disk": func(m *buildbtw.MachineState) { m.DiskFree = -1 }, "endless disk": func(m *buildbtw.MachineState) { m.DiskTotal = math.MaxInt64 },
	} {
		m := good
		if change(&m); buildbtw.KindOf(m.Validate()) != buildbtw.KindInvalid {
			t.Errorf("%s: %+v is taken", name, m)
		}
	}
}
