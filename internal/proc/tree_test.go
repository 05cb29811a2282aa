package proc_test

import (
	"bytes"
	"os"
	"os/exec"
	"testing"
	"time"

	"buildbtw/internal/proc"
)

const statLine = "12 (a b) c) S 1 12 12 0 -1 4194304 1 2 3 4 50 60 70 80 20 0 3 0 5 1000 7"

func FuzzParseStat(f *testing.F) {
	f.Add([]byte(statLine))
	f.Add([]byte("x"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if p, ok := proc.ParseStat(text); ok && p == (proc.Process{}) && !bytes.Contains(text, []byte("0")) {
			t.Errorf("%q is no process", text)
		}
	})
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	p, ok := proc.ParseStat([]byte(statLine))
	want := proc.Process{PID: 12, Parent: 1, Threads: 3, CPU: 2600 * time.Millisecond, Resident: 7 * int64(os.Getpagesize())}
	if !ok || p != want {
		t.Errorf("got %+v, %v, want %+v", p, ok, want)
	}
}

func TestTreeHasAllDescendants(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "bash", "-c", "sleep 100 & bash -c 'sleep 100 & echo; wait' & wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	var resident int64
	tree := proc.Tree(cmd.Process.Pid)
	for _, p := range tree {
		resident += p.Resident
	}
	if len(tree) != 4 || resident == 0 {
		t.Errorf("%+v, want two shells and two sleeps", tree)
	}
	for _, p := range tree {
		if q, err := os.FindProcess(p.PID); err == nil {
			_ = q.Kill()
		}
	}
	_ = cmd.Wait()
}
