package makepkg

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"buildbtw/internal/limit"
	"buildbtw/runners"
)

//go:embed box.sh
var boxScript string

// step is one program of a build. None has a network.
type step struct {
	args    []string
	env     []string
	dir     string
	asRoot  bool      // as root of the private pacman root, which has no more rights outside
	overlay bool      // with the private root over the host's directories
	also    io.Writer // gets the output besides the log; may be nil

	terminal bool // on a terminal that is this program's alone, see runOnTerminal
}

// errBox is the error of a sandbox that did not start its program.
var errBox = errors.New("the sandbox could not be started")

// run executes a step; its output goes to the log. An error means that the
// program was not run.
func (b *build) run(ctx context.Context, s step) (runners.Exit, error) {
	c := runners.Command{
		Env: s.env, Dir: s.dir, Output: io.MultiWriter(b.log, cmp.Or(s.also, io.Discard)), Mark: b.job.Mark,
		Stall: time.Duration(b.job.StallSeconds * float64(time.Second)),
		Watch: limit.Watch{Limits: b.options.Limits, Dirs: b.ownDirs()}, Groups: b.groups,
	}
	if b.way == ownUser {
		c.User = b.uid
	}
	if b.options.Isolation == None {
		limits := b.options.Limits
		if b.way == sameUser {
			limits.Processes = 0 // the kernel would count the user's others, too
		}
		c.Args = append(b.dropRoot(), b.tools.bash, "-c", limits.Shell(b.groups != nil)+` && exec "$@"`, "limits")
		if s.asRoot {
			c.Args = append(c.Args, b.tools.fakeroot, "--")
		}
		c.Args = append(c.Args, s.args...)
		return c.Run(ctx)
	}
	started, status, err := newStatusPipe()
	if err != nil {
		return runners.Exit{}, err
	}
	c.Files = []*os.File{status}
	c.Watch.Become = b.becomeRoot()
	c.Args, c.Dir = b.boxed(s), "/"
	c.Env = []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "LANG=C.UTF-8"}
	exit, err := c.Run(ctx)
	status.Close()
	if ran := <-started; err == nil && !ran && exit.Killed == nil {
		err = fmt.Errorf("%w (%s); its output is in the log", errBox, exit)
	}
	return exit, err
}

// newStatusPipe returns the descriptor for bwrap's --json-status-fd, on which it
// reports whether it could start the program: exit codes cannot, because a
// PKGBUILD may end with any.
func newStatusPipe() (<-chan bool, *os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("make a pipe for the sandbox: %w", err)
	}
	started := make(chan bool, 1)
	go func() {
		defer r.Close()
		text, _ := io.ReadAll(io.LimitReader(r, 64<<10)) // its output until the end
		started <- bytes.Contains(text, []byte(`"exit-code"`))
	}()
	return started, w, nil
}

// boxed returns the command line that runs a step in the sandbox: mount namespace
// and mounts as root of it, then, as a user without rights, limits and bwrap. A
// user namespace around bwrap's has room for those that bwrap makes, so that the
// program in it can make none.
func (b *build) boxed(s step) []string {
	base := baseDir(b.job)
	args := append(b.becomeRoot("--mount", "--propagation", "private"),
		b.tools.bash, "-c", boxScript, "box", base, b.job.Tree, b.job.Output, b.job.Work, strconv.FormatInt(b.options.Limits.Shared(), 10))
	laid := b.overlays(s)
	args = append(args, laid...)
	args = append(args, "--")
	args = append(args, b.dropRoot()...)
	spaces := 2
	if s.asRoot { // bwrap changes the user's id in a second one
		spaces = 1
	}
	args = append(args, b.tools.unshare, "--user", "--map-root-user", "--", b.tools.bash, "-c",
		fmt.Sprintf(`(echo %d >/proc/sys/user/max_user_namespaces) 2>/dev/null; %s && exec "$@"`, spaces, b.options.Limits.Shell(b.groups != nil)), "limits")
	args = append(args, b.tools.bwrap, "--unshare-all", "--die-with-parent", "--hostname", "buildbtw", "--json-status-fd", "3")
	if !s.terminal {
		args = append(args, "--new-session")
	}
	args = append(args, hostBinds(base, laid)...)
	args = append(args, b.stepBinds(base, s)...)
	for _, dir := range []string{"/dev", "/run", "/var", "/"} { // else they are memory that nothing bounds
		args = append(args, "--remount-ro", dir)
	}
	args = append(args, "--chdir", s.dir, "--clearenv")
	for _, e := range s.env {
		name, value, _ := strings.Cut(e, "=")
		args = append(args, "--setenv", name, value)
	}
	return append(append(args, "--"), s.args...)
}

