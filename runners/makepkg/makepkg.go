// Package makepkg is the runner that builds with real makepkg on any Linux
// machine, Arch or not: as an unprivileged user, in a sandbox without network,
// against the packages that the iteration's repository holds. Real pacman
// installs those into a private root, which is laid read-only over the host's
// /usr; everything that the repository does not have is left to the host.
//
// The arrangement and what was measured: docs/toolchain.md, sections 1, 2, 8.
package makepkg

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/pacman/srcinfo"
	"buildbtw/runners"
)

// Isolation says how a build is kept apart from the machine.
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

	// UID and GID are who builds when the worker runs as root; a build never
	// runs as root. 0: 65534, nobody.
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

// New makes a runner; Probe says whether it can work here.
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

// workDirs are what a build needs below Job.Work.
func workDirs() []string {
	return []string{
		"build", "srcdest", "tmp", "home", "conf", "cache", "gpg",
		"root/usr", "root/etc", "root/opt", "root/var/lib/pacman",
	}
}

// prepare makes directories and configuration, and gives them to whom builds.
func (b *build) prepare() error {
	for _, dir := range workDirs() {
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
		if err := chownTree(dir, b.options.UID, b.options.GID); err != nil {
			return err
		}
	}
	return nil
}

// chownTree makes everything below dir belong to a user, links themselves
// included.
func chownTree(dir string, uid, gid int) error {
	return filepath.WalkDir(dir, func(name string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(name, uid, gid)
	})
}

// fetch downloads what the PKGBUILD wants from the network, before the build
// that has none.
func (b *build) fetch(ctx context.Context) (runners.Result, bool) {
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

// isRemote reports whether makepkg would have to download a source entry:
// [name::]url.
func isRemote(source string) bool {
	if _, url, found := strings.Cut(source, "::"); found {
		source = url
	}
	return strings.Contains(source, "://") && !strings.HasPrefix(source, "file://")
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
