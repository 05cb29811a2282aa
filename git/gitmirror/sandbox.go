package gitmirror

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"buildbtw/internal/proc"
)

// nobody is the user and the group "nobody" of every Linux distribution.
const nobody = 65534

// boxDir is where a sandboxed program finds its directory.
const boxDir = "/build"

// sandboxed prepares a program that anybody may have written, to run in dir. It
// never runs as root. With bubblewrap it sees the system's programs and dir and
// nothing else, has no network, and dies with all its children. Without, it runs
// as the user nobody if this process is root's, else as its own user: see
// Confined.
func (m *Mirror) sandboxed(ctx context.Context, dir string, command ...string) *exec.Cmd {
	seenDir := dir
	if bwrap := m.bubblewrap(ctx); bwrap != nil {
		seenDir = boxDir
		command = append(append(bwrap, "--bind", dir, boxDir, "--chdir", boxDir, "--"), command...)
	}
	return unprivileged(ctx, dir, seenDir, command)
}

// unprivileged prepares a command in a clean environment and without root's
// rights. home is what the command sees dir as.
func unprivileged(ctx context.Context, dir, home string, command []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "HOME=" + home, "TMPDIR=" + home,
		"BUILDDIR=" + home, "PKGDEST=" + home, "SRCDEST=" + home, "LOGDEST=" + home,
	}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return cmd
}

// Confined reports whether bubblewrap keeps the PKGBUILDs of plain directories,
// which must be executed to make a .SRCINFO, away from everything else. If not,
// a server that does not run as root executes them with its own rights.
func (m *Mirror) Confined(ctx context.Context) bool { return m.bubblewrap(ctx) != nil }

// bubblewrap returns the command line up to the program's own directory, or nil
// where it is not installed or the system does not allow it.
func (m *Mirror) bubblewrap(ctx context.Context) []string {
	program, err := m.findProgram("bwrap")
	if err != nil {
		return nil
	}
	args := []string{
		program, "--unshare-all", "--die-with-parent", "--new-session",
		"--uid", strconv.Itoa(nobody), "--gid", strconv.Itoa(nobody),
		"--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/sbin", "/sbin",
		"--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64",
		"--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp",
	}
	for _, path := range []string{"/etc/makepkg.conf", "/etc/makepkg.conf.d", "/etc/passwd", "/etc/group", "/etc/alternatives", "/etc/ld.so.cache"} {
		args = append(args, "--ro-bind-try", path, path)
	}
	// It costs 10 ms to see that it works, next to a second of makepkg.
	if proc.Run(ctx, unprivileged(ctx, "/", "/", append(args, "--", "true")), killAfter) != nil {
		return nil
	}
	return args
}
