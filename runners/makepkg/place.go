package makepkg

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"buildbtw/runners"
)

// place lists the directories of a build, as its programs see them.
type place struct {
	tree, build, srcdest, pkgdest string
	conf, root, cache, gpg        string
	tmp, home                     string
	packages                      string // that were downloaded
	dbpath                        string // of the private pacman root
}

// placeFor returns fixed paths inside the sandbox, so that the same job makes the
// same bytes (.BUILDINFO names them), and the real ones without it.
func (r *Runner) placeFor(job runners.Job) place {
	if r.options.Isolation == Sandbox {
		return place{
			tree: "/startdir", build: "/build", srcdest: "/srcdest", pkgdest: "/pkgdest",
			conf: "/run/buildbtw", root: "/mnt/root", packages: "/mnt/packages", cache: "/mnt/cache", gpg: "/mnt/gpg",
			tmp: "/tmp", home: "/home/build", dbpath: "/var/lib/pacman",
		}
	}
	in := func(name string) string { return filepath.Join(job.Work, name) }
	return place{
		tree: job.Tree, build: in("build"), srcdest: in("srcdest"), pkgdest: job.Output,
		conf: in("conf"), root: in("root"), packages: in("packages"), cache: in("cache"), gpg: in("gpg"),
		tmp: in("tmp"), home: in("home"), dbpath: in("root/var/lib/pacman"),
	}
}

// makepkgEnv returns the whole environment of makepkg.
func (b *build) makepkgEnv() []string {
	p := b.place
	env := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin:/usr/bin/site_perl:/usr/bin/vendor_perl:/usr/bin/core_perl",
		"LANG=C.UTF-8", "LC_ALL=C.UTF-8", "TZ=UTC",
		"HOME=" + p.home, "GNUPGHOME=" + p.home + "/.gnupg", "USER=build", "LOGNAME=build", "SHELL=/bin/bash", "TERM=dumb", "TMPDIR=" + p.tmp,
		"PKGDEST=" + p.pkgdest, "SRCDEST=" + p.srcdest, "BUILDDIR=" + p.build, "LOGDEST=" + p.build,
		"PKGEXT=.pkg.tar.zst", "CARCH=" + b.job.Architecture,
		"PACKAGER=" + b.options.Packager,
		"PACMAN=" + p.conf + "/pacman",
		fmt.Sprintf("SOURCE_DATE_EPOCH=%d", b.job.SourceDate),
	}
	switch {
	case b.options.Isolation == None: // the private root is found through these only
		usr := p.root + "/usr"
		env[0] = "PATH=" + usr + "/bin:" + strings.TrimPrefix(env[0], "PATH=")
		return append(env,
			"C_INCLUDE_PATH="+usr+"/include", "CPLUS_INCLUDE_PATH="+usr+"/include",
			"LIBRARY_PATH="+usr+"/lib", "LD_LIBRARY_PATH="+usr+"/lib",
			"PKG_CONFIG_PATH="+usr+"/lib/pkgconfig:"+usr+"/share/pkgconfig",
			"CMAKE_PREFIX_PATH="+usr, "XDG_DATA_DIRS="+usr+"/share:/usr/local/share:/usr/share")
	case b.tools.multiarch:
		// Arch's packages are in /usr/lib; Debian's compiler, linker and loader look
		// into the directory of the machine's architecture first.
		return append(env, "LIBRARY_PATH=/usr/lib", "LD_LIBRARY_PATH=/usr/lib", "PKG_CONFIG_PATH=/usr/lib/pkgconfig:/usr/share/pkgconfig")
	}
	return env
}

// confFile is a file below Job.Work/conf.
type confFile struct {
	text string
	mode os.FileMode
}

// configuration returns the files that the programs of the build read instead of
// the host's configuration. The list of names in the repositories is written when
// their databases are known.
func (b *build) configuration() map[string]confFile {
	return map[string]confFile{
		"makepkg.conf": {b.makepkgConf(), 0o644},
		"pacman.conf":  {b.pacmanConf(), 0o644},
		"pacman":       {b.pacmanWrapper(), 0o755},
		"have":         {"", 0o644},
	}
}

