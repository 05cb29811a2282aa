package limit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Groups is a control group (cgroup v2) below which this process may make its own.
type Groups struct{ dir string }

// leafName is the group into which this process moves itself: one that passes
// controllers on to others may hold no process (cgroups(7)).
const leafName = "buildbtw"

// FindGroups finds the control group that this process was given: the one that it
// is in, if it is alone there, or the one above, if that is empty. The error says
// why there is none.
func FindGroups() (*Groups, error) {
	mount, err := groupMount()
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, fmt.Errorf("look for this process's control group: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if own, found := strings.CutPrefix(strings.TrimSpace(line), "0::"); found {
			return findGroups(mount, filepath.Join(mount, own))
		}
	}
	return nil, errors.New("this process is in no control group of version 2")
}

func groupMount() (string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", fmt.Errorf("look for control groups: %w", err)
	}
	for line := range strings.Lines(string(text)) { // proc_pid_mountinfo(5)
		before, after, _ := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if strings.HasPrefix(after, "cgroup2 ") && len(fields) > 4 {
			return fields[4], nil
		}
	}
	return "", errors.New("control groups of version 2 are not mounted")
}

func findGroups(mount, own string) (*Groups, error) {
	above := filepath.Dir(own)
	if own != mount && above != mount && members(above) == 0 && enable(above) == nil {
		return &Groups{above}, nil
	}
	if err := has(own); err != nil {
		return nil, err
	}
	if own != mount {
		if n := members(own); n != 1 {
			return nil, fmt.Errorf("there are %d other processes in this process's control group %s", n-1, own)
		}
	}
	leaf := filepath.Join(own, leafName)
	if err := os.Mkdir(leaf, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("this process was not given a control group: %w", err)
	}
	if err := write(leaf, "cgroup.procs", strconv.Itoa(os.Getpid())); err != nil {
		return nil, fmt.Errorf("this process was not given a control group: %w", err)
	}
	if err := enable(own); err != nil {
		return nil, err
	}
	return &Groups{own}, nil
}

// members counts the processes of a group; -1 when that is unknown.
func members(dir string) int {
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return -1
	}
	return len(strings.Fields(string(text)))
}

// has returns why a group cannot pass on the controllers of memory and processes.
func has(dir string) error {
	controllers, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	have := strings.Fields(string(controllers))
	if err != nil || !slices.Contains(have, "memory") || !slices.Contains(have, "pids") {
		return fmt.Errorf("this process's control group %s has no limits of memory and processes", dir)
	}
	return nil
}

// enable passes the controllers of memory and processes on to a group's children.
func enable(dir string) error {
	if err := unix.Access(dir, unix.W_OK); err != nil {
		return fmt.Errorf("this process was not given the control group %s: %w", dir, err)
	}
	if err := write(dir, "cgroup.subtree_control", "+memory +pids"); err != nil {
		return fmt.Errorf("the control group %s has no limits of memory and processes: %w", dir, err)
	}
	return nil
}

func write(dir, name, text string) error {
	return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)
}

// Group is a control group of one program.
type Group struct {
	limits Limits
	dir    string
	handle *os.File
}

// boxProcesses is how many processes the sandbox around a program takes itself.
const boxProcesses = 8

// New makes a group with these limits for one program.
func (g *Groups) New(l Limits) (*Group, error) {
	dir, err := os.MkdirTemp(g.dir, "build-")
	if err != nil {
		return nil, fmt.Errorf("make a control group: %w", err)
	}
	group := &Group{limits: l, dir: dir}
	values := map[string]string{"memory.oom.group": "1"} // a build without one of its processes is worth nothing
	if l.Memory > 0 {
		values["memory.max"] = strconv.FormatInt(l.Memory, 10)
	}
	if l.Processes > 0 {
		values["pids.max"] = strconv.Itoa(l.Processes + boxProcesses)
	}
	for name, value := range values {
		err = errors.Join(err, write(dir, name, value))
	}
	if err == nil && l.Memory > 0 {
		if swap := write(dir, "memory.swap.max", "0"); swap != nil && !errors.Is(swap, os.ErrNotExist) { // kernels without swap have no such file
			err = swap
		}
	}
	if err == nil {
		group.handle, err = os.Open(dir)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("set up a control group: %w", err), os.Remove(dir))
	}
	return group, nil
}

// FD returns the descriptor by which a program is started in the group
// (syscall.SysProcAttr.CgroupFD).
func (g *Group) FD() int { return int(g.handle.Fd()) }

// Exceeded returns an *ExceededError when the kernel has ended the program or
// denied it a process, because it would have passed a limit.
func (g *Group) Exceeded() error {
	switch {
	case g.count("memory.events", "oom_kill") > 0 && g.count("memory.events", "oom") > 0:
		return g.limits.tooMuchMemory()
	case g.count("pids.events", "max") > 0:
		return g.limits.tooManyProcesses()
	}
	return nil
}

// Starved reports whether the kernel has killed a process of the group though the
// group was within its limits: the machine, or a group above, has too little memory.
func (g *Group) Starved() bool {
	return g.count("memory.events", "oom_kill") > 0 && g.count("memory.events", "oom") == 0
}

// count returns a number from a file of lines "NAME NUMBER".
func (g *Group) count(file, name string) int64 {
	text, err := os.ReadFile(filepath.Join(g.dir, file))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			n, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64) // the kernel writes numbers
			return n
		}
	}
	return 0
}

// Close ends all processes that are still in the group, wherever they have moved
// themselves otherwise, and removes it.
func (g *Group) Close() error {
	defer g.handle.Close()
	var err error
	for range 100 {
		// Kernels before 5.14 have no such file; there the groups of processes are all.
		_ = write(g.dir, "cgroup.kill", "1")
		if err = os.Remove(g.dir); err == nil {
			return nil
		}
		time.Sleep(10 * time.Millisecond) // the kernel needs a moment to take them away
	}
	return fmt.Errorf("remove a control group: %w", err)
}
