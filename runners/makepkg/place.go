package makepkg

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"buildbtw/runners"
)

// place is where the programs of a build find things.
type place struct {
	tree, build, srcdest, pkgdest string
	conf, root, cache, gpg        string
	tmp, home                     string
	dbpath                        string // of the private pacman root
}

// placeFor returns fixed paths inside the sandbox, so that the same job makes the
// same bytes (.BUILDINFO names them), and the real ones without it.
func (r *Runner) placeFor(job runners.Job) place {
	if r.options.Isolation == Sandbox {
		return place{
			tree: "/startdir", build: "/build", srcdest: "/srcdest", pkgdest: "/pkgdest",
			conf: "/run/buildbtw", root: "/mnt/root", cache: "/mnt/cache", gpg: "/mnt/gpg",
			tmp: "/tmp", home: "/home/build", dbpath: "/var/lib/pacman",
		}
	}
	in := func(name string) string { return filepath.Join(job.Work, name) }
	return place{
		tree: job.Tree, build: in("build"), srcdest: in("srcdest"), pkgdest: job.Output,
		conf: in("conf"), root: in("root"), cache: in("cache"), gpg: in("gpg"),
		tmp: in("tmp"), home: in("home"), dbpath: in("root/var/lib/pacman"),
	}
}

// makepkgEnv is the whole environment of makepkg.
func (b *build) makepkgEnv() []string {
	p := b.place
	env := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin:/usr/bin/site_perl:/usr/bin/vendor_perl:/usr/bin/core_perl",
		"LANG=C.UTF-8", "LC_ALL=C.UTF-8", "TZ=UTC",
		"HOME=" + p.home, "USER=build", "LOGNAME=build", "SHELL=/bin/bash", "TERM=dumb", "TMPDIR=" + p.tmp,
		"PKGDEST=" + p.pkgdest, "SRCDEST=" + p.srcdest, "BUILDDIR=" + p.build, "LOGDEST=" + p.build,
		"PKGEXT=.pkg.tar.zst", "CARCH=" + b.job.Architecture,
		"PACKAGER=" + b.options.Packager,
		"PACMAN=" + p.conf + "/pacman",
		fmt.Sprintf("SOURCE_DATE_EPOCH=%d", b.job.SourceDate),
	}
	if b.options.Isolation == None {
		return b.rootEnv(env)
	}
	return b.multiarchEnv(env)
}

// multiarchEnv makes compiler, linker and loader look into /usr/lib, where
// Arch's packages lie, before the host's own directory of the machine's
// architecture, which Debian puts first.
func (b *build) multiarchEnv(env []string) []string {
	if !b.tools.multiarch {
		return env
	}
	return append(env, "LIBRARY_PATH=/usr/lib", "LD_LIBRARY_PATH=/usr/lib",
		"PKG_CONFIG_PATH=/usr/lib/pkgconfig:/usr/share/pkgconfig")
}

// rootEnv shows programs the private root through their environment variables.
func (b *build) rootEnv(env []string) []string {
	usr := b.place.root + "/usr"
	env[0] = "PATH=" + usr + "/bin:" + strings.TrimPrefix(env[0], "PATH=")
	return append(env,
		"C_INCLUDE_PATH="+usr+"/include", "CPLUS_INCLUDE_PATH="+usr+"/include",
		"LIBRARY_PATH="+usr+"/lib", "LD_LIBRARY_PATH="+usr+"/lib",
		"PKG_CONFIG_PATH="+usr+"/lib/pkgconfig:"+usr+"/share/pkgconfig",
		"CMAKE_PREFIX_PATH="+usr, "XDG_DATA_DIRS="+usr+"/share:/usr/local/share:/usr/share")
}

// confFile is a file below Job.Work/conf.
type confFile struct {
	text string
	mode os.FileMode
}

// configuration is all that the programs of the build read instead of the
// host's configuration. The list of names that the repository has follows when
// its database is known.
func (b *build) configuration() map[string]confFile {
	return map[string]confFile{
		"makepkg.conf": {b.makepkgConf(), 0o644},
		"pacman.conf":  {b.pacmanConf(), 0o644},
		"pacman":       {b.pacmanWrapper(), 0o755},
		"have":         {"", 0o644},
		"passwd":       {"root:x:0:0:root:/root:/bin/bash\nbuild:x:1000:1000:build:/home/build:/bin/bash\nnobody:x:65534:65534:nobody:/:/bin/false\n", 0o644},
		"group":        {"root:x:0:\nbuild:x:1000:\nnobody:x:65534:\n", 0o644},
	}
}

// pacmanConf knows the iteration's repository and no other. The worker trusts
// the server it builds for; packages in it are not signed.
func (b *build) pacmanConf() string {
	return fmt.Sprintf("[options]\nArchitecture = %s\nSigLevel = Never\nHoldPkg =\n\n[%s]\nSigLevel = Never\nServer = %s\n",
		b.job.Architecture, b.job.Repository.Name, b.job.Repository.URL)
}

// pacmanWrapper stands in for pacman in makepkg: the real one says which
// dependencies are missing, and those of which the iteration's repository has
// no package are left to the host. So a version clash inside the iteration is a
// real failure.
func (b *build) pacmanWrapper() string {
	return fmt.Sprintf(`#!/bin/bash
pacman=(%s --config '%s/pacman.conf' --dbpath '%s')
[[ ${1-} = -T || ${1-} = --deptest ]] || exec "${pacman[@]}" "$@"
shift
missing=$("${pacman[@]}" -T "$@" | while read -r dep; do
	if grep -qxF -- "${dep%%%%[<>=]*}" '%s/have'; then printf '%%s\n' "$dep"; fi
done)
[[ -z $missing ]] || { printf '%%s\n' "$missing"; exit 127; }
`, b.tools.pacman, b.place.conf, b.place.dbpath, b.place.conf)
}
