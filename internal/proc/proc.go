// Package proc runs programs so that none of their processes outlives the call, and bounds
// the output that is returned.
package proc

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Isolate makes cmd the leader of a process group of its own, which dies with
// this process (prctl(2), PR_SET_PDEATHSIG).
func Isolate(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}

// Run runs a command of exec.CommandContext in a process group of its own. When
// ctx ends, the group gets TERM and, after grace, KILL. ctx must be the
// command's. Each of begun is called with the process id once it has started.
func Run(ctx context.Context, cmd *exec.Cmd, grace time.Duration, begun ...func(pid int)) error {
	Isolate(cmd)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace
	if err := cmd.Start(); err != nil {
		return err
	}
	for _, f := range begun {
		f(cmd.Process.Pid)
	}
	err := cmd.Wait()
	if ctx.Err() != nil {
		Signal(cmd.Process.Pid, syscall.SIGKILL)
	}
	return err
}

// Signal sends a signal to a process group; one that is gone is no error.
func Signal(pgid int, s syscall.Signal) { _ = syscall.Kill(-pgid, s) }

// ExitCode returns the exit code of the program that failed with err, or -1 when
// a signal ended it or it was never started.
func ExitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return -1
}

// Tail is a writer that keeps the last bytes written to it. It may be read while
// the program writes.
type Tail struct {
	mu    sync.Mutex
	limit int
	text  []byte
}

// NewTail returns a Tail that keeps limit bytes.
func NewTail(limit int) *Tail { return &Tail{limit: limit} }

// Write implements io.Writer.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p[max(0, len(p)-t.limit):]...)
	if over := len(t.text) - t.limit; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}

// String returns the bytes that are kept.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}

// Head is a writer that keeps the first bytes written to it and drops the rest,
// so that the program goes on.
type Head struct {
	buf   bytes.Buffer
	limit int
	over  bool
}

// NewHead returns a Head that keeps limit bytes.
func NewHead(limit int) *Head { return &Head{limit: limit} }

// Write implements io.Writer.
func (h *Head) Write(p []byte) (int, error) {
	room := h.limit - h.buf.Len()
	if len(p) > room {
		h.over = true
	}
	h.buf.Write(p[:min(len(p), room)])
	return len(p), nil
}

// Bytes returns the bytes that are kept.
func (h *Head) Bytes() []byte { return h.buf.Bytes() }

// Truncated reports whether more was written than is kept.
func (h *Head) Truncated() bool { return h.over }
