package makepkg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"buildbtw/pacman/srcinfo"
	"buildbtw/runners"
)

// shellScript gives a shell what makepkg gives the functions of a PKGBUILD, and goes where
// they begin: BASH -c shellScript shell CONF STARTDIR BUILDDIR PKGBASE COMMAND...
const shellScript = `source "$1"
export CPPFLAGS CFLAGS CXXFLAGS LDFLAGS LTOFLAGS MAKEFLAGS CHOST CARCH
export startdir=$2 srcdir=$3/$4/src pkgdir=$3/$4/pkg/$4
shift 4
cd "$srcdir" 2>/dev/null || cd "$startdir"
exec "$@"`

// Shells implements runners.Sheller.
func (r *Runner) Shells() error {
	if r.options.Isolation == None {
		return errors.New("a shell needs the sandbox: it would have the network and all that the worker's user has")
	}
	return nil
}

// Shell implements runners.Sheller.
func (r *Runner) Shell(ctx context.Context, job runners.Job, terminal string, command []string) (code int, err error) {
	if err := r.Shells(); err != nil {
		return 0, err
	}
	info, err := srcinfo.Parse([]byte(job.Srcinfo))
	if err != nil {
		return 0, fmt.Errorf("read .SRCINFO: %w", err)
	}
	own := *r
	own.groups = nil // limits of single processes will do
	b := own.newBuild(job, io.Discard, &runners.LogWatch{})
	b.info = info
	if err := b.handOver(ctx); err != nil {
		return 0, fmt.Errorf("open the build's directories: %w", err)
	}
	defer func() { err = errors.Join(err, b.takeBack(ctx)) }()
	s := step{
		args: []string{b.tools.bash, "-c", shellScript, "shell", b.place.conf + "/makepkg.conf", b.place.tree, b.place.build, job.Pkgbase},
		env:  append(b.makepkgEnv(), "TERM="+terminal), dir: b.place.tree, overlay: true,
		terminal: term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd())),
	}
	if s.args = append(s.args, command...); len(command) == 0 {
		s.args = append(s.args, b.tools.bash, "--norc")
		s.env = append(s.env, "PS1=["+job.Pkgbase+" \\w]$ ")
	}
	started, status, err := newStatusPipe()
	if err != nil {
		return 0, err
	}
	args := b.boxed(s)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env, cmd.ExtraFiles = "/", []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "LANG=C.UTF-8"}, []*os.File{status}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if s.terminal {
		err = runOnTerminal(cmd)
	} else {
		err = cmd.Run()
	}
	status.Close()
	ran := <-started
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit):
		return 0, fmt.Errorf("open a shell: %w", err)
	case !ran:
		return 0, errBox
	}
	return cmd.ProcessState.ExitCode(), nil
}

// runOnTerminal runs a command on a terminal of its own, which is relayed to this
// process's: with this one it could type into the shell that started it (TIOCSTI).
func runOnTerminal(cmd *exec.Cmd) error {
	ours, theirs, err := openTerminal()
	if err != nil {
		return fmt.Errorf("make a terminal: %w", err)
	}
	defer ours.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty = true, true
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	defer signal.Stop(resized)
	resized <- syscall.SIGWINCH
	before, err := term.MakeRaw(int(os.Stdin.Fd()))
	if err != nil {
		theirs.Close()
		return err
	}
	defer func() { _ = term.Restore(int(os.Stdin.Fd()), before) }()
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return err
	}
	go func() {
		for range resized {
			if size, err := unix.IoctlGetWinsize(int(os.Stdin.Fd()), unix.TIOCGWINSZ); err == nil {
				_ = unix.IoctlSetWinsize(int(ours.Fd()), unix.TIOCSWINSZ, size)
			}
		}
	}()
	go func() { _, _ = io.Copy(ours, os.Stdin) }() // ends with this process
	_, _ = io.Copy(os.Stdout, ours)                // until the last program with the terminal has ended
	return cmd.Wait()
}

// openTerminal makes a pseudoterminal (pty(7)): the end of who relays, and of who runs on it.
func openTerminal() (ours, theirs *os.File, err error) {
	ours, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	n, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		theirs, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		ours.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}
