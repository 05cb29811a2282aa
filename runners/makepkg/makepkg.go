// Package makepkg is the runner that builds with real makepkg on any Linux
// machine, Arch or not: as an unprivileged user, in a sandbox without network,
// against the packages of the iteration's repository, and of those that are given as the
// base. Real pacman installs them into a private root, which is mounted read-only over the
// host's /usr; everything that no repository has comes from the host.
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
	"syscall"
	"time"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/internal/limit"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/srcinfo"
	"buildbtw/runners"
	"buildbtw/runners/fetch"
)

// Isolation is how a build is isolated from the machine.
type Isolation string

const (
	// Sandbox uses namespaces. The PKGBUILD sees the host's /usr and /opt and some
	// files of /etc read-only, no network, and no process but its own.
	Sandbox Isolation = "sandbox"
	// None isolates nothing: the repository's packages are found through the compiler's
	// environment variables only, and the PKGBUILD has all rights of the user.
	// For machines that allow no namespaces.
	None Isolation = "none"
)

// Options are the runner's settings; the zero value is a good default.
type Options struct {
	Isolation Isolation // empty: Sandbox

	// UID and GID are the building user when the worker runs as root; a build
	// never runs as root. 0: a user of its own for each attempt, who owns nothing
	// else, or nobody where there are no such ids.
	UID, GID int

	// ShowEtc are patterns of files below /etc that builds see besides shownEtc.
	ShowEtc []string

	// InstallFrom has the repositories whose packages builds get where the iteration's has
	// none: the base. What none of them has comes from this machine. In URLs, file:// ones
	// too, $repo and $arch are replaced. Signatures are not checked.
	InstallFrom []api.Repository

	Limits limit.Limits // of each program of a build

	Packager string // for .PKGINFO; empty: the runner's own name
	Jobs     int    // of make; 0: 2
	Debug    bool   // make -debug packages

	// Fetcher fetches the sources; nil: one without settings.
	Fetcher *fetch.Fetcher

	// Pauses are waited between tries to reach the repository; nil: 1 s to 30 s,
	// a minute together.
	Pauses []time.Duration
}

// Runner implements runners.Runner.
type Runner struct {
	options Options
	tools   tools
	way     way
	lesser  error         // why no better way could be had
	groups  *limit.Groups // nil: limits are watched
	ungroup error         // why there are no groups
	nested  bool          // builds could make user namespaces
}

// New returns a runner; Probe reports whether it can work on this machine.
func New(o Options) *Runner {
	o.Isolation = cmp.Or(o.Isolation, Sandbox)
	o.Packager = cmp.Or(o.Packager, "buildbtw makepkg runner <buildbtw@localhost>")
	o.Jobs = cmp.Or(o.Jobs, 2)
	if o.Pauses == nil {
		o.Pauses = []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 15 * time.Second, 30 * time.Second}
	}
	if o.Fetcher == nil {
		o.Fetcher, _ = fetch.New(fetch.Options{UID: o.UID, GID: o.GID, NoBox: o.Isolation == None}) // without settings none is invalid
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
	uid   int // see builderFor
	log   io.Writer
	watch *runners.LogWatch

	db         *database // of all repositories
	unverified string    // why signatures of sources are not verified; empty: they are
	unchecked  []string  // see runners.Result.NotChecked
	memory     int64     // see runners.Result.Memory

	installed []alpm.Installed // before makepkg runs; see runners.Result.Installed
}

// Build implements runners.Runner.
func (r *Runner) Build(ctx context.Context, job runners.Job, log io.Writer) (result runners.Result) {
	info, err := srcinfo.Parse([]byte(job.Srcinfo))
	if err != nil {
		return runners.Failed("read .SRCINFO: %v", err)
	}
	watch := &runners.LogWatch{}
	b := r.newBuild(job, io.MultiWriter(log, watch), watch)
	b.info = info
	defer func() {
		if err := b.takeBack(ctx); err != nil {
			result = runners.Infrastructure("%v", err)
		}
		result.Memory = b.memory
	}()
	if err := b.prepare(); err != nil {
		return runners.Infrastructure("prepare the build: %v", err)
	}
	fmt.Fprintf(b.log, "==> Limits: %s\n", b.options.Limits)
	for _, step := range []func(context.Context) (runners.Result, bool){b.fetchDatabases, b.fetch, b.giveAway, b.checkHere, b.install, b.listInstalled, b.importKeys, b.makepkg} {
		if result, done := step(ctx); done {
			return result.WithNotChecked(b.unchecked).WithInstalled(b.installed)
		}
	}
	return b.namcap(ctx, runners.Result{Outcome: buildbtw.OutcomeBuilt}.WithNotChecked(b.unchecked).WithInstalled(b.installed))
}

func (r *Runner) newBuild(job runners.Job, log io.Writer, watch *runners.LogWatch) *build {
	return &build{Runner: r, job: job, place: r.placeFor(job), uid: r.builderFor(job.Work), log: log, watch: watch}
}

