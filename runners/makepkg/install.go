package makepkg

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/pacman/alpm"
	"buildbtw/runners"
	"buildbtw/runners/fetch"
)

// repositories returns what packages are installed from, in the order of pacman.conf: the
// first that has a name wins.
func (b *build) repositories() []api.Repository {
	list := []api.Repository{b.job.Repository}
	for _, r := range b.options.InstallFrom {
		r.URL = strings.NewReplacer("$repo", r.Name, "$arch", b.job.Architecture).Replace(r.URL)
		list = append(list, r)
	}
	return list
}

// fetchDatabases downloads the databases of all repositories.
func (b *build) fetchDatabases(ctx context.Context) (runners.Result, bool) {
	sync := filepath.Join(b.job.Work, "root/var/lib/pacman/sync")
	if err := publicDir(sync); err != nil {
		return runners.Infrastructure("prepare the build: %v", err), true
	}
	b.db = &database{providers: map[string][]int{}, files: map[string]bool{}}
	for _, r := range b.repositories() {
		file := filepath.Join(sync, r.Name+".db")
		if result, failed := b.download(ctx, r, r.Name+".db", file); failed {
			return result, true
		}
		if err := b.db.read(r.Name, file); err != nil {
			return runners.Infrastructure("read the repository %s: %v", r.Name, err), true
		}
	}
	if err := writePublic(filepath.Join(b.job.Work, "conf/have"), []byte(strings.Join(b.db.names(), "\n")+"\n"), 0o644); err != nil {
		return runners.Infrastructure("prepare the build: %v", err), true
	}
	return runners.Result{}, false
}

// checkHere says which dependencies are taken for granted: makepkg asks for none that no
// repository has (see pacmanWrapper).
func (b *build) checkHere(ctx context.Context) (runners.Result, bool) {
	b.unchecked = runners.MissingHere(ctx, slices.DeleteFunc(b.dependencies(), b.db.has))
	for _, dep := range b.unchecked {
		fmt.Fprintf(b.log, "==> WARNING: %s\n", buildbtw.NotCheckedText([]string{dep}))
	}
	return runners.Result{}, false
}

// install installs the packages that the build depends on, as far as the repositories have
// them, into the private root. This program downloads them; pacman has no network.
func (b *build) install(ctx context.Context) (runners.Result, bool) {
	db := b.db
	wanted := slices.DeleteFunc(b.dependencies(), func(dep string) bool { return !db.has(dep) })
	fmt.Fprintf(b.log, "==> From %s: %s\n", b.from(), cmp.Or(strings.Join(wanted, " "), "nothing"))
	if len(wanted) == 0 {
		return runners.Result{}, false
	}
	args := []string{"-S", "--asdeps"}
	for _, assumed := range db.external(wanted) {
		args = append(args, "--assume-installed", assumed)
	}
	args = append(append(args, "--"), wanted...)
	var list bytes.Buffer
	if result, failed := b.pacman(ctx, &list, append([]string{"--print", "--print-format", "%r %l"}, args...)...); failed {
		return result, true
	}
	for line := range strings.Lines(list.String()) {
		name, address, _ := strings.Cut(strings.TrimSpace(line), " ")
		file := path.Base(address)
		i := slices.IndexFunc(b.repositories(), func(r api.Repository) bool { return r.Name == name && db.files[name+"/"+file] })
		if i < 0 {
			continue // a message of pacman
		}
		if result, failed := b.download(ctx, b.repositories()[i], file, filepath.Join(b.job.Work, "packages", file)); failed {
			return result, true
		}
	}
	return b.pacman(ctx, io.Discard, append([]string{"--noscriptlet"}, args...)...)
}

// listInstalled notes what the build is going to see: the packages of this machine, if they
// are pacman's, and those of the private root, which lies over them.
func (b *build) listInstalled(context.Context) (runners.Result, bool) {
	b.installed = alpm.MergeInstalled(runners.LocalPackages("/var/lib/pacman/local"), runners.LocalPackages(filepath.Join(b.job.Work, "root/var/lib/pacman/local")))
	return runners.Result{}, false
}

// from names the repositories, for the log.
func (b *build) from() string {
	names := []string{"the iteration's repository"}
	for _, r := range b.options.InstallFrom {
		names = append(names, r.Name)
	}
	return strings.Join(names, ", ")
}

// download fetches a file of a repository. Only the iteration's gets the worker's token.
func (b *build) download(ctx context.Context, from api.Repository, name, file string) (runners.Result, bool) {
	job := b.job
	if from != job.Repository {
		job.Repository, job.Authorize = from, nil
	}
	var err error
	if dir, local := strings.CutPrefix(from.URL, "file://"); local && from != b.job.Repository {
		err = copyFile(filepath.Join(dir, name), file)
	} else {
		err = fetch.Download(ctx, job, name, file, b.options.Pauses, b.log)
	}
	switch {
	case ctx.Err() != nil:
		return b.common(ctx, runners.Exit{}, nil)
	case err != nil:
		return runners.Unreachable("the repository %s: %v", from.Name, err), true
	}
	return runners.Result{}, false
}

// copyFile copies a file of a repository on this machine, which may be changed at any time.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Close()
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

// pacman runs pacman on the private root; its output goes to out, too.
func (b *build) pacman(ctx context.Context, out io.Writer, args ...string) (runners.Result, bool) {
	b.watch.Reset()
	exit, err := b.run(ctx, step{args: append(b.pacmanCommand(), args...), env: pacmanEnv(), dir: "/", asRoot: true, also: out})
	if err == nil && exit.Success() {
		return runners.Result{}, false
	}
	if result, known := b.common(ctx, exit, err); known {
		return result, true
	}
	errors := b.watch.Errors()
	reason := cmp.Or(strings.Join(errors[:min(3, len(errors))], "; "), "no reason given")
	if b.watch.Unsatisfiable() { // which a packager must mend
		return runners.Failed("the dependencies cannot be installed: %s", reason), true
	}
	return runners.Infrastructure("pacman could not install the dependencies: %s (%s)", reason, exit), true
}

func (b *build) pacmanCommand() []string {
	args := []string{
		b.tools.pacman, "--root", b.place.root, "--dbpath", b.place.root + "/var/lib/pacman",
		"--cachedir", b.place.cache, "--cachedir", b.place.packages, "--gpgdir", b.place.gpg, "--hookdir", "/nonexistent",
		"--logfile", b.place.cache + "/pacman.log", "--config", b.place.conf + "/pacman.conf",
		"--noconfirm", "--noprogressbar", "--color", "never",
	}
	if b.tools.pacmanMajor >= 7 { // it would change to a user that does not exist here
		args = append(args, "--disable-sandbox")
	}
	return args
}

func pacmanEnv() []string {
	return []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "HOME=/"}
}
