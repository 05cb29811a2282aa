package makepkg

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/runners"
)

// install puts the iteration's packages that the build depends on into the
// private root.
func (b *build) install(ctx context.Context) (runners.Result, bool) {
	if result, failed := b.pacman(ctx, "-Sy"); failed {
		return result, true
	}
	db, err := readDatabase(filepath.Join(b.job.Work, "root/var/lib/pacman/sync", b.job.Repository.Name+".db"))
	if err != nil {
		return runners.Infrastructure("read the repository %s: %v", b.job.Repository.Name, err), true
	}
	if err := os.WriteFile(filepath.Join(b.job.Work, "conf/have"), []byte(strings.Join(db.names(), "\n")+"\n"), 0o644); err != nil {
		return runners.Infrastructure("prepare the build: %v", err), true
	}
	wanted := slices.DeleteFunc(b.dependencies(), func(dep string) bool { return !db.has(dep) })
	fmt.Fprintf(b.log, "==> From the iteration's repository: %s\n", describe(wanted))
	if len(wanted) == 0 {
		return runners.Result{}, false
	}
	args := []string{"-S", "--noscriptlet", "--asdeps"}
	for _, assumed := range db.external(wanted) {
		args = append(args, "--assume-installed", assumed)
	}
	return b.pacman(ctx, append(append(args, "--"), wanted...)...)
}

func describe(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, " ")
}

// dependencies are what makepkg asks for before it builds: those of the pkgbase
// section. What single packages of a split package need when they run counts
// for nobody's build but their dependents'.
func (b *build) dependencies() []string {
	base, arch := b.info.Base, b.job.Architecture
	deps := slices.Concat(base.Depends.For(arch), base.MakeDepends.For(arch))
	if !b.job.NoCheck {
		deps = append(deps, base.CheckDepends.For(arch)...)
	}
	slices.Sort(deps)
	return slices.Compact(deps)
}

// pacman runs pacman on the private root. While the server that holds the
// repository cannot be reached it tries again.
func (b *build) pacman(ctx context.Context, args ...string) (runners.Result, bool) {
	for _, pause := range append(slices.Clone(b.options.Pauses), -1) {
		b.watch.Reset()
		exit, err := b.run(ctx, step{args: append(b.pacmanCommand(), args...), env: pacmanEnv(), dir: "/", network: true, asRoot: true})
		if err == nil && exit.Success() {
			return runners.Result{}, false
		}
		if err != nil || exit.Killed != nil || !b.watch.Matches(unreachableWords) || pause < 0 {
			return b.judgePacman(ctx, exit, err), true
		}
		fmt.Fprintf(b.log, "==> The repository cannot be reached; trying again in %s\n", pause)
		sleep(ctx, pause)
	}
	return runners.Result{Outcome: buildbtw.OutcomeInfrastructure}, true // not reached: the last pause returns
}

func (b *build) pacmanCommand() []string {
	args := []string{
		b.tools.pacman, "--root", b.place.root, "--dbpath", b.place.root + "/var/lib/pacman",
		"--cachedir", b.place.cache, "--gpgdir", b.place.gpg, "--hookdir", "/nonexistent",
		"--logfile", b.place.cache + "/pacman.log", "--config", b.place.conf + "/pacman.conf",
		"--noconfirm", "--noprogressbar", "--color", "never",
	}
	if b.tools.pacmanMajor >= 7 { // it would download as a user that does not exist here
		args = append(args, "--disable-sandbox")
	}
	return args
}

func pacmanEnv() []string {
	return []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "HOME=/"}
}

// judgePacman says what a failure to install means. Packages that do not fit
// together are the iteration's fault, which a packager must mend.
func (b *build) judgePacman(ctx context.Context, exit runners.Exit, err error) runners.Result {
	if result, known := b.common(ctx, exit, err); known {
		return result
	}
	reason := b.pacmanError()
	if b.watch.Matches(unfitWords) {
		return runners.Failed("the dependencies cannot be installed: %s", reason)
	}
	return runners.Infrastructure("pacman could not install the dependencies: %s (%s)", reason, exit)
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