// pacmanConf names the repositories. The worker trusts the server that it builds for, whose
// packages are not signed, and who named the others.
func (b *build) pacmanConf() string {
	var conf strings.Builder
	fmt.Fprintf(&conf, "[options]\nArchitecture = %s\nSigLevel = Never\nHoldPkg =\n", b.job.Architecture)
	for _, r := range b.repositories() {
		fmt.Fprintf(&conf, "\n[%s]\nSigLevel = Never\nServer = %s\n", r.Name, r.URL)
	}
	return conf.String()
}

// pacmanWrapper returns the script that replaces pacman for makepkg: the real one
// lists missing dependencies, and those of which no repository has a package are expected
// on the host. So a version clash inside the iteration is a
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

// makepkgConf returns Arch's makepkg.conf (package pacman 7, 2026), with fast
// compression, because these packages are rebuilt often and soon removed, and
// without debug packages and LTO unless asked for. makepkg sources it.
func (b *build) makepkgConf() string {
	cflags := "-O2 -pipe -fno-plt -fexceptions -Wp,-D_FORTIFY_SOURCE=3 -Wformat -Werror=format-security"
	if b.job.Architecture == "x86_64" {
		cflags = "-march=x86-64 -mtune=generic " + cflags + " -fstack-clash-protection -fcf-protection"
	}
	debug := "!debug"
	if b.options.Debug {
		debug = "debug"
	}
	return fmt.Sprintf(`CARCH='%[1]s'
CHOST='%[1]s-pc-linux-gnu'
CPPFLAGS=''
CFLAGS='%[2]s'
CXXFLAGS="$CFLAGS -Wp,-D_GLIBCXX_ASSERTIONS"
LDFLAGS='-Wl,-O1 -Wl,--sort-common -Wl,--as-needed -Wl,-z,relro -Wl,-z,now'
LTOFLAGS='-flto=auto'
MAKEFLAGS='-j%[3]d'
DEBUG_CFLAGS='-g'
DEBUG_CXXFLAGS='-g'
BUILDENV=(!distcc !color !ccache check !sign)
OPTIONS=(strip docs !libtool !staticlibs emptydirs zipman purge %[4]s !lto)
INTEGRITY_CHECK=(sha256)
STRIP_BINARIES='--strip-all'
STRIP_SHARED='--strip-unneeded'
STRIP_STATIC='--strip-debug'
MAN_DIRS=({usr{,/local}{,/share},opt/*}/{man,info})
DOC_DIRS=(usr/{,local/}{,share/}{doc,gtk-doc} opt/*/{doc,gtk-doc})
PURGE_TARGETS=(usr/{,share}/info/dir .packlist *.pod)
DBGSRCDIR='/usr/src/debug'
LIB_DIRS=('lib:usr/lib' 'lib32:usr/lib32')
DLAGENTS=('file::/usr/bin/curl -qgC - -o %%o %%u'
          'ftp::/usr/bin/curl -qgfC - --ftp-pasv --retry 3 --retry-delay 3 -o %%o %%u'
          'http::/usr/bin/curl -qgb "" -fLC - --retry 3 --retry-delay 3 -o %%o %%u'
          'https::/usr/bin/curl -qgb "" -fLC - --retry 3 --retry-delay 3 -o %%o %%u'
          'rsync::/usr/bin/rsync --no-motd -z %%u %%o'
          'scp::/usr/bin/scp -C %%u %%o')
VCSCLIENTS=('bzr::breezy' 'fossil::fossil' 'git::git' 'hg::mercurial' 'svn::subversion')
COMPRESSGZ=(gzip -c -f -n)
COMPRESSBZ2=(bzip2 -c -f)
COMPRESSXZ=(xz -c -z -)
COMPRESSZST=(zstd -c -q -1 -)
COMPRESSLZ4=(lz4 -q)
PKGEXT='.pkg.tar.zst'
SRCEXT='.src.tar.gz'
`, b.job.Architecture, cflags, b.options.Jobs, debug)
}
