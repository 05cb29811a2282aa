package runners_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buildbtw/internal/limit"
	"buildbtw/runners"
)

// Control groups hold a command, and take along whatever it leaves. This runs in a
// guest that has nothing but busybox: see TestControlGroupsInAGuest of package vm.
func TestControlGroups(t *testing.T) {
	if os.Getenv("BUILDBTW_TEST_GROUPS") == "" {
		t.Skip("not in a guest of TestControlGroupsInAGuest: this machine's control groups are not the test's")
	}
	groups, err := limit.FindGroups()
	if err != nil {
		t.Fatal(err)
	}
	limits := limit.Limits{Memory: 24 << 20, Processes: 20}
	for _, test := range []struct{ name, script, over string }{
		{"memory of one process", "dd if=/dev/zero of=/dev/null bs=40M count=1; echo went on", "used more than 24 MiB of memory"},
		{"memory of many", "for i in 1 2 3 4; do (dd if=/dev/zero bs=9M count=1 | sleep 100) & done; wait", "used more than 24 MiB of memory"},
		{"memory of files in memory", "dd if=/dev/zero of=/dev/shm/big bs=1M count=40; echo went on", "used more than 24 MiB of memory"},
		{"processes", "i=0; while [ $i -lt 60 ]; do sleep 100 & i=$((i+1)); done; wait", "used more than 20 processes"},
		{"neither", "dd if=/dev/zero of=/dev/null bs=4M count=1; (setsid env -i sleep 4242 &); exit 7", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := runners.Command{
				Args: []string{"/bin/sh", "-c", test.script}, Env: []string{"PATH=/bin"}, Output: os.Stderr,
				Watch: limit.Watch{Limits: limits}, Groups: groups, Grace: time.Second,
			}
			exit, err := c.Run(t.Context())
			var over *limit.ExceededError
			said := ""
			if errors.As(exit.Killed, &over) {
				said = over.Error()
			}
			if err != nil || exit.Success() || said != test.over {
				t.Errorf("%v, %v, over %q, want %q", exit, err, said, test.over)
			}
			if _, err := os.Stat("/dev/shm/big"); err == nil {
				_ = os.Remove("/dev/shm/big")
			}
		})
	}
	t.Run("the machine's memory", func(t *testing.T) {
		starved(t, groups)
	})
	if left := countCommands(t, "sleep\x00"); left != 0 {
		t.Errorf("%d processes are left", left)
	}
	err = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasPrefix(d.Name(), "build-") {
			t.Errorf("a group is left: %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// starved runs a program within its limits in a group that has less above it, as a machine
// with too little memory does: that is not the program's fault.
func starved(t *testing.T, groups *limit.Groups) {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	above := filepath.Join("/sys/fs/cgroup", filepath.Dir(strings.TrimPrefix(strings.TrimSpace(string(own)), "0::")), "memory.max")
	if err := os.WriteFile(above, []byte("67108864"), 0o644); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.WriteFile(above, []byte("max"), 0o644) }() // of a guest that ends
	exit, err := runners.Command{
		Args: []string{"/bin/sh", "-c", "dd if=/dev/zero of=/dev/null bs=100M count=1"}, Env: []string{"PATH=/bin"}, Output: os.Stderr,
		Watch: limit.Watch{Limits: limit.Limits{Memory: 128 << 20}}, Groups: groups, Grace: time.Second,
	}.Run(t.Context())
	if err != nil || exit.Success() || exit.Killed != nil || !exit.OOM || !exit.Counted {
		t.Errorf("%+v, %v; want a program that the machine had no memory for", exit, err)
	}
}

// A worker takes no group in which others are.
func TestNoControlGroup(t *testing.T) {
	if os.Getenv("BUILDBTW_TEST_GROUPS") == "" {
		t.Skip("not in a guest of TestControlGroupsInAGuest")
	}
	if _, err := limit.FindGroups(); err == nil || !strings.Contains(err.Error(), "other processes") {
		t.Errorf("got %v", err)
	}
}

// countCommands counts the processes whose command line begins so.
func countCommands(t *testing.T, begin string) int {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, name := range names {
		if text, err := os.ReadFile(name); err == nil && strings.HasPrefix(string(text), begin) {
			n++
		}
	}
	return n
}