// baseDir returns a directory for the mounts of one build. It is covered in the
// build's own mount namespace only, and must not contain the build itself.
func baseDir(job runners.Job) string {
	for _, dir := range []string{"/mnt", "/srv", "/media", "/run"} {
		info, err := os.Stat(dir)
		inside := strings.HasPrefix(job.Work, dir+"/") || strings.HasPrefix(job.Tree, dir+"/") || strings.HasPrefix(job.Output, dir+"/")
		if err == nil && info.IsDir() && !inside {
			return dir
		}
	}
	return "/tmp"
}

// overlays returns the host's directories into which packages were installed.
func (b *build) overlays(s step) []string {
	if !s.overlay {
		return nil
	}
	var dirs []string
	for _, dir := range systemDirs() {
		entries, err := os.ReadDir(filepath.Join(b.job.Work, "root", dir))
		if _, statErr := os.Stat("/" + dir); err == nil && statErr == nil && len(entries) > 0 {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// systemDirs returns the parts of the host that a build sees: of /etc only the
// copies that copyEtc made.
func systemDirs() []string { return []string{"usr", "etc", "opt"} }

// libraryDirs returns the directories beside /usr that are links into it, or were
// before.
func libraryDirs() []string { return []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32"} }

// hostBinds mounts the host's system read-only, with overlays or as it is.
func hostBinds(base string, laid []string) []string {
	var args []string
	for _, dir := range systemDirs() {
		from := "/" + dir
		switch {
		case slices.Contains(laid, dir):
			from = base + from
		case dir == "etc":
			from = base + "/work/etc"
		}
		if _, err := os.Stat(from); err == nil || strings.HasPrefix(from, base+"/") {
			args = append(args, "--ro-bind", from, "/"+dir)
		}
	}
	if info, err := os.Lstat("/usr/local/etc"); err == nil && info.IsDir() { // settings, as in /etc
		args = append(args, "--ro-bind", base+"/empty", "/usr/local/etc")
	}
	for _, dir := range libraryDirs() {
		if target, err := os.Readlink("/" + dir); err == nil {
			args = append(args, "--symlink", target, "/"+dir)
		} else if info, err := os.Stat("/" + dir); err == nil && info.IsDir() {
			args = append(args, "--ro-bind", "/"+dir, "/"+dir)
		}
	}
	return append(args, "--dev", "/dev", "--bind", base+"/shm", "/dev/shm", "--proc", "/proc", "--tmpfs", "/run", "--tmpfs", "/var")
}

// stepBinds mounts the build's own directories.
func (b *build) stepBinds(base string, s step) []string {
	work := base + "/work/"
	args := []string{"--ro-bind", work + "conf", b.place.conf, "--bind", work + "tmp", "/tmp", "--bind", work + "tmp", "/var/tmp"}
	// Also where a package brings its own.
	args = append(args, "--ro-bind", work+"etc/passwd", "/etc/passwd", "--ro-bind", work+"etc/group", "/etc/group")
	if s.asRoot {
		return append(args, "--uid", "0", "--gid", "0", "--cap-add", "ALL",
			"--bind", work+"root", b.place.root, "--ro-bind", work+"packages", b.place.packages, "--bind", work+"cache", b.place.cache, "--bind", work+"gpg", b.place.gpg)
	}
	return append(args, "--uid", strconv.Itoa(builder), "--gid", strconv.Itoa(builder),
		"--bind", base+"/tree", b.place.tree, "--bind", base+"/output", b.place.pkgdest,
		"--bind", work+"build", b.place.build, "--bind", work+"srcdest", b.place.srcdest, "--bind", work+"home", b.place.home,
		"--bind", work+"root/var/lib/pacman", b.place.dbpath)
}

// builder is the user id inside the sandbox. makepkg refuses root.
const builder = 1000
