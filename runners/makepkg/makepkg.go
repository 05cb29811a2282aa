// Package makepkg is the runner that builds with real makepkg on any Linux
// machine, Arch or not: as an unprivileged user, in a sandbox without network,
// against the packages of the iteration's repository. Real pacman installs those
// into a private root, which is mounted read-only over the host's /usr; everything
// that the repository does not have comes from the host.
//
// Arrangement and measurements: docs/toolchain.md, sections 1, 2, 8.
package makepkg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"buildbtw"
	"buildbtw/pacman/srcinfo"
	"buildbtw/runners"
)

// Isolation is how a build is isolated from the machine.
type Isolation string

const (
	// Sandbox uses namespaces. The PKGBUILD sees the host's /usr, /etc and /opt
	// read-only, no network, and no process but its own.
	Sandbox Isolation = "sandbox"
	// None isolates nothing: the repository's packages are found through the compiler's
	// environment variables only, and the PKGBUILD may do what the user may.
	// For machines that allow no namespaces.
	None Isolation = "none"
)

// Options are the runner's settings; the zero value is a good default.
type Options struct {
	Isolation Isolation // empty: Sandbox

	// UID and GID are the building user when the worker runs as root; a build
	// never runs as root. 0: 65534, nobody.
	UID, GID int

	Packager string   // for .PKGINFO; empty: the runner's own name
	Jobs     int      // of make; 0: 2
	Debug    bool     // make -debug packages
	Proxy    []string // environment entries like https_proxy=… for fetching sources

	// Pauses are waited between tries to reach the repository; nil: 1 s to 30 s,
	// a minute together.
	Pauses []time.Duration
}

// Runner implements runners.Runner.
type Runner struct {
	options Options
	tools   tools
}

// New returns a runner; Probe reports whether it can work on this machine.
func New(o Options) *Runner {
	o.Isolation = cmp.Or(o.Isolation, Sandbox)
	o.UID, o.GID = cmp.Or(o.UID, nobody), cmp.Or(o.GID, nobody)
	o.Packager = cmp.Or(o.Packager, "buildbtw makepkg runner <buildbtw@localhost>")
	o.Jobs = cmp.Or(o.Jobs, 2)
	if o.Pauses == nil {
		o.Pauses = []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 15 * time.Second, 30 * time.Second}
	}
	return &Runner{options: o}
}

// nobody is the user that owns nothing.
const nobody = 65534

// Name implements runners.Runner.
func (r *Runner) Name() string { return "makepkg" }

// build is one job on its way through the runner.
type build struct {
	*Runner
	job   runners.Job
	info  *srcinfo.Info
	place place
	log   io.Writer
	watch *runners.LogWatch
}

// Build implements runners.Runner.
func (r *Runner) Build(ctx context.Context, job runners.Job, log io.Writer) runners.Result {
	info, err := srcinfo.Parse([]byte(job.Srcinfo))
	if err != nil {
		return runners.Failed("read .SRCINFO: %v", err)
	}
	watch := &runners.LogWatch{}
	b := &build{Runner: r, job: job, info: info, place: r.placeFor(job), log: io.MultiWriter(log, watch), watch: watch}
	if err := b.prepare(); err != nil {
		return runners.Infrastructure("prepare the build: %v", err)
	}
	for _, step := range []func(context.Context) (runners.Result, bool){b.install, b.fetch, b.makepkg} {
		if result, done := step(ctx); done {
			return result
		}
	}
	return runners.Result{Outcome: buildbtw.OutcomeBuilt}
}

