package proc_test

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"

	"buildbtw/internal/proc"
)

// A child that ignores TERM and outlives its parent is killed with the group:
// the pipe that it writes to ends.
func TestACancelledProgramTakesItsChildrenAlong(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.CommandContext(ctx, "sh", "-c", `(trap "" TERM; echo ready; while :; do sleep 1; done) & wait`)
	cmd.Stdout = w
	ended := make(chan error, 1)
	go func() { ended <- proc.Run(ctx, cmd, 100*time.Millisecond) }()
	out := bufio.NewReader(r)
	if line, err := out.ReadString('\n'); line != "ready\n" || err != nil {
		t.Fatalf("%q, %v", line, err)
	}
	cancel()
	if err := <-ended; err == nil {
		t.Error("the cancelled program succeeded")
	}
	w.Close()
	if rest, err := io.ReadAll(out); len(rest) > 0 || err != nil {
		t.Errorf("%q, %v", rest, err)
	}
}

func TestExitCode(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]int{"exit 3": 3, "kill -9 $$": -1} {
		ctx := t.Context()
		if got := proc.ExitCode(proc.Run(ctx, exec.CommandContext(ctx, "sh", "-c", script), time.Second)); got != want {
			t.Errorf("%s: %d, want %d", script, got, want)
		}
	}
	if got := proc.ExitCode(exec.ErrNotFound); got != -1 {
		t.Errorf("a program that is not there: %d, want -1", got)
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	t.Parallel()
	tail := proc.NewTail(5)
	for _, piece := range []string{"ab", "c", "", "defghijkl", "m"} {
		if n, err := tail.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Errorf("wrote %d, %v, want all of %q", n, err, piece)
		}
	}
	if got := tail.String(); got != "ijklm" {
		t.Errorf("kept %q", got)
	}
}

func TestHeadKeepsTheBeginning(t *testing.T) {
	t.Parallel()
	head := proc.NewHead(4)
	for _, piece := range []string{"ab", "cd"} {
		if n, err := head.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Errorf("wrote %d, %v, want all of %q", n, err, piece)
		}
	}
	if head.Truncated() {
		t.Error("truncated at the limit")
	}
	if n, err := head.Write([]byte("e")); n != 1 || err != nil || !head.Truncated() || string(head.Bytes()) != "abcd" {
		t.Errorf("%d, %v, truncated %v, kept %q", n, err, head.Truncated(), head.Bytes())
	}
}

// What a program prints beyond the limit is not kept, however exec copies it: a
// method of the writer that goes past Write would keep it all.
func TestAProgramCannotFillTheMemory(t *testing.T) {
	const printed = 256 << 20
	head, tail := proc.NewHead(1000), proc.NewTail(1000)
	for name, w := range map[string]io.Writer{"Head": head, "Tail": tail} {
		cmd := exec.CommandContext(t.Context(), "head", "-c", strconv.Itoa(printed), "/dev/zero")
		cmd.Stdout, cmd.Stderr = w, w
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := proc.Run(t.Context(), cmd, time.Second); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > printed/16 {
			t.Errorf("%s: %d MB allocated for %d MB of output", name, grown>>20, printed>>20)
		}
	}
	if len(head.Bytes()) != 1000 || !head.Truncated() || len(tail.String()) != 1000 {
		t.Errorf("kept %d and %d bytes, want 1000 of each", len(head.Bytes()), len(tail.String()))
	}
}