// prepare makes directories and configuration.
func (b *build) prepare() error {
	if err := os.Chmod(b.job.Work, 0o755); err != nil {
		return err
	}
	for _, dir := range []string{
		"build", "srcdest", "tmp", "home", "conf", "packages", "cache", "gpg", "etc",
		"root/usr", "root/etc", "root/opt", "root/var/lib/pacman",
	} {
		if err := publicDir(filepath.Join(b.job.Work, dir)); err != nil {
			return err
		}
	}
	for name, file := range b.configuration() {
		if err := writePublic(filepath.Join(b.job.Work, "conf", name), []byte(file.text), file.mode); err != nil {
			return err
		}
	}
	if err := os.Mkdir(filepath.Join(b.job.Work, "home/.gnupg"), 0o700); err != nil {
		return err
	}
	return b.copyEtc(filepath.Join(b.job.Work, "etc"))
}

// fetch fetches the sources, because nothing of the PKGBUILD has a network.
func (b *build) fetch(ctx context.Context) (runners.Result, bool) {
	return b.options.Fetcher.Fetch(ctx, b.job, filepath.Join(b.job.Work, "srcdest"), b.log)
}

// giveAway gives the build's directories to the user who builds: the worker may
// not be able to write to them from then on.
func (b *build) giveAway(ctx context.Context) (runners.Result, bool) {
	if err := b.handOver(ctx); err != nil {
		return runners.Infrastructure("prepare the build: %v", err), true
	}
	return runners.Result{}, false
}

// importKeys reads keys/pgp into a keyring of this build alone, with which makepkg
// verifies signatures. Keyservers are not to be relied on.
func (b *build) importKeys(ctx context.Context) (runners.Result, bool) {
	keys, unverified := fetch.Signatures(b.info, b.job)
	if b.unverified = unverified; unverified != "" {
		fmt.Fprintf(b.log, "==> WARNING: PGP signatures are not verified: %s\n", unverified)
		return runners.Result{}, false
	}
	if len(keys) == 0 {
		return runners.Result{}, false
	}
	args := []string{b.tools.gpg, "--batch", "--no-tty", "--import", "--"}
	for _, key := range keys {
		args = append(args, filepath.Join(b.place.tree, key))
	}
	exit, err := b.run(ctx, step{args: args, env: b.makepkgEnv(), dir: b.place.tree})
	if err == nil && exit.Success() {
		return runners.Result{}, false
	}
	if result, known := b.common(ctx, exit, err); known {
		return result, true
	}
	return runners.Failed("the keys in keys/pgp could not be imported (gpg %s)", exit), true
}

func (b *build) makepkg(ctx context.Context) (runners.Result, bool) {
	args := append(b.makepkgCommand(), "--force", "--holdver")
	if b.job.NoCheck {
		args = append(args, "--nocheck")
	}
	exit, err := b.run(ctx, step{args: args, env: b.makepkgEnv(), dir: b.place.tree, overlay: true})
	b.memory = exit.Memory
	if err == nil && exit.Success() {
		return runners.Result{}, false
	}
	return b.judge(ctx, exit, err), true
}

func (b *build) makepkgCommand() []string {
	args := []string{b.tools.makepkg, "--config", b.place.conf + "/makepkg.conf", "--noconfirm", "--nosign"}
	if b.unverified != "" {
		args = append(args, "--skippgpcheck")
	}
	if !b.info.Allows(b.job.Architecture) { // so the server was told to ignore that
		args = append(args, "--ignorearch")
	}
	return args
}

// judge returns the result of a makepkg that failed.
func (b *build) judge(ctx context.Context, exit runners.Exit, err error) runners.Result {
	if result, known := b.common(ctx, exit, err); known {
		return result
	}
	reason := b.reason(exit.Code)
	if slices.Contains([]int{2, 3, 10, 11, 15}, exit.Code) { // a PKGBUILD can fake them, and gains one more try
		result := runners.Infrastructure("%s", reason)
		result.Doubtful = true
		return result
	}
	result := runners.PackageFailed("%s", reason)
	result.MemoryKnown = exit.Counted
	return result
}

// common returns the result of a program that failed for reasons which every
// program may have.
func (b *build) common(ctx context.Context, exit runners.Exit, err error) (runners.Result, bool) {
	var stalled *runners.StallError
	var over *limit.ExceededError
	switch {
	case ctx.Err() != nil: // the agent reads the cause of ctx
		return runners.Result{Outcome: buildbtw.OutcomeCancelled, Message: context.Cause(ctx).Error()}, true
	case errors.As(exit.Killed, &stalled):
		return runners.Result{Outcome: buildbtw.OutcomeStalled, Message: stalled.Error()}, true
	case errors.As(exit.Killed, &over):
		return runners.Overused(over), true
	case err != nil:
		return runners.Infrastructure("%v", err), true
	case exit.OOM:
		result := runners.Infrastructure("out of memory: the kernel killed a process (%s)", exit)
		result.Doubtful = !exit.Counted // it may have been any on this machine
		return result, true
	case exit.Signal != 0:
		result := runners.Infrastructure("the sandbox was killed by signal %s", exit.Signal)
		result.Doubtful = b.options.Isolation == None // the PKGBUILD can send it
		return result, true
	case exit.Code == 128+int(syscall.SIGKILL):
		result := runners.Infrastructure("makepkg was killed by signal KILL, which the worker did not send")
		result.Doubtful = true // or the PKGBUILD has ended with this code
		return result, true
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
