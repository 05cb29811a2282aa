package runners

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"buildbtw/internal/proc"
)

// Command is a program that runs in its own process group, is watched, and
// leaves no process behind.
type Command struct {
	Args   []string // program and arguments
	Dir    string
	Env    []string // the whole environment
	Output io.Writer
	Files  []*os.File // passed as descriptors 3, 4, …; Run does not close them

	// Stall ends the command after this long without output and without CPU use
	// by any of its processes; 0: never.
	Stall time.Duration

	// Idle is the part of one CPU under which the command counts as using none;
	// 0: 0.005, because a waiting Java machine or a polling loop uses a little.
	Idle float64

	// Grace is the time between TERM and KILL; 0: 5 s.
	Grace time.Duration

	// Signal sends a signal to the command's process group; nil: kill(2). A
	// runner whose program is root's has to ask sudo.
	Signal func(pgid int, s syscall.Signal)

	// Mark is what the function Mark gives for a directory of this command's
	// own: all processes with it are killed when the command has ended, also
	// those that left the group. Those that cleared their environment are held
	// by a PID namespace only. May be empty.
	Mark string
}

// Exit is how a command ended.
type Exit struct {
	Code   int            // exit status; -1 when a signal ended it
	Signal syscall.Signal // that ended it; 0 when none did
	Killed error          // why Run ended it: the context's cause or a *StallError; nil when it ended by itself
	OOM    bool           // the kernel killed some process on this machine for want of memory meanwhile
}

// Success reports whether the command ended by itself with status 0.
func (e Exit) Success() bool { return e.Killed == nil && e.Code == 0 }

// String describes how the command ended.
func (e Exit) String() string {
	switch {
	case e.Killed != nil:
		return "ended: " + e.Killed.Error()
	case e.Signal != 0:
		return "killed by signal " + e.Signal.String()
	}
	return fmt.Sprintf("exit code %d", e.Code)
}

// outputDelay is how long output of a program that has ended is waited for when
// a process that left its group still holds the pipe.
const outputDelay = 2 * time.Second

