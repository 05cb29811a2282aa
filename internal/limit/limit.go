// Package limit bounds the memory, processes and disk of untrusted programs: by a control
// group where one was delegated to this process, else by the kernel's limits for single
// processes (setrlimit(2)) together with a watch over all of them.
package limit

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Limits bound the use of a program and all processes that it starts, together, at any
// time. 0 is no limit.
type Limits struct {
	Memory    int64 // bytes
	Processes int   // threads count as processes
	Disk      int64 // bytes
}

// String says them in words.
func (l Limits) String() string {
	var list []string
	if l.Memory > 0 {
		list = append(list, Bytes(l.Memory)+" of memory")
	}
	if l.Processes > 0 {
		list = append(list, strconv.Itoa(l.Processes)+" processes")
	}
	if l.Disk > 0 {
		list = append(list, Bytes(l.Disk)+" of disk")
	}
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// Shared returns the size of a program's shared memory in bytes, which is memory
// that no process need have mapped: half of its memory, as Linux gives it.
func (l Limits) Shared() int64 {
	if l.Memory == 0 {
		return 0
	}
	return l.Memory / 2
}

// ExceededError is the error of a program that was ended, or not let go on,
// because it used more than it may.
type ExceededError struct{ Limit string }

func (e *ExceededError) Error() string { return "used more than " + e.Limit }

func (l Limits) tooMuchMemory() error { return &ExceededError{Bytes(l.Memory) + " of memory"} }

func (l Limits) tooManyProcesses() error {
	return &ExceededError{strconv.Itoa(l.Processes) + " processes"}
}

func (l Limits) tooMuchDisk() error { return &ExceededError{Bytes(l.Disk) + " of disk"} }

// Bytes says a size as a person would give it: 4 GiB, 1.5 GiB, 300 MiB.
func Bytes(n int64) string {
	for _, unit := range []struct {
		name string
		size int64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= unit.size {
			return strconv.FormatFloat(math.Round(float64(n)/float64(unit.size)*10)/10, 'f', -1, 64) + " " + unit.name
		}
	}
	return fmt.Sprintf("%d bytes", n)
}

// ParseBytes reads a size like 4GiB, 1.5G, 300 MiB; a number alone is bytes.
func ParseBytes(s string) (int64, error) {
	text := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(strings.TrimSpace(s)), "B"), "I")
	shift := 0
	if i := strings.IndexAny(text, "KMGT"); i >= 0 && i == len(text)-1 {
		shift = 10 * (1 + strings.IndexByte("KMGT", text[i]))
		text = text[:i]
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if bytes := n * float64(int64(1)<<shift); err == nil && bytes >= 0 && bytes < math.MaxInt64 {
		return int64(bytes), nil
	}
	return 0, fmt.Errorf("%q is no size; give one like 4GiB", s)
}

// Shell returns bash commands that set the kernel's limits (setrlimit(2)) of a process and
// all that it starts. They stop growth that is faster than the watch, and are a little
// wider than the limits, so that the watch, not the kernel, usually reports the excess. Processes are those of the
// user in its user namespace, so they are bounded only where that is the
// program's own. whole says that a control group or nothing else bounds memory
// and processes.
func (l Limits) Shell(whole bool) string {
	const slack = 256 << 20
	text := "ulimit -c 0"
	if l.Processes > 0 && !whole {
		text += fmt.Sprintf(" && ulimit -u %d", l.Processes+l.Processes/4+64)
	}
	if l.Memory > 0 && !whole {
		text += fmt.Sprintf(" && ulimit -d %d", (l.Memory+l.Memory/8+slack)>>10)
	}
	if l.Disk > 0 {
		text += fmt.Sprintf(" && ulimit -f %d", (l.Disk+l.Disk/8+slack)>>10)
	}
	return text
}
