package runners

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"buildbtw/api"
)

// machine returns how this machine stands, which the server shows; nil when that cannot
// be measured, which is no reason not to build.
func (a *Agent) machine() *api.Machine {
	m, err := measure("/proc", a.work.path)
	if err != nil {
		a.Log.Debug("this machine cannot be measured", "error", err)
		return nil
	}
	return &m
}

// measure reads how busy this machine is, and how much memory and disk it has left; disk
// is that of a directory. See proc_loadavg(5) and proc_meminfo(5).
func measure(proc, dir string) (api.Machine, error) {
	m := api.Machine{Cores: runtime.NumCPU()}
	load, err := os.ReadFile(proc + "/loadavg")
	if err != nil {
		return m, err
	}
	first, _, _ := strings.Cut(string(load), " ")
	if m.Load, err = strconv.ParseFloat(first, 64); err != nil {
		return m, fmt.Errorf("read %s/loadavg: %w", proc, err)
	}
	memory, err := os.ReadFile(proc + "/meminfo")
	if err != nil {
		return m, err
	}
	lines := bufio.NewScanner(bytes.NewReader(memory))
	for lines.Scan() {
		var kib int64
		switch name, value, _ := strings.Cut(lines.Text(), ":"); name {
		case "MemTotal", "MemAvailable":
			if _, err := fmt.Sscanf(value, "%d kB", &kib); err != nil {
				return m, fmt.Errorf("read %s of %s/meminfo: %w", name, proc, err)
			}
			if name == "MemTotal" {
				m.MemoryTotal = kib << 10
			} else {
				m.MemoryFree = kib << 10
			}
		}
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return m, fmt.Errorf("ask for the size of the file system of %s: %w", dir, err)
	}
	m.DiskTotal = int64(fs.Blocks) * int64(fs.Bsize) //nolint:unconvert // other types on other architectures
	m.DiskFree, err = Room(dir)
	m.MemoryFree, m.DiskFree = min(m.MemoryFree, m.MemoryTotal), min(m.DiskFree, m.DiskTotal)
	return m, err
}
