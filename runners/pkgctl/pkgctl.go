// Package pkgctl is the runner that builds as Arch Linux's packagers do: with
// devtools, in a clean chroot. It calls devtools' archbuild under a name of its
// own rather than `pkgctl build`, which would look the package's repository up
// and could find the iteration's (docs/toolchain.md, section 4).
//
// It needs an Arch Linux machine. It was written from devtools' source and is
// tested against stand-ins of archbuild, sudo and gpg that behave as recorded
// there, not against the real programs.
package pkgctl

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"buildbtw"
	"buildbtw/runners"
)

// Options are the runner's settings. The zero value is right on Arch Linux; the
// paths are for tests.
type Options struct {
	Packager string // for .PKGINFO; empty: devtools' default
	Jobs     int    // of make; 0: devtools' default

	Archbuild string   // empty: /usr/bin/archbuild
	BinDir    string   // where the name for our archbuild goes; empty: /usr/local/bin
	ConfDir   string   // devtools' pacman.conf files; empty: /usr/share/devtools/pacman.conf.d
	GPG       string   // empty: gpg
	Sudo      []string // program and options; nil: sudo -n
	User      string   // who builds, for $USER; empty: nobody is named
}

// Runner implements runners.Runner. Builds run one after the other, because the
// chroot and devtools' configuration belong to the machine.
type Runner struct {
	options Options

	turn sync.Mutex
	last string // the repository that the chroot was made for
}

// New makes a runner.
func New(o Options) *Runner {
	o.Archbuild = cmp.Or(o.Archbuild, "/usr/bin/archbuild")
	o.BinDir = cmp.Or(o.BinDir, "/usr/local/bin")
	o.ConfDir = cmp.Or(o.ConfDir, "/usr/share/devtools/pacman.conf.d")
	o.GPG = cmp.Or(o.GPG, "gpg")
	if o.Sudo == nil {
		o.Sudo = []string{"sudo", "-n"}
	}
	return &Runner{options: o}
}

// Name implements runners.Runner.
func (r *Runner) Name() string { return "pkgctl" }

// Probe implements runners.Runner.
func (r *Runner) Probe(ctx context.Context) error {
	if os.Geteuid() == 0 {
		return fmt.Errorf("the pkgctl runner must not run as root, because makepkg must not; run the worker as a user who may use sudo without a password")
	}
	if _, err := os.Stat(r.options.Archbuild); err != nil {
		return fmt.Errorf("the pkgctl runner needs Arch Linux's devtools: pacman -S devtools (%w)", err)
	}
	if _, err := os.Stat(filepath.Join(r.options.ConfDir, "extra.conf")); err != nil {
		return fmt.Errorf("devtools' configuration is not where it should be: %w", err)
	}
	if _, err := exec.LookPath(r.options.GPG); err != nil {
		return fmt.Errorf("the pkgctl runner needs gpg: pacman -S gnupg (%w)", err)
	}
	if err := r.sudo(ctx, "true"); err != nil {
		return fmt.Errorf("the pkgctl runner needs sudo without a password for this user: %w", err)
	}
	return nil
}

// Build implements runners.Runner.
func (r *Runner) Build(ctx context.Context, job runners.Job, log io.Writer) runners.Result {
	r.turn.Lock()
	defer r.turn.Unlock()
	if ctx.Err() != nil {
		return cancelled(ctx)
	}
	setup := setupFor(job)
	if err := r.install(ctx, setup, job); err != nil {
		return runners.Infrastructure("set devtools up: %v", err)
	}
	if err := os.Mkdir(filepath.Join(job.Work, "gnupg"), 0o700); err != nil {
		return runners.Infrastructure("make the keyring: %v", err)
	}
	if result, failed := r.importKeys(ctx, job, log); failed {
		return result
	}
	return r.archbuild(ctx, setup, job, log)
}

func cancelled(ctx context.Context) runners.Result {
	return runners.Result{Outcome: buildbtw.OutcomeCancelled, Message: context.Cause(ctx).Error()}
}