// Run starts the command and waits for it. The error means that it could not be
// started or its output could not be written.
func (c Command) Run(ctx context.Context) (Exit, error) {
	if ctx.Err() != nil {
		return Exit{Code: -1, Killed: context.Cause(ctx)}, nil //nolint:nilerr // not run, as asked
	}
	out := &activity{to: cmp.Or[io.Writer](c.Output, io.Discard)}
	cmd := c.command(out)
	kills := oomKills()
	if err := cmd.Start(); err != nil {
		return Exit{}, fmt.Errorf("start %s: %w", c.Args[0], err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	killed, err := c.watch(ctx, cmd.Process.Pid, out, done)
	c.signal(cmd.Process.Pid, syscall.SIGKILL) // leftovers of the group
	killMarked(c.Mark)
	exit := Exit{Code: -1, Killed: killed, OOM: oomKills() > kills}
	if cmd.ProcessState != nil {
		exit.Code = cmd.ProcessState.ExitCode()
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			exit.Signal = status.Signal()
		}
	}
	var status *exec.ExitError
	if err != nil && !errors.As(err, &status) && !errors.Is(err, exec.ErrWaitDelay) {
		return exit, fmt.Errorf("run %s: %w", c.Args[0], err)
	}
	return exit, nil
}

// command makes both outputs one pipe, so that lines keep their order. The
// child dies with this process, whose death it would otherwise not notice.
func (c Command) command(out io.Writer) *exec.Cmd {
	cmd := &exec.Cmd{
		Path: c.Args[0], Args: c.Args, Dir: c.Dir, Env: slices.Clone(c.Env),
		Stdout: out, Stderr: out, ExtraFiles: c.Files,
		WaitDelay: outputDelay,
	}
	proc.Isolate(cmd)
	if c.Mark != "" {
		cmd.Env = append(cmd.Env, c.Mark)
	}
	if path, err := exec.LookPath(c.Args[0]); err == nil {
		cmd.Path = path
	}
	return cmd
}

// watch waits for the command's end, and ends it when ctx ends or the command
// stalls. It returns why it did so, and the error of Wait.
func (c Command) watch(ctx context.Context, pid int, out *activity, done <-chan error) (killed, err error) {
	stalled, stop := c.stalls(pid, out)
	defer stop()
	select {
	case err := <-done:
		return nil, err
	case <-ctx.Done():
		killed = context.Cause(ctx)
	case killed = <-stalled:
	}
	return killed, c.end(pid, done)
}

func (c Command) signal(pgid int, s syscall.Signal) {
	if c.Signal != nil && syscall.Kill(-pgid, 0) != syscall.ESRCH {
		c.Signal(pgid, s)
		return
	}
	proc.Signal(pgid, s)
}

// end asks the group to end, then insists.
func (c Command) end(pid int, done <-chan error) error {
	c.signal(pid, syscall.SIGTERM)
	grace := time.NewTimer(cmp.Or(c.Grace, 5*time.Second))
	defer grace.Stop()
	select {
	case err := <-done:
		return err
	case <-grace.C:
	}
	c.signal(pid, syscall.SIGKILL)
	killMarked(c.Mark)
	return <-done
}

// stalls returns a channel that receives a *StallError when the command stalls.
func (c Command) stalls(pid int, out *activity) (<-chan error, func()) {
	found := make(chan error, 1)
	if c.Stall <= 0 {
		return found, func() {}
	}
	tick := time.NewTicker(min(max(c.Stall/20, 20*time.Millisecond), 5*time.Second))
	stop := make(chan struct{})
	go func() {
		defer tick.Stop()
		w := stallWatch{last: time.Now(), active: time.Now(), cpu: treeCPU(pid), idle: cmp.Or(c.Idle, idleShare)}
		for {
			select {
			case <-stop:
				return
			case now := <-tick.C:
				w.sample(now, treeCPU(pid), out.written.Load())
				if now.Sub(w.active) >= c.Stall {
					found <- &StallError{Seconds: c.Stall.Seconds()}
					return
				}
			}
		}
	}()
	return found, func() { close(stop) }
}

// stallWatch records when a command was last active.
type stallWatch struct {
	last, active time.Time
	cpu          time.Duration
	written      int64
	idle         float64
}

const idleShare = 0.005

func (w *stallWatch) sample(now time.Time, cpu time.Duration, written int64) {
	used := float64(cpu - w.cpu)
	if written != w.written || used > w.idle*float64(now.Sub(w.last)) {
		w.active = now
	}
	w.last, w.cpu, w.written = now, cpu, written
}

// activity counts the bytes that pass through it.
type activity struct {
	to      io.Writer
	written atomic.Int64
}

func (a *activity) Write(p []byte) (int, error) {
	a.written.Add(int64(len(p)))
	return a.to.Write(p)
}

// clockTick is the unit of CPU times in /proc: USER_HZ, which is 100 on every
// architecture that Linux runs packages on.
const clockTick = 10 * time.Millisecond

// process is one line of /proc/PID/stat, as far as needed.
type process struct {
	pid, parent int
	cpu         time.Duration // own, and that of children that were waited for
}

// parseStat reads proc_pid_stat(5). The command name may hold spaces and
// parentheses, so fields are counted from the last one.
func parseStat(text []byte) (process, bool) {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 1 || end < open {
		return process{}, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text[:open])))
	fields := strings.Fields(string(text[end+1:]))
	if err != nil || len(fields) < 15 {
		return process{}, false
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return process{}, false
	}
	p := process{pid: pid, parent: parent}
	for _, field := range fields[11:15] { // utime stime cutime cstime
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return process{}, false
		}
		p.cpu += time.Duration(ticks) * clockTick
	}
	return p, true
}

// treeCPU sums the CPU time of a process and all its descendants, those in PID
// namespaces below it included.
func treeCPU(root int) time.Duration {
	all := map[int]process{}
	names, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is valid
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		if p, ok := parseStat(text); ok {
			all[p.pid] = p
		}
	}
	var sum time.Duration
	for pid, p := range all {
		if descends(all, pid, root) {
			sum += p.cpu
		}
	}
	return sum
}

func descends(all map[int]process, pid, root int) bool {
	for depth := 0; pid > 1 && depth < 1000; depth++ { // pids are reused while one looks: no endless circle
		if pid == root {
			return true
		}
		pid = all[pid].parent
	}
	return false
}

// killMarked kills every process of this user with an environment entry that
// begins with mark.
// It searches again until none is left, because a process may start another
// between search and kill.
func killMarked(mark string) {
	if mark == "" {
		return
	}
	for range 20 {
		found := markedProcesses(mark)
		if len(found) == 0 {
			return
		}
		for _, pid := range found {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(10 * time.Millisecond) // the kernel needs a moment to take them away
	}
}

func markedProcesses(mark string) []int {
	var pids []int
	names, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(append([]byte{0}, text...), []byte("\x00"+mark)) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err == nil && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}

// oomKills returns how many processes the kernel has killed for want of memory
// since boot, in any memory cgroup; 0 when that is unknown.
func oomKills() int64 {
	text, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(line, "oom_kill "); ok {
			kills, _ := strconv.ParseInt(strings.TrimSpace(n), 10, 64)
			return kills
		}
	}
	return 0
}
