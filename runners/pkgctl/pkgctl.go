// Package pkgctl is the runner that builds as Arch Linux's packagers do: with
// devtools, in a clean chroot. It calls the programs of which `pkgctl build` and
// archbuild are made, so that downloading and running code of packages are two steps, and
// only the first has a network (infrastructure/guest/chroot.sh).
//
// Each build has a chroot for itself for as long as it runs, whatever other builds, of
// this worker or another, run on the machine; a lock of the kernel's says who has which
// (place.sh). All of it runs as root and ends with the worker.
//
// It needs an Arch Linux machine. `make test-devtools` tries it with the real devtools;
// the tests here have stand-ins of its programs, of sudo and of gpg.
package pkgctl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"buildbtw"
	"buildbtw/internal/limit"
	"buildbtw/internal/proc"
	"buildbtw/pacman/srcinfo"
	"buildbtw/runners"
	"buildbtw/runners/fetch"
)

// Options are the runner's settings. The zero value is right on Arch Linux; the
// paths are for tests.
type Options struct {
	Packager string // for .PKGINFO; empty: the runner's own name
	Jobs     int    // of make; 0: devtools' default

	// Disk is how much a build may have on disk, with the chroot's copy, in bytes; 0: all.
	Disk int64

	// Fetcher fetches the sources; nil: one without settings.
	Fetcher *fetch.Fetcher

	BinDir  string   // of devtools' programs; empty: /usr/bin
	DataDir string   // of devtools' settings; empty: /usr/share/devtools
	Chroots string   // where chroots go; empty: /var/lib/archbuild
	GPG     string   // empty: gpg
	Sudo    []string // program and options; nil: sudo -n
	Users   string   // the id before those of the users who build; empty: 2147400000
}

// Runner implements runners.Runner.
type Runner struct{ options Options }

// New makes a runner.
func New(o Options) *Runner {
	o.BinDir = cmp.Or(o.BinDir, "/usr/bin")
	o.DataDir = cmp.Or(o.DataDir, "/usr/share/devtools")
	o.Chroots = cmp.Or(o.Chroots, "/var/lib/archbuild")
	o.GPG = cmp.Or(o.GPG, "gpg")
	o.Packager = cmp.Or(o.Packager, "buildbtw pkgctl runner <buildbtw@localhost>")
	o.Users = cmp.Or(o.Users, "2147400000") // nothing else has them
	if o.Sudo == nil {
		o.Sudo = []string{"sudo", "-n"}
	}
	if o.Fetcher == nil {
		o.Fetcher, _ = fetch.New(fetch.Options{}) // without settings none is invalid
	}
	return &Runner{options: o}
}

// Name implements runners.Runner.
func (r *Runner) Name() string { return "pkgctl" }

// Writes implements runners.Writer.
func (r *Runner) Writes() []string { return []string{r.options.Chroots} }

// Probe implements runners.Runner.
func (r *Runner) Probe(ctx context.Context) error {
	if os.Geteuid() == 0 {
		return fmt.Errorf("the pkgctl runner must not run as root, because makepkg must not; run the worker as a user who may use sudo without a password")
	}
	if _, err := os.Stat(filepath.Join(r.options.BinDir, "makechrootpkg")); err != nil {
		return fmt.Errorf("the pkgctl runner needs Arch Linux's devtools: pacman -S devtools (%w)", err)
	}
	if _, err := os.Stat(filepath.Join(r.options.DataDir, "pacman.conf.d/extra.conf")); err != nil {
		return fmt.Errorf("devtools' configuration is not where it should be: %w", err)
	}
	if _, err := exec.LookPath(r.options.GPG); err != nil {
		return fmt.Errorf("the pkgctl runner needs gpg: pacman -S gnupg (%w)", err)
	}
	if err := r.probeRoot(ctx); err != nil {
		return err
	}
	return r.options.Fetcher.Probe(ctx)
}

// Build implements runners.Runner.
func (r *Runner) Build(ctx context.Context, job runners.Job, log io.Writer) runners.Result {
	info, err := srcinfo.Parse([]byte(job.Srcinfo))
	if err != nil {
		return runners.Failed("read .SRCINFO: %v", err)
	}
	relay, err := fetch.OpenRelay(ctx, job)
	if err != nil {
		return runners.Infrastructure("%v", err)
	}
	defer relay.Close()
	job.Repository.URL = relay.URL()
	setup, err := r.setupFor(job, info)
	if err != nil {
		return runners.Infrastructure("set devtools up: %v", err)
	}
	unverified, result, failed := r.options.Fetcher.Prepare(ctx, job, setup.sources(), log)
	if failed {
		return result
	}
	if unverified != "" {
		setup.arguments = append(setup.arguments, "--skippgpcheck")
	} else if result, failed := r.importKeys(ctx, setup, info, log); failed {
		return result
	}
	return r.run(ctx, setup, log)
}

func cancelled(ctx context.Context) runners.Result {
	return runners.Result{Outcome: buildbtw.OutcomeCancelled, Message: context.Cause(ctx).Error()}
}

// importKeys reads keys/pgp/*.asc into a keyring that is thrown away: devtools
// imports nothing, and keyservers are not to be relied on.
func (r *Runner) importKeys(ctx context.Context, s setup, info *srcinfo.Info, log io.Writer) (runners.Result, bool) {
	keys, _ := fetch.Signatures(info, s.job)
	if len(keys) == 0 {
		return runners.Result{}, false
	}
	exit, err := runners.Command{
		Args: append([]string{r.options.GPG, "--homedir", s.keys(), "--batch", "--no-tty", "--import", "--"}, keys...),
		Dir:  s.job.Tree, Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "HOME=" + s.job.Work},
		Output: log, Mark: s.job.Mark,
	}.Run(ctx)
	switch {
	case ctx.Err() != nil:
		return cancelled(ctx), true
	case err != nil:
		return runners.Infrastructure("import PGP keys: %v", err), true
	case !exit.Success():
		return runners.Failed("the keys in keys/pgp could not be imported (gpg %s)", exit), true
	}
	return runners.Result{}, false
}

