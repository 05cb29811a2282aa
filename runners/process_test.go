package runners_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"buildbtw/runners"
)

func shell(script string) runners.Command {
	return runners.Command{Args: []string{"/bin/bash", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"}, Grace: 100 * time.Millisecond}
}

func TestExitIsSaidInWords(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]string{
		"exit 0":        "exit code 0",
		"exit 77":       "exit code 77",
		"kill -KILL $$": "killed by signal killed",
	} {
		exit, err := shell(script).Run(t.Context())
		if err != nil || exit.String() != want || exit.Success() != (script == "exit 0") {
			t.Errorf("%s: %v, %v", script, exit, err)
		}
	}
	if _, err := (runners.Command{Args: []string{"/no/such/program"}}).Run(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing program: %v", err)
	}
}

func TestStallIsNeitherOutputNorWork(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, script string
		stalls       bool
	}{
		{"sleeps", "sleep 60", true},
		{"sleeps in another session", "setsid sleep 60 & wait", true},
		{"prints", "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.5; done", false},
		{"computes", "timeout 4 bash -c 'while :; do :; done'; true", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := shell(test.script)
			c.Stall, c.Mark = 3*time.Second, runners.Mark(t.TempDir())
			exit, err := c.Run(t.Context())
			var stall *runners.StallError
			if err != nil || errors.As(exit.Killed, &stall) != test.stalls {
				t.Errorf("%v, %v", exit, err)
			}
		})
	}
}

// Nothing of a command is left: not what ignores TERM, not what left the group.
func TestCommandLeavesNoProcess(t *testing.T) {
	t.Parallel()
	for _, script := range []string{
		"trap '' TERM; echo $$; sleep 60 & echo $!; wait; sleep 60",
		"setsid bash -c 'echo $$; sleep 60' & echo $$; wait",
		"setsid bash -c 'echo $$; exec sleep 60' & echo $!; disown; sleep 0.2; exit 0",
	} {
		ctx, cancel := context.WithCancel(t.Context())
		var out bytes.Buffer
		c := shell(script)
		c.Output, c.Mark = notify{&out, func() {
			if strings.Count(out.String(), "\n") == 2 {
				cancel()
			}
		}}, runners.Mark(t.TempDir())
		if _, err := c.Run(ctx); err != nil {
			t.Errorf("%s: %v", script, err)
		}
		cancel()
		for _, line := range strings.Fields(out.String()) {
			pid, err := strconv.Atoi(line)
			if err != nil {
				t.Fatal(err)
			}
			waitFor(t, "the end of "+line, func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH })
		}
	}
}

// The memory of a command is that of its largest process, also of one that another started.
func TestTheLargestProcessIsMeasured(t *testing.T) {
	t.Parallel()
	const size = 300 << 20
	for script, large := range map[string]bool{
		fmt.Sprintf("(head -c %d /dev/zero | tail -c %d >/dev/null); true", size, size): true, // tail has all of it in memory
		"true": false,
	} {
		exit, err := shell(script).Run(t.Context())
		if err != nil || exit.Memory <= 0 || exit.Memory > 2*size || exit.Memory >= size != large {
			t.Errorf("%s: %d bytes, %v", script, exit.Memory, err)
		}
	}
}

type notify struct {
	to   *bytes.Buffer
	then func()
}

func (n notify) Write(p []byte) (int, error) {
	n.to.Write(p)
	n.then()
	return len(p), nil
}

// The end of one attempt's command is not the end of another attempt's, even if
// one directory's name begins with the other's.
func TestMarksAreOfOneAttempt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	other := shell("echo started; sleep 60")
	other.Mark = runners.Mark(filepath.Join(dir, "attempt-0-12"))
	started := make(chan struct{}, 1)
	other.Output = notify{&bytes.Buffer{}, func() { started <- struct{}{} }}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan runners.Exit, 1)
	go func() {
		exit, err := other.Run(ctx)
		if err != nil {
			t.Error(err)
		}
		ended <- exit
	}()
	<-started
	mine := shell("true")
	mine.Mark = runners.Mark(filepath.Join(dir, "attempt-0-1"))
	if _, err := mine.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	cancel()
	if exit := <-ended; !errors.Is(exit.Killed, context.Canceled) {
		t.Errorf("the other worker's command ended with %v", exit)
	}
}
