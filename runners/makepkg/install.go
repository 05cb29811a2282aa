package makepkg

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"buildbtw"
	"buildbtw/runners"
)

// install installs the iteration's packages that the build depends on into the
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
	fmt.Fprintf(b.log, "==> From the iteration's repository: %s\n", cmp.Or(strings.Join(wanted, " "), "nothing"))
	if len(wanted) == 0 {
		return runners.Result{}, false
	}
	args := []string{"-S", "--noscriptlet", "--asdeps"}
	for _, assumed := range db.external(wanted) {
		args = append(args, "--assume-installed", assumed)
	}
	return b.pacman(ctx, append(append(args, "--"), wanted...)...)
}

// dependencies returns those that makepkg checks before it builds, of the pkgbase
// section. Run-time dependencies of single packages of a split package matter only
// when their dependents are built.
func (b *build) dependencies() []string {
	base, arch := b.info.Base, b.job.Architecture
	deps := slices.Concat(base.Depends.For(arch), base.MakeDepends.For(arch))
	if !b.job.NoCheck {
		deps = append(deps, base.CheckDepends.For(arch)...)
	}
	slices.Sort(deps)
	return slices.Compact(deps)
}

// Messages of pacman when packages do not fit together, and when the server could
// not be reached.
var (
	unsatisfiable = regexp.MustCompile(`target not found|unable to satisfy dependency|could not satisfy dependencies|conflicting (files|dependencies)|exists in filesystem|are in conflict`)
	unreachable   = regexp.MustCompile(`(?i)could not connect|failed to connect|connection refused|connection reset|couldn't connect|could not resolve|operation too slow|timed out|timeout|returned error: 50[234]|empty reply|transfer closed|recv failure`)
)

// pacman runs pacman on the private root. While the repository's server cannot be
// reached it tries again.
func (b *build) pacman(ctx context.Context, args ...string) (runners.Result, bool) {
	for _, pause := range append(slices.Clone(b.options.Pauses), -1) {
		b.watch.Reset()
		exit, err := b.run(ctx, step{args: append(b.pacmanCommand(), args...), env: pacmanEnv(), dir: "/", network: true, asRoot: true})
		if err == nil && exit.Success() {
			return runners.Result{}, false
		}
		if err != nil || exit.Killed != nil || !b.watch.Matches(unreachable) || pause < 0 {
			if result, known := b.common(ctx, exit, err); known {
				return result, true
			}
			errors := b.watch.Errors()
			reason := cmp.Or(strings.Join(errors[:min(3, len(errors))], "; "), "no reason given")
			if b.watch.Matches(unsatisfiable) { // which a packager must mend
				return runners.Failed("the dependencies cannot be installed: %s", reason), true
			}
			return runners.Infrastructure("pacman could not install the dependencies: %s (%s)", reason, exit), true
		}
		fmt.Fprintf(b.log, "==> The repository cannot be reached; trying again in %s\n", pause)
		runners.Pause(ctx, pause)
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
