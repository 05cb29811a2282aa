package vm

import (
	"strings"
	"testing"
)

func TestWhatAMachineLacksForGuestsIsSaid(t *testing.T) {
	t.Parallel()
	good := host{memory: 64 << 30, cpus: 8, vsock: true, libguests: true}
	with := func(change func(*host)) host {
		h := good
		change(&h)
		return h
	}
	for _, test := range []struct {
		name, backend string
		host          host
		cpus          int
		warnings      []string
	}{
		{"good for vmexec", backendVMExec, good, 2, nil},
		{"good for QEMU", backendQEMU, with(func(h *host) { h.vsock, h.libguests = false, false }), 8, nil},
		{"no vsock", backendVMExec, with(func(h *host) { h.vsock = false }), 2, []string{"modprobe vhost_vsock"}},
		{"no libguestfs", backendVMExec, with(func(h *host) { h.libguests = false }), 2, []string{"pull --prepare"}},
		{"little memory", backendVMExec, with(func(h *host) { h.memory = 4 << 30 }), 2, []string{"a guest takes 4 GiB (--vm-memory), and this machine has 4 GiB"}},
		{"few processors", backendQEMU, with(func(h *host) { h.cpus = 1 }), 2, []string{"a guest has 2 processors (--vm-cpus), and this machine 1"}},
		{"unknown memory", backendVMExec, with(func(h *host) { h.memory = 0 }), 2, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, n := range (Options{Backend: test.backend, MemoryMiB: 4096, CPUs: test.cpus}).notes(test.host) {
				if n.Warning {
					got = append(got, n.Text)
				}
			}
			if len(got) != len(test.warnings) {
				t.Fatalf("warnings %q, want %q", got, test.warnings)
			}
			for i, want := range test.warnings {
				if !strings.Contains(got[i], want) {
					t.Errorf("%q does not say %q", got[i], want)
				}
			}
		})
	}
}
