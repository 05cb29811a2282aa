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

	"buildbtw/internal/limit"
	"buildbtw/internal/proc"
)

// Command is a program that runs in its own process group, is watched, and
// leaves no process behind.
type Command struct {
	Args   []string // program and arguments
	Dir    string
	Env    []string // the whole environment
	Output io.Writer
	Input  *os.File   // standard input; nil: /dev/null. Run does not close it
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

	// Mark is the result of the function Mark for a directory of this command's
	// own: all processes with it are killed when the command has ended, also
	// those that left the group. Those that cleared their environment are held
	// by a PID namespace only. May be empty.
	Mark string

	// User is the id of a user who runs nothing but this command: all that is left
	// of his is killed when it has ended. 0: there is none.
	User int

	// Watch has the command's limits. Groups enforces those of memory and processes; when
	// it is nil the watch does.
	Watch  limit.Watch
	Groups *limit.Groups
}

// Exit is how a command ended.
type Exit struct {
	Code   int            // exit status; -1 when a signal ended it
	Signal syscall.Signal // that ended it; 0 when none did
	Killed error          // why it did not end by itself: the context's cause, a *StallError or a *limit.ExceededError
	OOM    bool           // the kernel killed a process for want of the machine's memory

	// Memory is the most memory in bytes that one process of the command had resident
	// (ru_maxrss of getrusage(2)), of those that were waited for; never less than what this
	// program had when it started the command.
	Memory int64

	// Counted: OOM and Killed come from a control group and are about this command alone.
	// Else OOM is about all processes of the machine.
	Counted bool
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
func (c Command) Run(ctx context.Context) (exit Exit, err error) {
	if ctx.Err() != nil {
		return Exit{Code: -1, Killed: context.Cause(ctx)}, nil // not run, as asked
	}
	out := &activity{to: cmp.Or[io.Writer](c.Output, io.Discard)}
	cmd := c.command(out)
	var group *limit.Group
	if c.Groups != nil {
		if group, err = c.Groups.New(c.Watch.Limits); err != nil {
			return Exit{}, err
		}
		defer func() { err = errors.Join(err, group.Close()) }()
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, group.FD()
		c.Watch.Memory, c.Watch.Processes = 0, 0
	}
	kills := oomKills()
	if err := cmd.Start(); err != nil {
		return Exit{}, fmt.Errorf("start %s: %w", c.Args[0], err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	killed, err := c.watch(ctx, cmd.Process.Pid, out, done)
	c.signal(cmd.Process.Pid, syscall.SIGKILL) // leftovers of the group
	proc.KillMarked(c.Mark)
	killUser(c.User)
	exit = Exit{Code: -1, Killed: killed, OOM: oomKills() > kills, Counted: group != nil}
	if cmd.ProcessState != nil {
		exit.Code = cmd.ProcessState.ExitCode()
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			exit.Signal = status.Signal()
		}
		if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			exit.Memory = usage.Maxrss << 10 // it is in KiB
		}
	}
	if group != nil {
		exit.OOM = group.Starved()
		if killed == nil && exit.Code != 0 {
			exit.Killed = group.Exceeded()
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
	if c.Input != nil {
		cmd.Stdin = c.Input
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
	watched, unwatch := context.WithCancel(ctx)
	defer unwatch()
	select {
	case err := <-done:
		return nil, err
	case <-ctx.Done():
		killed = context.Cause(ctx)
	case killed = <-stalled:
	case killed = <-c.Watch.Over(watched, pid):
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
	proc.KillMarked(c.Mark)
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

// treeCPU sums the CPU time of a process and all its descendants.
func treeCPU(root int) time.Duration {
	var sum time.Duration
	for _, p := range proc.Tree(root) {
		sum += p.CPU
	}
	return sum
}

// killUser kills every process of a user, until none is left.
func killUser(uid int) {
	if uid <= 0 {
		return
	}
	for range 20 {
		names, _ := filepath.Glob("/proc/[0-9]*/status") // the pattern is valid
		found := false
		for _, name := range names {
			// The directory's owner is root where a process hides itself (PR_SET_DUMPABLE).
			text, err := os.ReadFile(name)
			if err != nil || !bytes.Contains(text, fmt.Appendf(nil, "\nUid:\t%d\t", uid)) {
				continue
			}
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil && syscall.Kill(pid, syscall.SIGKILL) == nil {
				found = true
			}
		}
		if !found {
			return
		}
		time.Sleep(10 * time.Millisecond) // the kernel needs a moment to take them away
	}
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
