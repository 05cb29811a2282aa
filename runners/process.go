package runners

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
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

	// Grace is what the group gets between TERM and KILL; 0: 5 s.
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

// String says in words how the command ended.
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
	exit := exitOf(cmd.ProcessState)
	exit.Killed = killed
	exit.OOM = oomKills() > kills
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

// watch waits for the command's end and brings it about when ctx ends or the
// command stalls. It returns why it did so, and what Wait said.
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

// stalls returns a channel on which a *StallError comes when the command stalls.
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

// stallWatch remembers when a command was last seen to do something.
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

// activity counts what passes through it.
type activity struct {
	to      io.Writer
	written atomic.Int64
}

func (a *activity) Write(p []byte) (int, error) {
	a.written.Add(int64(len(p)))
	return a.to.Write(p)
}

func exitOf(state *os.ProcessState) Exit {
	if state == nil {
		return Exit{Code: -1}
	}
	e := Exit{Code: state.ExitCode()}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		e.Signal = status.Signal()
	}
	return e
}
