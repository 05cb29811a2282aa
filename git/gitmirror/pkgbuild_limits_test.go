package gitmirror_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/git/gitmirror"
	"buildbtw/internal/limit"
)

// withoutBubblewrap is the mirror of a machine that has none.
func withoutBubblewrap(t *testing.T) *gitmirror.Mirror {
	t.Helper()
	m := openMirror(t)
	m.FindPrograms(func(name string) (string, error) {
		if name == "bwrap" {
			return "", exec.ErrNotFound
		}
		return exec.LookPath(name)
	})
	return m
}

// A PKGBUILD that uses more than it may while its .SRCINFO is made breaks its
// source, and what it started is gone.
func TestAPkgbuildHasLimits(t *testing.T) {
	t.Parallel()
	needMakepkg(t)
	for name, test := range map[string]struct{ script, message string }{
		"processes": {"for i in {1..90}; do sleep 1000 & done; wait\n", "used more than 60 processes"},
		"memory":    {"for i in 1 2 3 4; do (head -c 100M /dev/zero | tail -c 100M | sleep 1000) & done; wait\n", "used more than 300 MiB of memory"},
		"disk":      {"head -c 40M /dev/zero >big; sleep 1000\n", "used more than 32 MiB of disk"},
		"disk in shared memory": {
			"head -c 40M /dev/zero >/dev/shm/big; sleep 1000\n", "used more than 32 MiB of disk",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, dir := openMirror(t), t.TempDir()
			if !m.Confined(t.Context()) {
				t.Skip("bubblewrap is not installed or not allowed here")
			}
			m.LimitPkgbuilds(limit.Limits{Memory: 300 << 20, Processes: 60, Disk: 32 << 20})
			write(t, filepath.Join(dir, "hello", "PKGBUILD"), test.script+testPKGBUILD)
			err := syncDir(t, m, dir).Broken["hello"]
			if err == nil || !strings.Contains(buildbtw.MessageOf(err), test.message) {
				t.Errorf("got %v, want %q", err, test.message)
			}
		})
	}
}

// In the box a PKGBUILD gets no further user namespace and can write to nothing
// but its own directory.
func TestAPkgbuildIsBoxed(t *testing.T) {
	t.Parallel()
	needMakepkg(t)
	m, dir := openMirror(t), t.TempDir()
	if !m.Confined(t.Context()) {
		t.Skip("bubblewrap is not installed or not allowed here")
	}
	write(t, filepath.Join(dir, "hello", "PKGBUILD"), testPKGBUILD+`pkgdesc="$(unshare --user true 2>/dev/null && echo WRONG a user namespace
	for d in / /dev /etc /usr /proc/sys/kernel; do touch $d/x 2>/dev/null && echo WRONG written in $d; done
	for d in /tmp /dev/shm /build; do touch $d/x || echo WRONG not writable $d; done
	test $(ulimit -c) = 0 || echo WRONG core
	echo seen)"
`)
	mustSync(t, m, dir)
	if got := mainSrcinfo(t, m, "hello"); strings.Contains(got, "WRONG") || !strings.Contains(got, "pkgdesc = seen") {
		t.Error(got)
	}
}

// However early a PKGBUILD is ended, also while its box is being made, no process
// is left.
func TestAPkgbuildThatIsEndedLeavesNothing(t *testing.T) {
	needMakepkg(t)
	temp, err := os.MkdirTemp("", "buildbtw-test-") // where the user nobody gets to
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(temp) })
	if err := os.Chmod(temp, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", temp)
	for after := 4 * time.Millisecond; after < 600*time.Millisecond; after = after * 3 / 2 {
		dir, m := t.TempDir(), openMirror(t)
		m.StopPkgbuildsAfter(after)
		write(t, filepath.Join(dir, "hello", "PKGBUILD"), "trap '' TERM\nsleep 1000 & wait\n"+testPKGBUILD)
		if err := syncDir(t, m, dir).Broken["hello"]; err == nil {
			t.Error("it was not ended")
		}
		names, err := filepath.Glob("/proc/[0-9]*/environ")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err == nil && strings.Contains(string(text), "\x00BUILDBTW_SRCINFO_IN="+temp) {
				t.Errorf("after %v a process is left: %s", after, name)
			}
		}
	}
}
