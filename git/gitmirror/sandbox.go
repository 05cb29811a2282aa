package gitmirror

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"

	"buildbtw"
	"buildbtw/internal/limit"
	"buildbtw/internal/proc"
)

// nobody is the user and the group "nobody" of every Linux distribution.
const nobody = 65534

// boxDir is where a sandboxed program finds its directory.
const boxDir = "/build"

// Limits of a PKGBUILD while makepkg makes its .SRCINFO, which takes some MiB and a dozen
// processes: those, the size of a source directory, and some slack.
const (
	srcinfoMemory    = 1 << 30
	srcinfoProcesses = 256
	srcinfoDisk      = maxDirBytes + 256<<20
)

// sandboxed prepares a program that anybody may have written, to run in dir, and
// the watch over it. Bubblewrap shows it the system's programs and dir and nothing else,
// without a network; it can write to dir alone, makes no user namespaces, is never
// root, and dies with all its children. Where bubblewrap cannot be used nothing is run:
// the error is Unavailable.
func (m *Mirror) sandboxed(ctx context.Context, dir string, command ...string) (*exec.Cmd, limit.Watch, error) {
	watch := limit.Watch{Limits: m.limits, Dirs: []string{dir}}
	box := m.bubblewrap(ctx)
	if box == nil && ctx.Err() != nil { // time was over before it was known whether bubblewrap can be used
		return nil, watch, context.Cause(ctx)
	}
	if box == nil {
		return nil, watch, buildbtw.Unavailable("the .SRCINFO is missing, older than the PKGBUILD or of another version, and a PKGBUILD is only run in bubblewrap, which cannot be used here; commit a .SRCINFO (makepkg --printsrcinfo > .SRCINFO), or install bubblewrap and allow user namespaces")
	}
	command = slices.Concat(box, []string{"--bind", dir, boxDir, "--bind", dir, "/tmp", "--bind", dir, "/dev/shm", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", boxDir, "--"}, command)
	if os.Geteuid() != 0 && slices.Contains(box, "--map-root-user") {
		watch.Become = box[:slices.Index(box, "--")]
	}
	return unprivileged(ctx, dir, boxDir, command), watch, nil
}

// limited returns the beginning of a command line that is held to limits.
func limited(bash string, l limit.Limits, before string) []string {
	return []string{bash, "-c", before + l.Shell(false) + ` && exec "$@"`, "limits"}
}

// unprivileged prepares a command in a clean environment and without root's
// rights. home is the path of dir in the command's view.
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

// Confined reports whether bubblewrap can be used. If not, a plain directory without
// a fitting .SRCINFO is a broken source: to make one its PKGBUILD would have to be run.
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
		"--proc", "/proc", "--dev", "/dev",
	}
	for _, path := range []string{"/etc/makepkg.conf", "/etc/makepkg.conf.d", "/etc/passwd", "/etc/group", "/etc/alternatives", "/etc/ld.so.cache"} {
		args = append(args, "--ro-bind-try", path, path)
	}
	// It costs some 10 ms to see that it works, next to a second of makepkg.
	if held := m.held(); held != nil {
		if args := append(held, args...); m.works(ctx, args) {
			return args
		}
	}
	if m.works(ctx, args) { // some systems let bwrap make namespaces, but not unshare
		return args
	}
	return nil
}

// held returns the beginning of a command line by which bwrap is held to the limits:
// a user namespace with room for the two that bwrap makes, so that the program can
// make none. Nil when programs are missing.
func (m *Mirror) held() []string {
	unshare, noUnshare := m.findProgram("unshare")
	bash, noBash := m.findProgram("bash")
	if noUnshare != nil || noBash != nil {
		return nil
	}
	return append([]string{unshare, "--user", "--map-root-user", "--"},
		limited(bash, m.limits, "(echo 2 >/proc/sys/user/max_user_namespaces) 2>/dev/null; ")...)
}

func (m *Mirror) works(ctx context.Context, box []string) bool {
	return proc.Run(ctx, unprivileged(ctx, "/", "/", append(slices.Clone(box), "--", "true")), killAfter) == nil
}
