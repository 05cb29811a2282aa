package vm

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"buildbtw/internal/proc"
	"buildbtw/runners"
)

// vmexec starts guests with the program of that name.
type vmexec struct {
	Options
}

// The oldest vmexec that can be used is 0.7: before 0.2 it ended with 0
// whatever had happened inside, before 0.5 a guest got all of the machine's
// memory, and before 0.7 cleaning up raced with guests that were starting.
const (
	oldestMajor = 0
	oldestMinor = 7
)

var vmexecVersion = regexp.MustCompile(`(?m)^vmexec v?(\d+)\.(\d+)`)

func (v *vmexec) checkVersion(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	path, err := exec.LookPath(v.VMExec)
	if err != nil {
		return fmt.Errorf("the vm runner needs vmexec 0.7 or later: pacman -S vmexec; or QEMU with a kernel and a root file system: --vm-kernel, --vm-root (%w)", err)
	}
	text, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return fmt.Errorf("ask %s for its version: %w", path, err)
	}
	m := vmexecVersion.FindSubmatch(text)
	if m == nil {
		return fmt.Errorf("%s --version names no version: %.80q", path, text)
	}
	major, _ := strconv.Atoi(string(m[1])) // digits; out of range is newer than all
	minor, _ := strconv.Atoi(string(m[2]))
	if major < oldestMajor || major == oldestMajor && minor < oldestMinor {
		return fmt.Errorf("vmexec %s.%s is too old: it does not say reliably how a command ended, nor clean up safely; install %d.%d or later: pacman -Syu vmexec", m[1], m[2], oldestMajor, oldestMinor)
	}
	return nil
}

// imageFile returns the image when it is a file, or empty.
func (v *vmexec) imageFile() string {
	if strings.Contains(v.Image, "/") {
		return v.Image
	}
	return ""
}

// probe implements machine: it runs a guest that writes a result and ends.
func (v *vmexec) probe(ctx context.Context) error {
	if err := v.checkVersion(ctx); err != nil {
		return err
	}
	if v.imageFile() == "" && v.ImageSHA256 != "" {
		return fmt.Errorf("--vm-image-sha256 needs --vm-image with a file: vmexec checks its own image %q only against its download", v.Image)
	}
	if err := v.check(ctx); err != nil {
		return err
	}
	notes := notebook{v.CacheDir}
	key := "vmexec " + bootID() + " " + v.Image + " " + stamp(v.VMExec)
	if notes.read(key) == "works" {
		return nil
	}
	if err := v.tryGuest(ctx); err != nil {
		return fmt.Errorf("vmexec cannot start a guest: %w. Is the image there (vmexec pull %s) and can this user use /dev/kvm?%s", err, v.Image, v.lacking(thisHost()))
	}
	notes.write(key, "works")
	return nil
}

func (v *vmexec) check(ctx context.Context) error {
	if file := v.imageFile(); file != "" {
		return v.checkImage(ctx, file, v.ImageSHA256)
	}
	return nil
}

func (v *vmexec) tryGuest(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "buildbtw-probe-")
	if err != nil {
		return err
	}
	defer func() { _ = runners.RemoveTree(dir) }()
	g := guest{in: filepath.Join(dir, "in"), out: filepath.Join(dir, "out")}
	g.job.Work, g.job.Mark, g.job.BuildID = dir, runners.Mark(dir), "probe"
	for _, d := range []string{g.in, g.out} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(g.in, "guest.sh"), []byte("echo 0 >/buildbtw/out/result\n"), 0o644); err != nil {
		return err
	}
	said := proc.NewTail(saidLimit)
	g.log = said
	ctx, cancel := context.WithTimeoutCause(ctx, v.Boot, errNotUp)
	defer cancel()
	exit, err := v.run(ctx, g)
	if err == nil {
		_, err = readResult(g.out)
	}
	if err != nil {
		return fmt.Errorf("%w (%s; %s)", err, exit, oneLine(said))
	}
	return nil
}

// run implements machine. The guest's directories are shared with it. When the
// command has ended, or was killed, everything that it started is too: it
// carries the attempt's mark.
func (v *vmexec) run(ctx context.Context, g guest) (runners.Exit, error) {
	if err := v.check(ctx); err != nil {
		return runners.Exit{}, err
	}
	for _, dir := range []string{g.in, g.out} {
		if strings.Contains(dir, ":") {
			return runners.Exit{}, fmt.Errorf("vmexec cannot share %s with a guest, because of the colon in it; choose another directory", dir)
		}
	}
	return runners.Command{
		Args: v.arguments(g), Dir: g.job.Work, Env: v.environment(), Output: g.log, Mark: g.job.Mark,
		Stall: time.Duration(g.job.StallSeconds * float64(time.Second)), Idle: guestIdle, Grace: 10 * time.Second,
	}.Run(ctx)
}

func (v *vmexec) arguments(g guest) []string {
	args := []string{
		v.VMExec, "run", "--rm", "--pull", "never", "--interactive", "never", "--tty", "never",
		"--memory", fmt.Sprint(max(1, v.MemoryMiB/1024)), "--ssh-timeout", fmt.Sprint(int(v.Boot.Seconds())),
		"-v", g.in + ":/buildbtw/job:ro", "-v", g.out + ":/buildbtw/out",
	}
	if v.Accel == accelTCG {
		args = append(args, "--disable-kvm")
	}
	return append(args, v.Image, "--", "/bin/bash", "-c", "echo "+readyLine+"; cd /buildbtw/job && exec /bin/bash ./guest.sh")
}

// environment returns the variables by which vmexec finds images and state.
func (v *vmexec) environment() []string {
	return append([]string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG=C.UTF-8"}, v.Environment...)
}