// importKeys reads keys/pgp/*.asc into a keyring that is thrown away: devtools
// imports nothing, and keyservers are not to be relied on.
func (r *Runner) importKeys(ctx context.Context, job runners.Job, log io.Writer) (runners.Result, bool) {
	keys, _ := filepath.Glob(filepath.Join(job.Tree, "keys/pgp/*.asc")) // the tree's path has no pattern characters
	if len(keys) == 0 {
		return runners.Result{}, false
	}
	exit, err := runners.Command{
		Args:   append([]string{r.options.GPG, "--batch", "--no-tty", "--import", "--"}, keys...),
		Env:    r.environment(job),
		Output: log, Mark: job.Mark,
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

// archbuild builds in the chroot. The chroot is made anew when the last build
// was of another repository: packages of that one could be in it.
func (r *Runner) archbuild(ctx context.Context, s setup, job runners.Job, log io.Writer) runners.Result {
	args := []string{filepath.Join(r.options.BinDir, s.program)}
	if r.last != job.Repository.URL {
		args = append(args, "-c")
	}
	r.last = ""
	args = append(args, "--", "-l", slot)
	if job.NoCheck {
		args = append(args, "--", "--nocheck")
	}
	watch := &runners.LogWatch{}
	exit, err := runners.Command{
		Args: args, Dir: job.Tree, Env: r.environment(job),
		Output: io.MultiWriter(log, watch), Mark: job.Mark,
		Stall:  time.Duration(job.StallSeconds * float64(time.Second)),
		Signal: r.signal,
	}.Run(ctx)
	result := judge(ctx, exit, err, watch)
	if result.Outcome == buildbtw.OutcomeBuilt || result.Outcome == buildbtw.OutcomeFailed {
		r.last = job.Repository.URL // the chroot itself is sound
	}
	return result
}

// slot names the chroot's working copy. Without a name devtools picks one at
// random and waits when it is in use.
const slot = "buildbtw"

// environment returns the environment of devtools, as far as sudo passes it on.
func (r *Runner) environment(job runners.Job) []string {
	env := []string{
		"PATH=" + r.options.BinDir + ":/usr/local/sbin:/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin", "LANG=C.UTF-8", "TERM=dumb",
		"HOME=" + job.Work, "USER=" + r.options.User, "LOGNAME=" + r.options.User,
		"GNUPGHOME=" + filepath.Join(job.Work, "gnupg"),
		"PKGDEST=" + job.Output, "SRCDEST=" + job.Work, "SRCPKGDEST=" + job.Work, "LOGDEST=" + job.Work,
		fmt.Sprintf("SOURCE_DATE_EPOCH=%d", job.SourceDate),
	}
	if r.options.Packager != "" {
		env = append(env, "PACKAGER="+r.options.Packager)
	}
	if r.options.Jobs > 0 {
		env = append(env, fmt.Sprintf("MAKEFLAGS=-j%d", r.options.Jobs), fmt.Sprintf("NPROC=%d", r.options.Jobs))
	}
	return env
}

// judge returns the result of an archbuild that ended.
func judge(ctx context.Context, exit runners.Exit, err error, watch *runners.LogWatch) runners.Result {
	switch {
	case ctx.Err() != nil:
		return cancelled(ctx)
	case exit.Killed != nil:
		return runners.Result{Outcome: buildbtw.OutcomeStalled, Message: exit.Killed.Error()}
	case err != nil:
		return runners.Infrastructure("%v", err)
	case exit.Success():
		return runners.Result{Outcome: buildbtw.OutcomeBuilt}
	case exit.OOM:
		return runners.Infrastructure("out of memory: the kernel killed a process (%s)", exit)
	case exit.Signal != 0:
		return runners.Infrastructure("archbuild was killed by signal %s", exit.Signal)
	}
	return runners.JudgeBuild(watch, "archbuild "+exit.String())
}
