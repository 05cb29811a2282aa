package vm

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"buildbtw/internal/limit"
	"buildbtw/runners"
)

// host is what of a machine matters to its guests.
type host struct {
	memory    int64 // bytes
	cpus      int
	vsock     bool // vmexec talks to its guests through /dev/vhost-vsock
	libguests bool // vmexec changes images with libguestfs, for pull --prepare
}

// thisHost looks at the machine.
func thisHost() host {
	h := host{cpus: runtime.NumCPU()}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		h.memory = int64(info.Totalram) * int64(info.Unit)
	}
	_, err := os.Stat("/dev/vhost-vsock")
	h.vsock = err == nil
	for _, program := range []string{"virt-customize", "guestfish"} {
		if _, err := exec.LookPath(program); err == nil {
			h.libguests = true
		}
	}
	return h
}

// Notes implements runners.Noter.
func (r *Runner) Notes() []runners.Note { return r.options.notes(thisHost()) }

// notes says what a machine lacks for guests with these options, and what they take of it.
func (o Options) notes(h host) []runners.Note {
	var list []runners.Note
	note := func(warning bool, format string, args ...any) {
		list = append(list, runners.Note{Text: fmt.Sprintf(format, args...), Warning: warning})
	}
	vmexec := o.backend() == backendVMExec
	memory := int64(o.MemoryMiB) << 20
	switch {
	case h.memory > 0 && memory > h.memory*9/10:
		note(true, "a guest takes %s (--vm-memory), and this machine has %s", limit.Bytes(memory), limit.Bytes(h.memory))
	case h.memory > 0:
		note(false, "each guest takes %s (--vm-memory) of this machine's %s: run no more than %d builds at a time", limit.Bytes(memory), limit.Bytes(h.memory), h.memory*9/10/memory)
	}
	switch {
	case vmexec && h.cpus > o.CPUs:
		note(false, "vmexec gives each guest all %d processors; --vm-cpus %d counts for make -j only", h.cpus, o.CPUs)
	case !vmexec && o.CPUs > h.cpus:
		note(true, "a guest has %d processors (--vm-cpus), and this machine %d", o.CPUs, h.cpus)
	}
	for _, lack := range o.lacks(h) {
		note(true, "%s", lack)
	}
	return list
}

// lacks says what a machine has not that vmexec needs.
func (o Options) lacks(h host) []string {
	if o.backend() != backendVMExec {
		return nil
	}
	var list []string
	if !h.vsock {
		list = append(list, "there is no /dev/vhost-vsock, through which vmexec reaches guests: modprobe vhost_vsock, and for the next start echo vhost_vsock >/etc/modules-load.d/vhost_vsock.conf")
	}
	if !h.libguests {
		list = append(list, "libguestfs is not installed, which vmexec pull --prepare needs: pacman -S libguestfs")
	}
	return list
}

// lacking is lacks as the end of a sentence.
func (o Options) lacking(h host) string {
	if list := o.lacks(h); len(list) > 0 {
		return " Note: " + strings.Join(list, "; ")
	}
	return ""
}
