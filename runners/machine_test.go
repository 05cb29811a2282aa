package runners

import (
	"os"
	"path/filepath"
	"testing"

	"buildbtw"
)

func TestAMachineIsMeasured(t *testing.T) {
	t.Parallel()
	proc := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(proc, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("loadavg", "3.25 1.10 0.55 2/321 4242\n")
	write("meminfo", "MemTotal:       16384 kB\nMemFree:           12 kB\nMemAvailable:    8192 kB\n")
	m, err := measure(proc, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if m.Load != 3.25 || m.MemoryTotal != 16<<20 || m.MemoryFree != 8<<20 || m.Cores < 1 || m.DiskTotal < m.DiskFree || m.DiskTotal == 0 {
		t.Errorf("%+v", m)
	}
	if err := buildbtw.MachineState(m).Validate(); err != nil {
		t.Error(err)
	}
	for name, text := range map[string]string{"loadavg": "much\n", "meminfo": "MemTotal: all of it\n"} {
		write(name, text)
		if m, err := measure(proc, t.TempDir()); err == nil {
			t.Errorf("%s is %q: %+v", name, text, m)
		}
	}
	if m, err := measure("/proc", t.TempDir()); err != nil || buildbtw.MachineState(m).Validate() != nil {
		t.Errorf("this machine: %+v, %v", m, err)
	}
}
