package cmdtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Process is a program that was started and writes its output to a file.
type Process struct {
	cmd   *exec.Cmd
	log   string
	from  int64         // where its output begins in the file
	ended chan struct{} // closed when it has ended
}

// Spec says what to start.
type Spec struct {
	Args []string // program and arguments
	Dir  string   // working directory; empty: that of the test
	Env  []string // nil: the environment of the test
	Log  string   // file that both outputs are appended to

	Files     []*os.File // it has them open as descriptors 3, 4, …
	OpenFiles int        // the hard limit of open files; 0: that of the test
}

// Start starts a program, which goes on until Kill or Stop. It dies with the
// test, should the test be killed.
func Start(s Spec) (*Process, error) {
	log, err := os.OpenFile(s.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", s.Args[0], err)
	}
	defer log.Close()
	info, err := log.Stat()
	if err != nil {
		return nil, err
	}
	args := s.Args
	if s.OpenFiles > 0 {
		args = append([]string{"sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$@"`, s.OpenFiles), "sh"}, args...)
	}
	cmd := exec.CommandContext(context.Background(), args[0], args[1:]...)
	cmd.Dir, cmd.Env = s.Dir, s.Env
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, s.Files
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", strings.Join(s.Args, " "), err)
	}
	p := &Process{cmd: cmd, log: s.Log, from: info.Size(), ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // the exit code is in ProcessState
		close(p.ended)
	}()
	return p, nil
}

// PID is the number of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Log is everything that the process has written.
func (p *Process) Log() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text[min(p.from, int64(len(text))):])
}

// Signal sends the process a signal, unless it has ended.
func (p *Process) Signal(s os.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %s to %s: %w", s, p.cmd.Path, err)
	}
	return nil
}

// Kill ends the process as kill -9 and a power cut do: without a word.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.ended
}

// Stop asks the process to end and gives its exit code. The error says that it
// has not ended in time; it is killed then.
func (p *Process) Stop(limit time.Duration) (code int, err error) {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return -1, fmt.Errorf("ask %s to end: %w", p.cmd.Path, err)
	}
	return p.Wait(limit)
}

// Wait waits until the process has ended by itself and gives its exit code. The
// error says that it has not ended in time; it is killed then.
func (p *Process) Wait(limit time.Duration) (code int, err error) {
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-time.After(limit):
		p.Kill()
		return -1, fmt.Errorf("%s had not ended after %s", p.cmd.Path, limit)
	}
}

// Ended reports whether the process has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}
