package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"buildbtw/cmd/internal/cli"
)

// children are the workers that the server starts on its own machine. They are
// processes of their own, so that a build can never take the server down, and
// end with it.
type children struct {
	count     int
	url       string
	token     string
	tokenFile string // with the token; empty: the environment has it
	dataDir   string
	log       logger

	fetchAllow []string // see the worker's --fetch-allow
}

// Bounds on keeping workers alive.
const (
	restartPause    = 2 * time.Second
	maxRestartPause = time.Minute
	drainTime       = 5 * time.Second // for a worker to hand its build back when the server stops
)

// run runs all workers until ctx ends. A missing program is an error at once; a
// worker that ends is started again.
func (c *children) run(ctx context.Context) error {
	if c.count == 0 {
		return nil
	}
	program, err := workerProgram()
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for n := range c.count {
		group.Go(func() error { c.keep(ctx, program, n+1); return nil })
	}
	return group.Wait()
}

// workerProgram finds buildbtw-worker beside this program, or on the PATH.
func workerProgram() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program's directory: %w", err)
	}
	beside := filepath.Join(filepath.Dir(self), "buildbtw-worker")
	if _, err := os.Stat(beside); err == nil {
		return beside, nil
	}
	program, err := exec.LookPath("buildbtw-worker")
	if err != nil {
		return "", errors.New("--workers needs the program buildbtw-worker beside buildbtw or on the PATH")
	}
	return program, nil
}

// keep starts worker n again and again, with growing pauses when it ends soon
// after its start.
func (c *children) keep(ctx context.Context, program string, n int) {
	pause := restartPause
	for ctx.Err() == nil {
		started := time.Now()
		err := c.command(ctx, program, n).Run()
		if ctx.Err() != nil {
			return
		}
		if time.Since(started) > maxRestartPause {
			pause = restartPause
		}
		c.log.Error("worker ended; it is started again", "worker", n, "error", err, "pause", pause)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, maxRestartPause)
	}
}

func childName(n int) string { return "local-" + strconv.Itoa(n) }

func (c *children) workDir(name string) string { return filepath.Join(c.dataDir, "workers", name) }

// newcomers returns the names of workers that have no work directory yet. Whoever had such a name
// before lost its secret with it, as all do in a restore, and cannot be there: it ended with the
// server.
func (c *children) newcomers() []string {
	var names []string
	for n := range c.count {
		name := childName(n + 1)
		if _, err := os.Stat(c.workDir(name)); errors.Is(err, os.ErrNotExist) {
			names = append(names, name)
		}
	}
	return names
}

// command returns the command of worker n. When ctx ends it gets TERM, and
// hands its build back.
func (c *children) command(ctx context.Context, program string, n int) *exec.Cmd {
	name := childName(n)
	args := []string{
		"run", "--server-url", c.url, "--name", name, "--exit-with-parent", "--work-dir", c.workDir(name),
	}
	for _, mirror := range c.fetchAllow {
		args = append(args, "--fetch-allow", mirror)
	}
	cmd := exec.CommandContext(ctx, program, args...)
	if c.tokenFile != "" {
		cmd.Args = append(cmd.Args, "--worker-token-file", c.tokenFile)
	} else {
		cmd.Env = append(os.Environ(), cli.EnvName("worker-token")+"="+c.token)
	}
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = drainTime
	return cmd
}