// run runs the script as root. It holds the other end of the script's standard input,
// at whose end the script ends all that it started: also when this worker is killed.
func (r *Runner) run(ctx context.Context, s setup, log io.Writer) runners.Result {
	input, hold, err := os.Pipe()
	if err != nil {
		return runners.Infrastructure("open a pipe: %v", err)
	}
	defer input.Close()
	defer hold.Close()
	watch, last := &runners.LogWatch{}, proc.NewTail(maxLast)
	exit, err := runners.Command{
		Args: append(r.asRoot(s.job), "bash", "-c", s.script()), Dir: s.job.Work, Input: input, Env: ownEnv(),
		Output: io.MultiWriter(log, watch, last), Mark: s.job.Mark,
		Stall: time.Duration(s.job.StallSeconds * float64(time.Second)),
		Watch: limit.Watch{Limits: limit.Limits{Disk: r.options.Disk}, Dirs: s.written(), Become: r.options.Sudo, Every: measured},
		Grace: grace,
		Signal: func(pgid int, signal syscall.Signal) {
			hold.Close()
			if signal == syscall.SIGKILL {
				r.kill(pgid)
			}
		},
	}.Run(ctx)
	result := judge(ctx, exit, err, watch, last)
	if list, err := os.Open(s.installed()); err == nil { // else it failed before anything was built
		defer list.Close()
		result = result.WithInstalled(runners.ReadInstalled(list))
	}
	return result
}

const (
	grace   = time.Minute // the script takes seconds, on a busy machine more
	maxLast = 1000        // bytes

	measured = 10 * time.Second // between two looks at the disk, of which sudo keeps a log each
)

// kill ends a process group that runs as root: one that has outlived the script's end.
func (r *Runner) kill(pgid int) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	exit, err := runners.Command{Args: append(slices.Clone(r.options.Sudo), "kill", "-KILL", "--", fmt.Sprintf("-%d", pgid)), Env: ownEnv()}.Run(ctx)
	if err != nil || !exit.Success() {
		proc.Signal(pgid, syscall.SIGKILL) // at least our own processes
	}
}

// asRoot returns the beginning of a command that runs as root, with the environment
// of devtools.
func (r *Runner) asRoot(job runners.Job) []string {
	args := append(slices.Clone(r.options.Sudo), "env", "-u", "BASH_ENV")
	return append(args, r.environment(job)...)
}

// ownEnv returns the environment of sudo.
func ownEnv() []string {
	return []string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG=C.UTF-8"}
}

// environment returns the environment of devtools.
func (r *Runner) environment(job runners.Job) []string {
	env := []string{
		"PATH=" + r.options.BinDir + ":/usr/local/sbin:/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin", "LANG=C.UTF-8", "TERM=dumb", "HOME=/root", "USER=root",
		fmt.Sprintf("SOURCE_DATE_EPOCH=%d", job.SourceDate), "PACKAGER=" + r.options.Packager,
	}
	if r.options.Jobs > 0 {
		env = append(env, fmt.Sprintf("MAKEFLAGS=-j%d", r.options.Jobs), fmt.Sprintf("NPROC=%d", r.options.Jobs))
	}
	return env
}

// judge returns the result of the script.
func judge(ctx context.Context, exit runners.Exit, err error, watch *runners.LogWatch, last *proc.Tail) runners.Result {
	var exceeded *limit.ExceededError
	switch {
	case ctx.Err() != nil:
		return cancelled(ctx)
	case errors.As(exit.Killed, &exceeded):
		return runners.Overused(exceeded)
	case exit.Killed != nil:
		return runners.Result{Outcome: buildbtw.OutcomeStalled, Message: exit.Killed.Error()}
	case err != nil:
		return runners.Infrastructure("%v", err)
	case exit.Success():
		return runners.Result{Outcome: buildbtw.OutcomeBuilt}
	case exit.OOM:
		r := runners.Infrastructure("out of memory: the kernel killed a process (%s)", exit)
		r.Doubtful = !exit.Counted // it may have been any on this machine
		return r
	case exit.Signal != 0:
		return runners.Infrastructure("devtools was killed by signal %s", exit.Signal)
	}
	return runners.JudgeDevtools(watch, exit.Code, last.String())
}

// probeRoot returns why the script could not run as root as it does for a build.
func (r *Runner) probeRoot(ctx context.Context) error {
	said := proc.NewTail(maxLast)
	args := append(r.asRoot(runners.Job{}), "bash", "-c", `test "$USER$EUID" = root0 && type arch-nspawn makechrootpkg pacman bsdtar rsync setpriv unshare ip ps >/dev/null`)
	exit, err := runners.Command{Args: args, Env: ownEnv(), Output: said}.Run(ctx)
	if err == nil && !exit.Success() {
		err = fmt.Errorf("%s: %s", exit, strings.TrimSpace(said.String()))
	}
	if err != nil {
		return fmt.Errorf("the pkgctl runner needs sudo that lets this user run any command as root without a password (NOPASSWD: ALL), and as root devtools, pacman, rsync, libarchive, iproute2 and util-linux: %w", err)
	}
	return nil
}
