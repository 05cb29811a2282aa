package makepkg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"buildbtw/internal/limit"
	"buildbtw/runners"
)

// tools are the programs of the host, as Probe found them.
type tools struct {
	makepkg, pacman, bwrap, unshare, bash, fakeroot, setpriv, gpg string

	pacmanMajor int
	newuidmap   bool // users can use their subordinate ids
	multiarch   bool // the host has its libraries in /usr/lib/x86_64-linux-gnu or the like
}

// need is a program, and the packages that have it.
type need struct {
	into         *string
	name         string
	debian, arch string
	alone        bool // needed without the sandbox, too
}

// Probe implements runners.Runner: it looks for the programs, then tries a whole
// sandbox, overlay included, as the user of whom this machine can spare most.
func (r *Runner) Probe(ctx context.Context) error {
	if err := r.findTools(); err != nil {
		return err
	}
	major, err := pacmanMajor(ctx, r.tools.pacman)
	if err != nil {
		return err
	}
	r.tools.pacmanMajor = major
	dirs, _ := filepath.Glob("/usr/lib/*-linux-gnu*") // the pattern is valid
	r.tools.multiarch = len(dirs) > 0
	if err := r.options.Fetcher.Probe(ctx); err != nil {
		return err
	}
	_, uids := exec.LookPath("newuidmap")
	_, gids := exec.LookPath("newgidmap")
	r.tools.newuidmap = uids == nil && gids == nil
	r.groups, r.ungroup = limit.FindGroups()
	return r.chooseWay(func() error { return r.try(ctx) })
}

func (r *Runner) findTools() error {
	t := &r.tools
	list := []need{
		{&t.makepkg, "makepkg", "makepkg", "pacman", true},
		{&t.pacman, "pacman", "pacman-package-manager", "pacman", true},
		{&t.bash, "bash", "bash", "bash", true},
		{&t.fakeroot, "fakeroot", "fakeroot", "fakeroot", true},
		{new(string), "bsdtar", "libarchive-tools", "libarchive", true},
		{new(string), "zstd", "zstd", "zstd", true},
		{new(string), "strip", "binutils", "binutils", true},
		{&t.gpg, "gpg", "gpg", "gnupg", true},
		{&t.bwrap, "bwrap", "bubblewrap", "bubblewrap", false},
		{&t.setpriv, "setpriv", "util-linux", "util-linux", os.Geteuid() == 0},
		{&t.unshare, "unshare", "util-linux", "util-linux", false},
	}
	var names, debian, arch []string
	for _, n := range list {
		if !n.alone && r.options.Isolation == None {
			continue
		}
		path, err := exec.LookPath(n.name)
		if err != nil {
			names, debian, arch = append(names, n.name), append(debian, n.debian), append(arch, n.arch)
			continue
		}
		*n.into = path
	}
	if len(names) > 0 {
		return fmt.Errorf("the makepkg runner needs %s; install them: apt install %s, or pacman -S %s",
			strings.Join(names, ", "), strings.Join(debian, " "), strings.Join(arch, " "))
	}
	return nil
}

var pacmanVersion = regexp.MustCompile(`Pacman v(\d+)\.`)

func pacmanMajor(ctx context.Context, pacman string) (int, error) {
	text, err := exec.CommandContext(ctx, pacman, "--version").Output()
	if err != nil {
		return 0, fmt.Errorf("ask %s for its version: %w", pacman, err)
	}
	m := pacmanVersion.FindSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("%s --version names no version", pacman)
	}
	return strconv.Atoi(string(m[1]))
}

// try runs a program that an overlay adds to /usr, both as the builder and as the
// private root's root; without the sandbox any.
func (r *Runner) try(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "buildbtw-probe-")
	if err != nil {
		return fmt.Errorf("try a build: %w", err)
	}
	defer func() { _ = runners.RemoveTree(dir) }()
	var output bytes.Buffer
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	b, err := r.probeBuild(ctx, dir, &output)
	if err != nil {
		return fmt.Errorf("try a build: %w", err)
	}
	defer func() { err = errors.Join(err, b.takeBack(ctx)) }()
	steps := []step{
		{args: []string{"/usr/share/buildbtw-probe/run"}, env: pacmanEnv(), dir: "/startdir", overlay: true},
		{args: []string{"/usr/bin/true"}, env: pacmanEnv(), dir: "/", asRoot: true},
	}
	if r.options.Isolation == None {
		steps = []step{{args: []string{"/usr/bin/true"}, env: pacmanEnv(), dir: "/"}}
	}
	for _, s := range steps {
		exit, err := b.run(ctx, s)
		if err == nil && !exit.Success() {
			err = errors.New(exit.String())
		}
		if err != nil {
			return fmt.Errorf("the sandbox does not work on this machine: %w: %s. It needs user and mount namespaces with overlayfs: "+
				"allow them (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0; in a container also a seccomp profile that lets unshare and mount through), "+
				"or build without isolation, which trusts every PKGBUILD: --isolation none", err, strings.Join(strings.Fields(output.String()), " "))
		}
	}
	_, err = os.Stat(filepath.Join(b.job.Output, "nested"))
	r.nested = err == nil
	return nil
}

// probeBuild returns a build with only a script in its private root.
func (r *Runner) probeBuild(ctx context.Context, dir string, output *bytes.Buffer) (*build, error) {
	job := runners.Job{Tree: filepath.Join(dir, "source"), Output: filepath.Join(dir, "output"), Work: filepath.Join(dir, "work")}
	job.Architecture, job.Repository.Name = runtime.GOARCH, "probe"
	script := filepath.Join(job.Work, "root/usr/share/buildbtw-probe/run")
	for _, d := range []string{job.Tree, job.Output, filepath.Dir(script)} {
		if err := publicDir(d); err != nil {
			return nil, err
		}
	}
	text := "#!/bin/sh\ntest \"$(id -u)\" = 1000 && echo ok >/pkgdest/probe || exit 1\nif unshare --user true 2>/dev/null; then echo yes >/pkgdest/nested; fi\n"
	if err := writePublic(script, []byte(text), 0o755); err != nil {
		return nil, err
	}
	b := r.newBuild(job, output, &runners.LogWatch{})
	if err := b.prepare(); err != nil {
		return nil, err
	}
	return b, b.handOver(ctx)
}