// prepare makes directories and configuration, which belong to the building user.
func (b *build) prepare() error {
	for _, dir := range []string{
		"build", "srcdest", "tmp", "home", "conf", "cache", "gpg",
		"root/usr", "root/etc", "root/opt", "root/var/lib/pacman",
	} {
		if err := os.MkdirAll(filepath.Join(b.job.Work, dir), 0o755); err != nil {
			return err
		}
	}
	for name, file := range b.configuration() {
		if err := os.WriteFile(filepath.Join(b.job.Work, "conf", name), []byte(file.text), file.mode); err != nil {
			return err
		}
	}
	if os.Geteuid() != 0 {
		return nil
	}
	for _, dir := range []string{b.job.Tree, b.job.Output, b.job.Work} {
		err := filepath.WalkDir(dir, func(name string, _ os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(name, b.options.UID, b.options.GID) // links themselves included
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// fetch downloads the sources, because the build itself has no network.
func (b *build) fetch(ctx context.Context) (runners.Result, bool) {
	isRemote := func(source string) bool { // [name::]url
		if _, url, found := strings.Cut(source, "::"); found {
			source = url
		}
		return strings.Contains(source, "://") && !strings.HasPrefix(source, "file://")
	}
	if !slices.ContainsFunc(b.info.Base.Source.For(b.job.Architecture), isRemote) {
		return runners.Result{}, false
	}
	fmt.Fprintln(b.log, "==> Fetching sources...")
	exit, err := b.run(ctx, step{
		args:    append(b.makepkgCommand(), "--verifysource", "--nodeps"),
		env:     append(b.makepkgEnv(), b.options.Proxy...),
		dir:     b.place.tree,
		network: true,
	})
	if err == nil && exit.Success() {
		return runners.Result{}, false
	}
	result := b.judge(ctx, exit, err)
	result.Message = "sources could not be fetched: " + result.Message
	return result, true
}

func (b *build) makepkg(ctx context.Context) (runners.Result, bool) {
	args := append(b.makepkgCommand(), "--force", "--holdver")
	if b.job.NoCheck {
		args = append(args, "--nocheck")
	}
	exit, err := b.run(ctx, step{args: args, env: b.makepkgEnv(), dir: b.place.tree, overlay: true})
	if err == nil && exit.Success() {
		return runners.Result{}, false
	}
	return b.judge(ctx, exit, err), true
}

func (b *build) makepkgCommand() []string {
	return []string{b.tools.makepkg, "--config", b.place.conf + "/makepkg.conf", "--noconfirm", "--nosign", "--skippgpcheck"}
}

// judge returns the result of a makepkg that failed.
func (b *build) judge(ctx context.Context, exit runners.Exit, err error) runners.Result {
	if result, known := b.common(ctx, exit, err); known {
		return result
	}
	reason := b.reason(exit.Code)
	if slices.Contains([]int{2, 3, 10, 11, 15}, exit.Code) { // a PKGBUILD can fake them, and gains a few retries
		return runners.Infrastructure("%s", reason)
	}
	return runners.Failed("%s", reason)
}

// common returns the result of a program that failed for reasons which every
// program may have.
func (b *build) common(ctx context.Context, exit runners.Exit, err error) (runners.Result, bool) {
	var stalled *runners.StallError
	switch {
	case ctx.Err() != nil: // the agent knows what the cause stands for
		return runners.Result{Outcome: buildbtw.OutcomeCancelled, Message: context.Cause(ctx).Error()}, true
	case errors.As(exit.Killed, &stalled):
		return runners.Result{Outcome: buildbtw.OutcomeStalled, Message: stalled.Error()}, true
	case err != nil:
		return runners.Infrastructure("%v", err), true
	case exit.OOM:
		return runners.Infrastructure("out of memory: the kernel killed a process (%s)", exit), true
	case exit.Signal != 0:
		return runners.Infrastructure("the sandbox was killed by signal %s", exit.Signal), true
	case exit.Code == 128+int(syscall.SIGKILL):
		return runners.Infrastructure("makepkg was killed by signal KILL, which the worker did not send"), true
	}
	return runners.Result{}, false
}

// reason describes why makepkg ended with this code.
func (b *build) reason(code int) string {
	meaning := map[int]string{ // /usr/share/makepkg/util/error.sh
		1: "general error", 2: "error in the configuration", 3: "invalid option",
		4: "a function of the PKGBUILD failed", 5: "the package could not be made", 6: "a file is missing or the PKGBUILD cannot be read",
		7: "the package directory is missing", 8: "dependencies are missing", 9: "dependencies could not be removed",
		10: "run as root", 11: "no permission to write", 12: "error in the PKGBUILD", 13: "built already",
		14: "the package could not be installed", 15: "a program that makepkg needs is missing on this machine", 16: "the package could not be signed",
	}[code]
	return fmt.Sprintf("%s (makepkg exit code %d)", cmp.Or(b.watch.Reason(), meaning, "a function of the PKGBUILD ended makepkg"), code)
}
