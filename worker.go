package buildbtw

import (
	"fmt"
	"slices"
	"time"
)

// Worker is a build machine that has asked for work at least once.
type Worker struct {
	Name          string    `bun:"name,pk"`
	Architectures Names     `bun:"architectures"`
	Runners       Names     `bun:"runners"`
	Labels        Names     `bun:"labels"`
	Version       string    `bun:"version"`
	FirstSeen     time.Time `bun:"first_seen"`
	LastSeen      time.Time `bun:"last_seen"`

	// SetAside is why the worker gets no builds any more, or empty. A person
	// resumes it.
	SetAside string `bun:"set_aside"`

	// DrainingSince is when a person said that the worker is to get no new builds,
	// which ends when one resumes it. Nil when nobody did.
	DrainingSince *time.Time `bun:"draining_since"`

	// TrustedAt is when a person last ended its quarantine: failures before do
	// not count against it. Nil when it was never quarantined.
	TrustedAt *time.Time `bun:"trusted_at"`

	// SecretHash is the SHA-256, in hexadecimal, of the secret by which the worker
	// proves that the name is its own; empty until it has shown one. Instance is the
	// directory and the machine from which it did, Address the host from which
	// it claims ("unix": over a Unix socket), and ConnectedAt when that Instance
	// first did.
	SecretHash  string     `bun:"secret_hash"`
	Instance    string     `bun:"instance"`
	Address     string     `bun:"address"`
	ConnectedAt *time.Time `bun:"connected_at"`

	MachineState
	MeasuredAt *time.Time `bun:"measured_at"` // when MachineState was reported; nil when it never was
}

// MachineState is how much a worker's machine has to do, and what it has left. Sizes are in
// bytes.
type MachineState struct {
	Load        float64 `bun:"load"` // tasks that run or wait for a processor or a disk, the mean of a minute
	Cores       int     `bun:"cores"`
	MemoryTotal int64   `bun:"memory_total"`
	MemoryFree  int64   `bun:"memory_free"` // that programs can get: MemAvailable of /proc/meminfo
	DiskTotal   int64   `bun:"disk_total"`  // of the file system on which it builds
	DiskFree    int64   `bun:"disk_free"`
}

// Bounds of what a machine may report.
const (
	maxLoad  = 1e6
	maxCores = 1 << 20
	maxSize  = 1 << 60
)

// Validate returns an error for what no machine has.
func (m MachineState) Validate() error {
	switch {
	case !(m.Load >= 0 && m.Load <= maxLoad): // NaN is neither
		return Invalid("no machine has a load of %g", m.Load)
	case m.Cores < 1 || m.Cores > maxCores:
		return Invalid("no machine has %d cores", m.Cores)
	case m.MemoryFree < 0 || m.MemoryFree > m.MemoryTotal || m.MemoryTotal > maxSize:
		return Invalid("no machine has %d of %d bytes of memory free", m.MemoryFree, m.MemoryTotal)
	case m.DiskFree < 0 || m.DiskFree > m.DiskTotal || m.DiskTotal > maxSize:
		return Invalid("no machine has %d of %d bytes of disk free", m.DiskFree, m.DiskTotal)
	}
	return nil
}

// WorkerPresence is how long after it last asked for work a worker counts as
// present: one that waits asks at least every minute. While all its slots are
// busy it does not ask; its attempts tell that it is there.
const WorkerPresence = 2 * time.Minute

// Present reports whether the worker asked for work a short time ago.
func (w Worker) Present(now time.Time) bool { return now.Sub(w.LastSeen) < WorkerPresence }

// NoBuilds returns a sentence that the worker gets no new builds and how that ends, and ""
// when it gets builds.
func (w Worker) NoBuilds() string {
	var state string
	switch {
	case w.SetAside != "":
		state = "quarantined"
	case w.DrainingSince != nil:
		state = "draining"
	default:
		return ""
	}
	return fmt.Sprintf("%s: gets no new builds until 'bbtw workers resume %s'", state, w.Name)
}

// HostFromGuest is the address under which a virtual machine with QEMU's
// user-mode network reaches the loopback of the machine that it runs on.
const HostFromGuest = "10.0.2.2"

// maxLabels bounds the labels of one machine, and its architectures and
// runners.
const maxLabels = 32

// Validate returns an error for an invalid announcement of a worker.
func (w Worker) Validate() error {
	if err := checkName("worker", w.Name, slugName); err != nil {
		return err
	}
	if len(w.Architectures) == 0 {
		return Invalid("worker %s names no architecture; give at least one, for example x86_64", w.Name)
	}
	if len(w.Runners) == 0 {
		return Invalid("worker %s names no runner; give at least one of pkgctl, vm, makepkg, fake", w.Name)
	}
	for _, list := range []Names{w.Architectures, w.Runners, w.Labels} {
		if len(list) > maxLabels {
			return Invalid("worker %s announces %d names in one list; at most %d are allowed", w.Name, len(list), maxLabels)
		}
		for _, name := range list {
			if err := checkName("label", name, slugName); err != nil {
				return err
			}
		}
	}
	if slices.Contains(w.Architectures, "any") {
		return Invalid("worker %s offers architecture \"any\"; name a concrete one", w.Name)
	}
	return nil
}
